//! Backups that are damaged, too new, or to be restored where something is.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{assert_served, create, files_below, path_of, restore, stocked, verify};
use crate::support::{Home, Server};

/// A stopped server's backup of three wheels, made of copies.
async fn backed_up() -> (Home, PathBuf, Vec<cheeseshop_test_support::BuiltFile>) {
    let home = Home::new();
    let (server, _bob, files) = stocked(&home, &[], 3).await;
    let backup = path_of(&create(&home, &["--copy"]));
    server.stop();
    (home, backup, files)
}

/// Turns a bit in the middle of a file over.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn edit_manifest(backup: &Path, edit: impl FnOnce(&mut Value)) {
    let path = backup.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut manifest);
    std::fs::write(&path, manifest.to_string()).unwrap();
}

#[tokio::test]
async fn what_is_damaged_in_an_earlier_backup_is_shared_only_unread() {
    let (home, backup, _) = backed_up().await;
    damage(&files_below(&backup.join("blobs"))[0]);
    // Not looked at, it spreads; `verify` finds it.
    let shared = path_of(&create(&home, &[]));
    let output = home.run(&["backup", "verify", shared.to_str().unwrap()]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let made = create(&home, &["--verify"]);
    assert_eq!(made["manifest"]["blobs"]["new"], 1, "from the store again");
    assert_eq!(made["manifest"]["blobs"]["missing"], 0);
    verify(&home, &path_of(&made));
    // What comes after it shares the sound one.
    let next = create(&home, &[]);
    assert_eq!(next["manifest"]["blobs"]["new"], 0);
    verify(&home, &path_of(&next));
}

#[tokio::test]
async fn what_is_damaged_in_the_store_is_missing_when_it_is_read() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 2).await;
    server.stop();
    let blobs = home.data_dir().join("blobs");
    let blob = files_below(&blobs)
        .into_iter()
        .find(|path| path.file_name().unwrap().len() == 64)
        .unwrap();
    damage(&blob);
    let target = super::target(&home);
    let arguments = ["backup", "create", "--json", target.to_str().unwrap()];
    let output = home.run(&[&arguments[..], &["--verify"]].concat());
    let made = super::json_of(&output, 1);
    assert_eq!(made["manifest"]["blobs"]["missing"], 1);
    assert!(
        output.stderr.contains("damaged: it does not have"),
        "{output:?}"
    );
    // Of another size it is noticed without being read.
    std::fs::write(&blob, "short").unwrap();
    let made = super::json_of(&home.run(&arguments), 1);
    assert_eq!(made["manifest"]["blobs"]["missing"], 1);
}

#[tokio::test]
async fn a_place_with_something_in_it_is_left_alone() {
    let (home, backup, _) = backed_up().await;
    let backup = backup.to_str().unwrap();
    let before = files_below(&home.data_dir());
    let output = home.run(&["backup", "restore", backup]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("is not empty"), "{output:?}");
    assert!(
        output.stderr.contains("hint: nothing was changed"),
        "{output:?}"
    );
    assert_eq!(files_below(&home.data_dir()), before);

    // Neither is a running server's.
    let server = Server::start(&home, &[]);
    let output = home.run(&["backup", "restore", backup]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output.stderr.contains("is in use by `cheeseshop serve`"),
        "{output:?}"
    );
    server.stop();

    // A store that lies elsewhere counts as well.
    let fresh = Home::new();
    let elsewhere = fresh.path().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("ab")).unwrap();
    std::fs::write(elsewhere.join("ab").join("x"), "").unwrap();
    let setting = format!("--set=blobs.path={}", elsewhere.display());
    let output = fresh.run(&["backup", "restore", backup, &setting]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("is not empty"), "{output:?}");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_nothing_half_restored_is_served() {
    let (home, backup, files) = backed_up().await;
    let path = backup.to_str().unwrap();
    let blob = blob_of(&backup, &files[1].sha256);
    damage(&blob);

    let output = home.run(&["backup", "verify", path]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let told = format!("blob {} has the digest", files[1].sha256);
    assert!(output.stdout.contains(&told), "{output:?}");
    let output = home.run(&["backup", "verify", "--json", path]);
    let found = super::json_of(&output, 1);
    assert_eq!(found["sound"], false);
    assert_eq!(found["problems"][0]["blob"], files[1].sha256.as_str());

    let fresh = Home::new();
    let output = fresh.run(&["backup", "restore", path]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stdout.contains(&told), "{output:?}");
    assert!(!fresh.data_dir().join("cheeseshop.db").exists());
    let output = fresh.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output.stderr.contains("did not come to its end"),
        "{output:?}"
    );

    // With the file mended the restore goes on.
    std::fs::remove_file(&blob).unwrap();
    std::fs::copy(blob_of(&home.data_dir(), &files[1].sha256), &blob).unwrap();
    restore(&fresh, &backup);
    let server = Server::start(&fresh, &[]);
    assert_served(&server.anonymous(), &files).await;
    server.stop();
}

#[tokio::test]
async fn the_rest_of_a_damaged_backup_can_be_had() {
    let (_home, backup, files) = backed_up().await;
    std::fs::remove_file(blob_of(&backup, &files[0].sha256)).unwrap();
    let fresh = Home::new();
    let path = backup.to_str().unwrap();
    let output = fresh.run(&["backup", "restore", "--accept-damage", path]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output
            .stdout
            .contains(&format!("blob {} is missing", files[0].sha256)),
        "{output:?}"
    );
    let output = fresh.run(&["fsck"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stdout.contains(&files[0].name), "{output:?}");
    let server = Server::start(&fresh, &[]);
    assert_served(&server.anonymous(), &files[1..]).await;
    server.stop();
}

#[tokio::test]
async fn a_damaged_database_or_list_is_not_restored() {
    for file in ["cheeseshop.db", "blob-list.txt"] {
        let (home, backup, _) = backed_up().await;
        damage(&backup.join(file));
        let path = backup.to_str().unwrap();
        let output = home.run(&["backup", "verify", path]);
        assert_eq!(output.code, Some(1), "{output:?}");
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(
            all.contains(&format!("`{file}` has the digest")),
            "{output:?}"
        );
        let fresh = Home::new();
        let output = fresh.run(&["backup", "restore", path]);
        assert_eq!(output.code, Some(1), "{output:?}");
        let left: Vec<_> = files_below(&fresh.data_dir())
            .into_iter()
            .filter(|path| !path.ends_with("lock"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn a_backup_of_a_newer_release_is_refused() {
    let (_home, backup, _) = backed_up().await;
    let path = backup.to_str().unwrap();
    edit_manifest(&backup, |manifest| {
        manifest["cheeseshop"] = json!("99.1");
        let migrations = manifest["migrations"].as_array_mut().unwrap();
        migrations.push(json!("29990101000000_future"));
    });
    let fresh = Home::new();
    for expected in ["29990101000000_future", "the form 2"] {
        let output = fresh.run(&["backup", "restore", path]);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(
            output.stderr.contains("a newer cheeseshop (99.1)"),
            "{output:?}"
        );
        assert!(output.stderr.contains(expected), "{output:?}");
        assert!(!fresh.data_dir().join("restoring").exists());
        // The next round: even the form is unknown.
        edit_manifest(&backup, |manifest| {
            *manifest = json!({"format": 2, "cheeseshop": "99.1"});
        });
    }
}

#[test]
fn what_is_no_backup_is_told() {
    let home = Home::new();
    home.write("backups/notes.txt", "nothing");
    for path in ["backups", "nowhere"] {
        for command in ["verify", "restore"] {
            let output = home.run(&["backup", command, path]);
            assert_eq!(output.code, Some(2), "{output:?}");
            assert!(output.stderr.contains("holds no backup"), "{output:?}");
        }
    }
}

fn blob_of(root: &Path, sha256: &str) -> PathBuf {
    root.join("blobs").join(&sha256[..2]).join(sha256)
}
