//! What pip and the index are asked, and what is refused before.

use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::json;

use super::{fill, make_indexes, nothing_remains, pairs, statuses, wait_for};
use crate::client::stand::Stand;
use crate::support::digest;

#[tokio::test]
async fn digests_addresses_and_left_out_dependencies_are_pips_to_see_to() {
    let stand = Stand::at_our_server().await;
    make_indexes(&stand, json!({})).await;
    let lonely = Sdist::named("lonely").build();
    let needing = Sdist::named("needing").requires_dist("lonely").build();
    for file in [&lonely, &needing] {
        stand.upload("bob/sources", file).await;
    }
    let wrong = digest(b"something else");
    let with_digests = format!(
        "lonely==1.0 \\\n    --hash=sha256:{}\nneeding==1.0 --hash=sha256:{wrong}\n",
        lonely.sha256
    );
    stand.write("digests.txt", &with_digests);
    let output = fill(&stand, &["digests.txt", "bob/dev", "--json"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(
        statuses(&output),
        pairs(&[("lonely 1.0", "uploaded"), ("needing 1.0", "failed")])
    );

    // A file here, beside one by name; nothing of what they need.
    let here = Sdist::named("here")
        .requires_dist("nobody-has-this")
        .build();
    std::fs::write(stand.home.path().join(&here.name), &here.bytes).unwrap();
    stand.write("mixed.txt", &format!("./{}\nneeding\n", here.name));
    let output = fill(&stand, &["mixed.txt", "bob/dev", "--no-deps", "--json"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        statuses(&output),
        pairs(&[("here 1.0", "uploaded"), ("needing 1.0", "uploaded")])
    );
    let output = fill(&stand, &["mixed.txt", "bob/dev", "--no-deps", "--json"]);
    assert_eq!(
        statuses(&output),
        pairs(&[("here 1.0", "present"), ("needing 1.0", "present")])
    );
    // What only a base has can be counted as missing.
    stand.index("bob/own", json!({"bases": ["bob/dev"]})).await;
    stand.write("lonely.txt", "lonely\n");
    let output = fill(&stand, &["lonely.txt", "bob/own"]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(0), ""),
        "{output:?}"
    );
    let output = fill(&stand, &["lonely.txt", "bob/own", "--ignore-bases"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        stand.files("bob/own", "lonely").await,
        ["lonely-1.0-py3-none-any.whl"]
    );
}

#[tokio::test]
async fn the_index_is_asked_once_a_project() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    for (name, version) in [("lonely", "1.0"), ("lonely", "2.0"), ("other", "1.0")] {
        let wheel = Wheel::named(name).version(version).build();
        stand.upload("bob/dev", &wheel).await;
    }
    stand.write("all.txt", "lonely==1.0\nlonely==2.0\nother==1.0\n");
    let output = fill(&stand, &["all.txt", "bob/dev", "--no-deps"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stderr, "3 there already\n");
    // What pip asks would be here too.
    stand.done(&["getjson", "/bob/dev?no_projects="]);
    let log = wait_for(|| Some(stand.log()).filter(|log| log.contains("GET /bob/dev 200")));
    assert_eq!(log.matches("+simple/").count(), 2, "{log}");
}

#[tokio::test]
async fn what_cannot_be_tried_is_said_before_anything_is_built() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    stand
        .index(
            "bob/mirror",
            json!({"type": "mirror", "mirror_url": "http://127.0.0.1:9/"}),
        )
        .await;
    stand.write("all.txt", "lonely\n");
    stand.write("loop.txt", "-r loop.txt\n");
    stand.write("odd.txt", "./here\n");
    // What it asks for is in its last line.
    stand.write("large.txt", &format!("{}\nlonely\n", "#".repeat(16 << 20)));
    for (arguments, expected) in [
        (&["none.txt", "bob/dev"] as &[&str], "none.txt"),
        (&["loop.txt", "bob/dev"], "includes itself"),
        (&["large.txt", "bob/dev"], "larger than 16 MiB"),
        (&["all.txt", "bob/none"], "404"),
        (&["all.txt", "bob/mirror"], "does not support upload"),
        (
            &["all.txt", "bob/dev", "--pure-index", "bob/mirror"],
            "does not support upload",
        ),
        (
            &["all.txt", "bob/dev", "--blacklist", "odd.txt"],
            "odd.txt:1",
        ),
        (
            &["all.txt", "bob/dev", "-p", "no-such-python"],
            "no-such-python",
        ),
        (
            &["all.txt", "bob/dev", "-p", "/bin/true"],
            "which wheels its Python can use",
        ),
        (&["all.txt"], "INDEX"),
    ] {
        let output = fill(&stand, arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {output:?}");
        assert!(
            output.stderr.contains(expected),
            "{arguments:?}: {output:?}"
        );
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
    stand.done(&["logoff"]);
    let output = fill(&stand, &["all.txt", "bob/dev"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("log in first"), "{output:?}");
    nothing_remains(&stand);
}
