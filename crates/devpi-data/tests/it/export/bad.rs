use std::os::unix::fs::symlink;

use cheeseshop_app::import::Kind;
use cheeseshop_devpi_data::export_directory::ExportDirectory;
use serde_json::json;

use super::tree::Tree;
use super::{import, kept, told};
use crate::here::Here;

/// An index with one project and one whole file.
fn tree() -> Tree {
    Tree::new()
        .user("bob", json!({}))
        .index("bob/dev", json!({"type": "stage"}))
        .release("bob/dev", "pkg", "1", json!({}))
        .file("bob/dev", ("pkg", "1"), "pkg-1.tar.gz", b"whole")
}

async fn refusal(tree: &Tree) -> String {
    let error = ExportDirectory::open(tree.path())
        .await
        .map(drop)
        .unwrap_err();
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(&error) {
        text = format!("{text}: {cause}");
    }
    text
}

#[tokio::test]
async fn one_missing_file_costs_that_file_only() {
    let here = Here::start().await;
    let tree = tree().file("bob/dev", ("pkg", "1"), "pkg-1-py3-none-any.whl", b"gone");
    std::fs::remove_file(tree.path().join("bob/dev/pkg/1/pkg-1-py3-none-any.whl")).unwrap();
    let outcome = import(&here, &tree).await;
    assert_eq!(
        told(&outcome.skipped),
        [(
            "bob/dev/pkg-1-py3-none-any.whl",
            "the file bob/dev/pkg/1/pkg-1-py3-none-any.whl is missing in the export"
        )]
    );
    assert_eq!(kept(&outcome, Kind::File), 1);
}

#[tokio::test]
async fn damaged_bytes_do_not_come_in() {
    for algorithm in ["sha256", "md5"] {
        let here = Here::start().await;
        let mut tree = tree();
        let wrong = "0".repeat(if algorithm == "md5" { 32 } else { 64 });
        tree.items("bob/dev")[0]["entrymapping"] = json!({"hashes": {algorithm: wrong}});
        let outcome = import(&here, &tree).await;
        let reason = format!(
            "its bytes do not have the {algorithm} digest that was recorded: they are damaged"
        );
        assert_eq!(
            told(&outcome.skipped),
            [("bob/dev/pkg-1.tar.gz", reason.as_str())]
        );
        assert_eq!(kept(&outcome, Kind::File), 0);
    }
}

#[tokio::test]
async fn nothing_is_read_outside_the_export() {
    let here = Here::start().await;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.tar.gz"), "whole").unwrap();
    let secret = outside.path().join("secret.tar.gz").display().to_string();
    let depth = "../".repeat(20);
    let mut tree = tree();
    symlink(outside.path(), tree.path().join("link")).unwrap();
    symlink(&secret, tree.path().join("secret.tar.gz")).unwrap();
    let item = tree.items("bob/dev")[0].clone();
    let paths = [
        secret.clone(),
        format!("{depth}{}", secret.trim_start_matches('/')),
        "link/secret.tar.gz".to_owned(),
        "secret.tar.gz".to_owned(),
        "bob/../../secret.tar.gz".to_owned(),
        "bob/dev".to_owned(),
        String::new(),
    ];
    tree.items("bob/dev").clear();
    for path in &paths {
        let mut item = item.clone();
        item["relpath"] = json!(path);
        tree.items("bob/dev").push(item);
    }
    let outcome = import(&here, &tree).await;
    assert_eq!(outcome.skipped.len(), paths.len(), "{:?}", outcome.skipped);
    assert_eq!(kept(&outcome, Kind::File), 0);
}

#[tokio::test]
async fn a_link_within_the_export_is_fine() {
    let here = Here::start().await;
    let tree = tree();
    let path = tree.path().join("bob/dev/pkg/1/pkg-1.tar.gz");
    std::fs::rename(&path, tree.path().join("elsewhere")).unwrap();
    symlink(tree.path().join("elsewhere"), &path).unwrap();
    let outcome = import(&here, &tree).await;
    assert_eq!(told(&outcome.skipped), []);
}

#[tokio::test]
async fn what_is_no_export_is_refused_as_a_whole() {
    let tree = tree();
    assert!(
        refusal(&tree).await.contains("No such file"),
        "without dataindex.json"
    );
    tree.write();
    let whole = std::fs::read_to_string(tree.data_index()).unwrap();
    for (text, expected) in [
        (whole[..whole.len() / 2].to_owned(), "it was cut off"),
        (whole.replace("\"2\"", "\"3\""), "the unknown form 3"),
        (
            whole.replace("dumpversion", "other"),
            "is not that of an export",
        ),
        ("nonsense".to_owned(), "it is no JSON"),
        (String::new(), "it was cut off"),
    ] {
        std::fs::write(tree.data_index(), text).unwrap();
        let refusal = refusal(&tree).await;
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_told_one_by_one() {
    let here = Here::start().await;
    let mut tree = tree()
        .user("a:b", json!({}))
        .index("a:b/dev", json!({"type": "stage"}))
        .index("bob/a b", json!({"type": "stage"}))
        .index("nonsense", json!({"type": "stage"}))
        .release("bob/dev", "-bad-", "1", json!({}))
        .release("bob/dev", "pkg", "a/b", json!({}));
    tree.document["users"]["nobody"] = json!(7);
    let outcome = import(&here, &tree).await;
    let mut items: Vec<&str> = told(&outcome.skipped)
        .iter()
        .map(|(item, _)| *item)
        .collect();
    items.sort_unstable();
    assert_eq!(
        items,
        [
            "a:b",
            "a:b/dev",
            "bob/a b",
            "bob/dev/-bad-",
            "bob/dev/pkg/a/b",
            "nobody",
            "nonsense"
        ]
    );
    assert_eq!(kept(&outcome, Kind::File), 1, "all else comes in");
}

#[tokio::test]
async fn settings_and_records_that_mean_nothing_here_are_told() {
    let here = Here::start().await;
    let mut tree = tree()
        .user(
            "eve",
            json!({
                "pwhash": "md5thing", "pwsalt": "salt", "created": "yesterday", "favourite": "blue",
                "tokens": {"Ahm8hq5Q": {"key": "L1RG", "restrictions": []}},
            }),
        )
        .index(
            "bob/pr",
            json!({"type": "pr", "states": ["new"], "acl_upload": ["bob"]}),
        )
        .index(
            "bob/odd",
            json!({"type": "stage", "volatile": 7, "bases": ["not/there"]}),
        );
    tree.document["search"] = json!({});
    let outcome = import(&here, &tree).await;
    let changed: Vec<(&str, &str)> = told(&outcome.changed);
    let of = |item: &str| changed.iter().find(|(found, _)| *found == item).unwrap().1;
    assert!(
        of("eve").contains("no login until a new password is set"),
        "{}",
        of("eve")
    );
    assert!(of("eve").contains("`created` is no time"), "{}", of("eve"));
    assert!(of("eve").contains("favourite"), "{}", of("eve"));
    assert!(!of("eve").contains("md5thing"), "no secret in a report");
    assert!(
        of("bob/pr").contains("type `pr` is not known"),
        "{}",
        of("bob/pr")
    );
    assert!(
        of("bob/odd").contains("Unknown boolean value '7'"),
        "{}",
        of("bob/odd")
    );
    assert!(
        of("bob/odd").contains("base not/there does not exist"),
        "{}",
        of("bob/odd")
    );
    let items: Vec<&str> = told(&outcome.skipped)
        .iter()
        .map(|(item, _)| *item)
        .collect();
    assert_eq!(items, ["search", "eve/Ahm8hq5Q"]);
}

#[tokio::test]
async fn files_without_metadata_and_half_characters_are_no_trouble() {
    let here = Here::start().await;
    let mut tree = tree().file("bob/dev", ("lonely", "2"), "lonely-2.tar.gz", b"lonely");
    tree.items("bob/dev")
        .push(json!({"type": "releasefile", "relpath": "bob/dev/x"}));
    tree.items("bob/dev")
        .push(json!({"type": "novelty", "projectname": "pkg", "relpath": "bob/dev/y"}));
    tree = tree.release("bob/dev", "pkg", "2", json!({"summary": "MARK"}));
    tree.write();
    let text = std::fs::read_to_string(tree.data_index()).unwrap();
    std::fs::write(tree.data_index(), text.replace("MARK", "half \\udc80")).unwrap();
    let export = ExportDirectory::open(tree.path()).await.unwrap();
    let outcome = here
        .import(&export, cheeseshop_app::import::ImportOptions::default())
        .await;
    assert_eq!(kept(&outcome, Kind::File), 2);
    assert_eq!(outcome.changed.len(), 1);
    assert_eq!(outcome.changed[0].item, "bob/dev/lonely/2");
    let items: Vec<&str> = told(&outcome.skipped)
        .iter()
        .map(|(item, _)| *item)
        .collect();
    assert_eq!(items, ["bob/dev/bob/dev/x", "bob/dev/y"]);
}

#[tokio::test]
async fn a_result_without_its_file_is_told() {
    let here = Here::start().await;
    let tree = tree().result("bob/dev", ("pkg", "1"), ("other-1.tar.gz", b"other"), b"{}");
    let outcome = import(&here, &tree).await;
    assert_eq!(outcome.skipped.len(), 1);
    assert_eq!(outcome.skipped[0].kind, Kind::TestResult);
    assert!(
        outcome.skipped[0]
            .reason
            .contains("other-1.tar.gz, is not there")
    );
}

#[tokio::test]
async fn of_two_files_of_one_name_the_first_came_before() {
    let here = Here::start().await;
    let tree = tree().file("bob/dev", ("pkg", "2"), "pkg-1.tar.gz", b"second");
    let outcome = import(&here, &tree).await;
    assert_eq!(
        told(&outcome.skipped),
        [(
            "bob/dev/pkg-1.tar.gz",
            "another one of this name came before it"
        )]
    );
    assert_eq!(kept(&outcome, Kind::File), 1);
}
