//! `cheeseshop clean`: what is listed goes, once it is said, and nothing else.

use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::{Value, json};

use super::stand::{Stand, at_both_servers};
use crate::support::Output;

at_both_servers!(what_is_listed_goes_once_it_is_said);
at_both_servers!(what_is_there_to_stay_needs_force);
at_both_servers!(all_indexes_of_a_user_are_cleaned_but_mirrors);

/// What `--json` says of each release.
fn statuses(output: &Output) -> Vec<String> {
    let document: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let indexes = document["indexes"].as_array().unwrap().iter();
    indexes
        .flat_map(|index| {
            let releases = index["releases"].as_array().unwrap().iter();
            releases.map(|release| {
                format!(
                    "{} {} {} {}",
                    text(&index["index"]),
                    text(&release["project"]),
                    text(&release["version"]),
                    text(&release["status"])
                )
            })
        })
        .collect()
}

/// Versions of two projects on an index.
async fn fill(stand: &Stand, index: &str) {
    for version in ["1.0", "1.1.dev1", "1.1.dev2", "1.1", "2.0rc1"] {
        stand
            .upload(index, &Wheel::named("app").version(version).build())
            .await;
    }
    stand
        .upload(index, &Sdist::named("app").version("1.0").build())
        .await;
    for version in ["1.0", "2.0.dev7"] {
        stand
            .upload(index, &Wheel::named("lib-x").version(version).build())
            .await;
    }
}

async fn versions(stand: &Stand, index: &str, project: &str) -> Vec<String> {
    let names = stand.files(index, project).await;
    let version = |name: &String| {
        let rest = name.split_once('-').unwrap().1;
        let rest = rest.strip_suffix(".tar.gz").unwrap_or(rest);
        rest.split('-').next().unwrap().to_owned()
    };
    let mut versions: Vec<_> = names.iter().map(version).collect();
    versions.dedup();
    versions
}

async fn what_is_listed_goes_once_it_is_said(stand: Stand) {
    stand.index("bob/base", json!({})).await;
    stand
        .upload("bob/base", &Wheel::named("app").version("0.1.dev1").build())
        .await;
    stand.index("bob/dev", json!({"bases": ["bob/base"]})).await;
    fill(&stand, "bob/dev").await;

    let output = stand.run(&["clean", "bob/dev", "--dev"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let lines: Vec<_> = output
        .stdout
        .lines()
        .map(|line| line.split_once(" (").map_or(line, |(before, _)| before))
        .collect();
    assert_eq!(
        lines,
        [
            "bob/dev:",
            "  app 1.1.dev2",
            "  app 1.1.dev1",
            "  lib-x 2.0.dev7"
        ]
    );
    assert!(
        output.stdout.contains("  app 1.1.dev2 (1 file, 20"),
        "{output:?}"
    );
    assert_eq!(
        output.stderr,
        "nothing was removed; -y removes what is listed\n"
    );
    assert_eq!(
        versions(&stand, "bob/dev", "lib-x").await,
        ["1.0", "2.0.dev7"]
    );

    // By project, newest kept, then by version.
    let output = stand.run(&["clean", "bob/dev", "app", "--dev", "--keep-last=1", "-y"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.stdout.starts_with("bob/dev:\n  app 1.1.dev1 ("),
        "{output:?}"
    );
    assert_eq!(output.stderr, "1 removed, 0 failed\n");
    assert_eq!(
        versions(&stand, "bob/dev", "app").await,
        ["1.0", "1.1", "1.1.dev2", "2.0rc1"]
    );
    let output = stand.run(&["clean", "bob/dev", "App<1.1", "--json", "--yes"]);
    assert_eq!(statuses(&output), ["bob/dev app 1.0 removed"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stderr, "");

    // Nothing here is as old as that; and what is there is younger than nothing.
    let output = stand.run(&["clean", "bob/dev", "--older-than", "1d", "-y"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("", "there is nothing to remove\n")
    );
    let arguments = [
        "clean",
        "bob/dev",
        "--regex=^lib",
        "--version-filter=^2",
        "--json",
    ];
    let output = stand.run(&arguments);
    assert_eq!(statuses(&output), ["bob/dev lib-x 2.0.dev7 would-remove"]);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let release = &document["indexes"][0]["releases"][0];
    assert_eq!(release["files"], 1);
    assert!(
        release["uploaded"].as_str().unwrap().starts_with("20"),
        "{release}"
    );

    // A project goes with its last version; the base keeps its own.
    let output = stand.run(&["clean", "bob/dev", "lib-x", "-y"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(versions(&stand, "bob/dev", "lib-x").await, [""; 0]);
    let output = stand.run(&["clean", "bob/dev", "--regex=.", "-y", "-j8"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(versions(&stand, "bob/dev", "app").await, [""; 0]);
    assert_eq!(versions(&stand, "bob/base", "app").await, ["0.1.dev1"]);
}

async fn what_is_there_to_stay_needs_force(stand: Stand) {
    stand.index("bob/prod", json!({"volatile": false})).await;
    fill(&stand, "bob/prod").await;
    let before = versions(&stand, "bob/prod", "app").await;
    let output = stand.run(&["clean", "bob/prod", "app==1.0", "-y"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.stderr.contains("bob/prod is not volatile"),
        "{output:?}"
    );
    assert_eq!(versions(&stand, "bob/prod", "app").await, before);
    let output = stand.run(&["clean", "bob/prod", "app==1.0", "-y", "--force"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(versions(&stand, "bob/prod", "app").await, before[1..]);
    // Who may not remove hears of each release that stays.
    stand.done(&["logoff"]);
    let output = stand.run(&["clean", "bob/prod", "app<2", "-y", "--force", "--json"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let said = statuses(&output);
    assert_eq!(said.len(), 3, "{output:?}");
    assert!(
        said.iter().all(|line| line.ends_with(" failed")),
        "{output:?}"
    );
    assert!(
        output.stdout.contains("403") || output.stdout.contains("401"),
        "{output:?}"
    );
    assert_eq!(versions(&stand, "bob/prod", "app").await, before[1..]);
}

async fn all_indexes_of_a_user_are_cleaned_but_mirrors(stand: Stand) {
    let mirror = json!({"type": "mirror", "mirror_url": "http://127.0.0.1:9/"});
    stand.index("bob/mirror", mirror).await;
    for index in ["bob/one", "bob/two"] {
        stand.index(index, json!({})).await;
        fill(&stand, index).await;
    }
    let arguments = ["clean", "--user", "bob", "lib-x", "--dev", "-y"];
    let output = stand.run(&arguments);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.stderr.contains("bob/mirror is a mirror: left alone"),
        "{output:?}"
    );
    for index in ["bob/one", "bob/two"] {
        assert_eq!(versions(&stand, index, "lib-x").await, ["1.0"]);
        assert_eq!(versions(&stand, index, "app").await.len(), 5);
    }
    for (arguments, expected) in [
        (&["clean", "bob/one"] as &[&str], "that would be everything"),
        (&["clean", "--user", "bob"], "that would be everything"),
        (&["clean"], "INDEX"),
        (&["clean", "bob/one", "a b"], "`a b`"),
        (&["clean", "bob/one", "--regex", "("], "regex"),
        (
            &["clean", "bob/one", "--older-than", "90"],
            "`90` is no age",
        ),
        (&["clean", "bob/none", "app"], "404"),
        (&["clean", "bob/mirror", "app"], "is a mirror"),
        (&["clean", "--user", "nobody", "app"], "404"),
    ] {
        let output = stand.run(arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {output:?}");
        assert!(
            output.stderr.contains(expected),
            "{arguments:?}: {output:?}"
        );
    }
}
