//! `devpi-export` and `devpi-import`: options, directories, ends. What is moved is tested elsewhere.

use cheeseshop_test_support::{BuiltFile, Wheel};
use serde_json::json;

use super::{initialised, run, serve};
use crate::support::{Api, CHEAP_HASH, Home, Output, finish};

const FINISHED: &str = "********* import_all: importing finished ***********";

/// A home with a user, an index and a wheel, exported to `dump`.
async fn exported() -> (Home, BuiltFile) {
    let home = Home::new();
    let set = "--set=mirror.root_pypi_url=http://127.0.0.1:9/";
    home.devpi_init(&[set, "--root-passwd", "of the export"]);
    let server = serve(&home, &[]);
    let root = Api::login(&server.url, "root", "of the export").await;
    root.create_user("bob", "pw").await;
    let bob = Api::login(&server.url, "bob", "pw").await;
    bob.create_index("bob/dev", &json!({"bases": ["root/pypi"]}))
        .await;
    let wheel = Wheel::named("moved").build();
    bob.upload("bob/dev", &wheel).await;
    // Works beside the server.
    let output = run(&home, "devpi-export", &["dump"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    server.stop();
    (home, wheel)
}

fn import(home: &Home, arguments: &[&str]) -> Output {
    let arguments = [CHEAP_HASH, arguments].concat();
    finish(home.devpi("devpi-import", &arguments), "")
}

#[tokio::test]
async fn what_was_exported_is_imported_and_served() {
    let (home, wheel) = exported().await;
    let output = import(
        &home,
        &["--serverdir=new", "--no-events", "--hard-links", "dump"],
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stdout.lines().last(), Some(FINISHED), "{output:?}");
    assert!(!output.stdout.contains("of the export"), "{output:?}");
    assert!(
        output.stderr.contains("--no-events has no effect"),
        "{output:?}"
    );

    let server = serve(&home, &["--serverdir", "new"]);
    let files = server.anonymous().files("bob/dev", "moved").await;
    assert_eq!(files.len(), 1);
    assert_eq!(
        server.anonymous().digest_of(&files[0].url).await,
        wheel.sha256
    );
    // The password of the export counts, not that of the new directory.
    Api::login(&server.url, "root", "of the export").await;
    let index = server.anonymous().document("root/pypi").await;
    assert_eq!(index["result"]["mirror_url"], "http://127.0.0.1:9/");
}

#[tokio::test]
async fn indexes_are_left_out_on_request() {
    let (home, _) = exported().await;
    let output = import(&home, &["dump", "--serverdir=one", "--no-root-pypi"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let server = serve(&home, &["--serverdir=one"]);
    let indexes = server.anonymous().document("root").await;
    assert_eq!(indexes["result"]["indexes"], json!({}));
    server.stop();

    let output = import(
        &home,
        &["dump", "--serverdir=two", "--skip-import-type", "stage"],
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    let server = serve(&home, &["--serverdir=two"]);
    let indexes = server.anonymous().document("bob").await;
    assert_eq!(indexes["result"]["indexes"], json!({}));
}

#[tokio::test]
async fn directories_in_the_way_are_told() {
    let (home, _) = exported().await;
    let output = import(&home, &["dump"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output
            .stderr
            .contains("already contains devpi-server data."),
        "{output:?}"
    );
    assert!(!output.stdout.contains(FINISHED), "{output:?}");

    let output = run(&home, "devpi-export", &["dump"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let expected = "fatal: export directory dump must not exist or be empty";
    assert!(output.stderr.contains(expected), "{output:?}");
}

#[tokio::test]
async fn an_import_that_could_not_begin_begins_again() {
    let (home, _) = exported().await;
    // Where the mark of an import goes nothing can be written.
    let mark = home.path().join("new/import-unfinished");
    std::fs::create_dir_all(&mark).unwrap();
    let output = import(&home, &["--serverdir=new", "dump"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("cannot be written"), "{output:?}");

    std::fs::remove_dir(&mark).unwrap();
    let output = import(&home, &["--serverdir=new", "dump"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!mark.exists());
}

#[test]
fn a_source_that_is_none_makes_no_directory() {
    let home = Home::new();
    for source in ["absent", "."] {
        let output = import(&home, &["--serverdir", "new", source]);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.starts_with("fatal: "), "{output:?}");
        assert!(!home.path().join("new").exists());
    }
    let output = import(&home, &["--serverdir", "new"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let home = initialised();
    let output = run(&home, "devpi-export", &[]);
    assert_eq!(output.code, Some(2), "{output:?}");
}
