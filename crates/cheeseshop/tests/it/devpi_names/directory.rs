//! Server directories: made, found empty, foreign, copied, of devpi's own.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use cheeseshop_test_support::Wheel;
use serde_json::json;

use super::{initialised, run, serve};
use crate::support::{Api, CHEAP_HASH, Home, finish};

/// Every file of a directory with its bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap_or_default();
            (path.display().to_string(), bytes)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_directory_without_data_names_devpi_init_and_is_not_made() {
    let home = Home::new();
    let folder = home.path().join("srv");
    for name in [
        "devpi-server",
        "devpi-passwd",
        "devpi-fsck",
        "devpi-clear-search-index",
    ] {
        let output = run(&home, name, &["--serverdir", "srv"]);
        assert_eq!(output.code, Some(1), "{output:?}");
        let expected = format!(
            "fatal: The path '{}' contains no devpi-server data, use devpi-init to initialize.\n",
            folder.display()
        );
        assert_eq!(output.stderr, expected, "{name}");
        assert!(!folder.exists(), "{name}");
    }
}

#[tokio::test]
async fn init_makes_root_with_the_password_that_it_is_given() {
    let argon2 = {
        let elsewhere = Home::new();
        elsewhere.devpi_init(&["--root-passwd", "by hash"]);
        let path = elsewhere.path().join(".devpi/server/cheeseshop.db");
        let database = rusqlite::Connection::open(path).unwrap();
        let query = "SELECT password_hash FROM users WHERE name = 'root'";
        database
            .query_row(query, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    for (arguments, password) in [
        (&[][..], ""),
        (&["--root-passwd", "plain"], "plain"),
        (&["--root-passwd="], ""),
        (&["--root-passwd-hash", &argon2], "by hash"),
        (
            &["--root-passwd=x", "--root-passwd-hash", &argon2],
            "by hash",
        ),
    ] {
        let home = Home::new();
        let output = home.devpi_init(&[&["--no-root-pypi"], arguments].concat());
        if !password.is_empty() {
            assert!(!output.stdout.contains(password), "{output:?}");
        }
        let server = serve(&home, &[]);
        let root = Api::login(&server.url, "root", password).await;
        let users = root.document("").await;
        assert_eq!(
            users["result"]["root"]["indexes"],
            json!({}),
            "{arguments:?}"
        );
    }
    let home = Home::new();
    home.devpi_init(&[]);
    let server = serve(&home, &[]);
    let index = server.anonymous().document("root/pypi").await;
    assert_eq!(index["result"]["type"], "mirror");
}

#[test]
fn init_refuses_a_directory_with_data_and_a_hash_that_is_none() {
    let home = initialised();
    let output = run(&home, "devpi-init", &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let path = home.path().join(".devpi/server");
    let expected = format!(
        "fatal: The path '{}' already contains devpi-server data.\n",
        path.display()
    );
    assert!(output.stderr.ends_with(&expected), "{output:?}");

    let other = ["--serverdir", "other", "--no-root-pypi"];
    let with_hash = [&other[..], &["--root-passwd-hash", "bogus"]].concat();
    let output = run(&home, "devpi-init", &with_hash);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("not an argon2 hash"), "{output:?}");
    // What was begun is not data yet.
    let output = run(
        &home,
        "devpi-server",
        &["--serverdir", "other", "--port", "0"],
    );
    assert!(
        output.stderr.contains("use devpi-init to initialize."),
        "{output:?}"
    );
    home.devpi_init(&other);
}

#[test]
fn foreign_files_do_no_harm() {
    let home = Home::new();
    home.write(".devpi/server/README", "not ours");
    home.write(".devpi/server/.secret", "too short");
    home.devpi_init(&["--no-root-pypi"]);
    serve(&home, &[]).stop();
    let kept = std::fs::read_to_string(home.path().join(".devpi/server/README")).unwrap();
    assert_eq!(kept, "not ours");
}

#[tokio::test]
async fn a_copied_directory_is_a_server_of_its_own() {
    let home = initialised();
    let server = serve(&home, &[]);
    let root = Api::login(&server.url, "root", "").await;
    root.create_index("root/dev", &json!({"bases": [], "acl_upload": ["root"]}))
        .await;
    let wheel = Wheel::named("copied").build();
    root.upload("root/dev", &wheel).await;
    server.stop();

    let copied = Command::new("cp")
        .args(["-r", ".devpi/server", "copy"])
        .current_dir(home.path())
        .status()
        .unwrap();
    assert!(copied.success());
    // Both run at once, and neither sees what happens in the other.
    let original = serve(&home, &[]);
    let copy = serve(&home, &["--serverdir", "copy"]);
    let listed = copy.anonymous().files("root/dev", "copied").await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        copy.anonymous().digest_of(&listed[0].url).await,
        wheel.sha256
    );
    let root = Api::login(&copy.url, "root", "").await;
    root.upload("root/dev", &Wheel::named("new").build()).await;
    assert_eq!(original.anonymous().files("root/dev", "new").await, []);
}

#[test]
fn a_directory_in_use_names_its_user() {
    let home = initialised();
    let server = serve(&home, &[]);
    let output = run(&home, "devpi-server", &["--port", "0"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let expected = format!("in use by `devpi-server` (process {} on ", server.id());
    assert!(output.stderr.contains(&expected), "{output:?}");
}

#[test]
fn a_directory_of_devpis_own_is_left_alone() {
    let home = Home::new();
    let folder = home.path().join("theirs");
    home.write("theirs/.serverversion", "4");
    home.write("theirs/.nodeinfo", "{}");
    home.write("theirs/.sqlite", "not even a database");
    let before = contents(&folder);
    for name in ["devpi-server", "devpi-init", "devpi-passwd", "devpi-fsck"] {
        let output = run(&home, name, &["--serverdir", "theirs"]);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(
            output.stderr.contains("made by devpi-server itself")
                && output.stderr.contains("hint:"),
            "{output:?}"
        );
        assert_eq!(contents(&folder), before, "{name}");
    }
}

#[test]
fn nothing_is_said_to_be_cleared_where_nothing_is_kept() {
    let home = initialised();
    let output = run(
        &home,
        "devpi-clear-search-index",
        &["--indexer-backend", "whoosh"],
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.starts_with("nothing to clear"), "{output:?}");
}

#[tokio::test]
async fn a_database_server_takes_the_place_of_the_embedded_one() {
    let postgres = cheeseshop_test_support::postgres().await;
    let url = url::Url::parse(&postgres.url).unwrap();
    let mut storage = format!("pg8000:database={}", url.path().trim_start_matches('/'));
    for (key, value) in [
        ("host", url.host_str().map(str::to_owned)),
        ("port", url.port().map(|port| port.to_string())),
        ("user", Some(url.username().to_owned())),
        ("password", url.password().map(str::to_owned)),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = write!(storage, ",{key}={value}");
        }
    }
    for (key, value) in url.query_pairs() {
        assert_eq!(key, "host", "{url}");
        let _ = write!(storage, ",unix_sock={value}");
    }
    let home = Home::new();
    let arguments = ["--storage", &storage, "--no-root-pypi"];
    let output = run(&home, "devpi-server", &arguments[..2]);
    assert!(
        output.stderr.contains("use devpi-init to initialize."),
        "{output:?}"
    );
    home.devpi_init(&arguments);
    assert!(!home.path().join(".devpi/server/cheeseshop.db").exists());
    let again = [CHEAP_HASH, &arguments].concat();
    let again = finish(home.devpi("devpi-init", &again), "");
    assert!(
        again.stderr.contains("already contains devpi-server data."),
        "{again:?}"
    );
    let server = serve(&home, &arguments[..2]);
    Api::login(&server.url, "root", "").await;
}
