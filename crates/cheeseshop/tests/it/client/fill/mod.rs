//! `cheeseshop fill`: wheels of what files of requirements ask for, built by a real pip.

mod asking;
mod building;

use std::time::Instant;

use cheeseshop_test_support::{Sdist, Wheel, client_command, python_client};
use serde_json::{Value, json};

use super::stand::{Stand, at_both_servers, python};
use crate::support::{BETWEEN_LOOKS, DEADLINE, Output, finish};

at_both_servers!(what_has_no_wheel_is_built_and_nothing_else);
at_both_servers!(each_release_that_fails_is_told_and_the_others_are_uploaded);
at_both_servers!(wheels_go_where_they_belong);

/// A backend that cannot build.
const BROKEN_BACKEND: &str = "raise RuntimeError('there is no compiler')\n";

fn fill(stand: &Stand, arguments: &[&str]) -> Output {
    let python = python();
    let mut all = vec!["fill"];
    if !arguments.contains(&"-p") {
        all.extend(["-p", &python]);
    }
    all.extend(arguments);
    stand.run(&all)
}

/// Makes `bob/sources`, and `bob/dev` with it as its base.
async fn make_indexes(stand: &Stand, mut settings: Value) {
    stand.index("bob/sources", json!({})).await;
    settings["bases"] = json!(["bob/sources"]);
    stand.index("bob/dev", settings).await;
}

/// What `--json` says of each package: its name and status.
fn statuses(output: &Output) -> Vec<(String, String)> {
    let document: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    document["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let name = format!(
                "{} {}",
                text(&package["project"]),
                text(&package["version"])
            );
            (name, text(&package["status"]))
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, status): &(&str, &str)| ((*name).to_owned(), (*status).to_owned());
    expected.iter().map(owned).collect()
}

fn nothing_remains(stand: &Stand) {
    let left: Vec<_> = std::fs::read_dir(stand.scratch())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not happen in time");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

async fn what_has_no_wheel_is_built_and_nothing_else(stand: Stand) {
    make_indexes(&stand, json!({"volatile": false})).await;
    let app = Wheel::named("app")
        .requires_dist("lonely")
        .requires_dist("ready>=1");
    for file in [
        app.build(),
        Wheel::named("ready").build(),
        Sdist::named("ready").build(),
        Sdist::named("lonely").build(),
        Sdist::named("Fresh.One").version("2.0").build(),
    ] {
        stand.upload("bob/sources", &file).await;
    }
    stand.write("main.txt", "# what we ship\n-r sub/more.txt\napp==1.0\n");
    stand.write(
        "sub/more.txt",
        "fresh-one>1 \\\n  # but not too new\n  \nabsent-elsewhere ; python_version < '3'\n-c limits.txt\n",
    );
    stand.write("sub/limits.txt", "lonely<2\n");

    let output = fill(&stand, &["main.txt", "bob/dev"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let url = format!("{}/bob/dev/", stand.url);
    assert_eq!(
        output.stdout,
        format!(
            "uploaded fresh_one-2.0-py3-none-any.whl to {url}\n\
             uploaded lonely-1.0-py3-none-any.whl to {url}\n"
        )
    );
    assert_eq!(output.stderr, "2 uploaded, 2 there already\n");
    assert_eq!(
        stand.files("bob/dev", "lonely").await,
        ["lonely-1.0-py3-none-any.whl"]
    );
    assert_eq!(stand.files("bob/dev", "app").await, [""; 0]);
    assert_eq!(stand.files("bob/dev", "ready").await, [""; 0]);
    nothing_remains(&stand);

    // All of it can be installed now without building.
    let mut install = client_command(&python_client("pip"), stand.home.path());
    install.args([
        "install",
        "--only-binary",
        ":all:",
        "--target",
        "installed",
        "-r",
        "main.txt",
    ]);
    install.args(["--index-url", &format!("{url}+simple/")]);
    install
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let installed = finish(install, "");
    assert_eq!(installed.code, Some(0), "{installed:?}");

    let again = fill(&stand, &["main.txt", "bob/dev"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.stdout, "");
    assert_eq!(again.stderr, "4 there already\n");
}

async fn each_release_that_fails_is_told_and_the_others_are_uploaded(stand: Stand) {
    make_indexes(&stand, json!({})).await;
    let broken = Sdist::named("broken").file("backend/in_tree_backend.py", BROKEN_BACKEND);
    // Its build needs what the index does not have (yet).
    let needy = Sdist::named("needy").file(
        "pyproject.toml",
        "[build-system]\nrequires = [\"build-tool\"]\nbuild-backend = \"in_tree_backend\"\n\
         backend-path = [\"backend\"]\n",
    );
    for file in [broken.build(), needy.build(), Sdist::named("good").build()] {
        stand.upload("bob/sources", &file).await;
    }
    stand.write("all.txt", "good\nbroken==1.0\nneedy\nnobody-has-this==3\n");
    let output = fill(
        &stand,
        &[
            "all.txt",
            "bob/dev",
            "--json",
            "--junit-xml",
            "report.xml",
            "--run-id",
            "nightly",
        ],
    );
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(
        statuses(&output),
        pairs(&[
            ("broken ", "failed"),
            ("good 1.0", "uploaded"),
            ("needy ", "failed"),
            ("nobody-has-this ", "failed"),
        ])
    );
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let log = document["packages"][0]["log"].as_str().unwrap();
    assert!(log.contains("there is no compiler"), "{log}");
    let reason = document["packages"][3]["reason"].as_str().unwrap();
    assert!(reason.contains("nobody-has-this==3"), "{reason}");
    let junit = std::fs::read_to_string(stand.home.path().join("report.xml")).unwrap();
    assert!(
        junit.contains("tests=\"4\" failures=\"3\" errors=\"0\" skipped=\"0\""),
        "{junit}"
    );
    assert!(
        junit.contains("name=\"good 1.0 (nightly)\"></testcase>"),
        "{junit}"
    );
    assert_eq!(stand.files("bob/dev", "broken").await, [""; 0]);
    nothing_remains(&stand);

    // What builds need comes from the index, and from nowhere else.
    stand
        .upload("bob/sources", &Wheel::named("build-tool").build())
        .await;
    let output = fill(&stand, &["all.txt", "bob/dev"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{output:?}");
    assert!(lines[0].starts_with("failed broken==1.0: "), "{output:?}");
    let needy = format!(
        "uploaded needy-1.0-py3-none-any.whl to {}/bob/dev/",
        stand.url
    );
    assert_eq!(lines[1], needy);
    assert!(
        lines[2].starts_with("failed nobody-has-this==3: "),
        "{output:?}"
    );
    assert!(
        output
            .stderr
            .ends_with("1 uploaded, 1 there already, 2 failed\n"),
        "{output:?}"
    );
}

async fn wheels_go_where_they_belong(stand: Stand) {
    for index in ["bob/sources", "bob/native", "bob/pure"] {
        stand.index(index, json!({})).await;
    }
    let tag = format!("py3-none-linux_{}", std::env::consts::ARCH);
    let native = Wheel::named("native").tag(&tag).build();
    for file in [
        native.clone(),
        Wheel::named("easy").build(),
        Sdist::named("lonely").version("1.0").build(),
        Sdist::named("lonely").version("2.0").build(),
        Sdist::named("secret-sauce").build(),
    ] {
        stand.upload("bob/sources", &file).await;
    }
    stand.write("never.txt", "secret.sauce<2\n");
    let requirements = "native\neasy\nlonely==1.0\nlonely==2.0\nsecret-sauce\n";
    stand.write("all.txt", requirements);
    let to_pure = &[
        "--from",
        "bob/sources",
        "--pure-index",
        "bob/pure",
        "--blacklist",
        "never.txt",
        "--json",
    ];
    let expected = |status| {
        pairs(&[
            ("easy 1.0", status),
            ("lonely 1.0", status),
            ("lonely 2.0", status),
            ("native 1.0", status),
            ("secret-sauce 1.0", "blacklisted"),
        ])
    };
    let run = |more: &[&str], input: &str| {
        let python = python();
        let mut arguments = vec!["fill", "-p", &python, "-j", "2"];
        arguments.extend(more);
        arguments.extend(to_pure);
        finish(stand.command(&arguments), input)
    };
    stand.write("few.txt", "lonely==2.0\nsecret-sauce\n");
    let output = run(&["few.txt", "bob/native", "--dry-run"], "");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        statuses(&output),
        pairs(&[
            ("lonely 2.0", "would-upload"),
            ("secret-sauce 1.0", "blacklisted")
        ])
    );
    assert_eq!(stand.files("bob/native", "lonely").await, [""; 0]);
    assert_eq!(stand.files("bob/pure", "lonely").await, [""; 0]);

    // From standard input, and named by URL.
    let output = run(&["-", &format!("{}/bob/native", stand.url)], requirements);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(statuses(&output), expected("uploaded"));
    assert_eq!(
        stand.files("bob/native", "native").await,
        [native.name.as_str()]
    );
    assert_eq!(stand.files("bob/native", "easy").await, [""; 0]);
    assert_eq!(stand.files("bob/pure", "native").await, [""; 0]);
    assert_eq!(
        stand.files("bob/pure", "lonely").await,
        ["lonely-1.0-py3-none-any.whl", "lonely-2.0-py3-none-any.whl"]
    );
    assert_eq!(stand.files("bob/pure", "secret-sauce").await, [""; 0]);
    assert_eq!(stand.files("bob/native", "secret-sauce").await, [""; 0]);

    let output = run(&["all.txt", "bob/native"], "");
    assert_eq!(statuses(&output), expected("present"));
    assert_eq!(output.code, Some(0), "{output:?}");
}
