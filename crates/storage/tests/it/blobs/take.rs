//! Taking in files that lie on this machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use cheeseshop_storage::{Removal, TakeError, Taking};
use jiff::Timestamp;

use super::support::{TestStore, bytes, collect, digest, open};

#[tokio::test]
async fn a_copied_file_is_one_of_its_own() {
    for test in [TestStore::local().await, TestStore::s3().await] {
        let source = test.directory.path().join("source");
        let content = bytes(3, 700_000);
        fs::write(&source, &content).unwrap();
        let spooled = test.store.take_file(&source, Taking::Copy).await.unwrap();
        assert_eq!(
            (spooled.sha256(), spooled.size()),
            (digest(&content), 700_000)
        );
        let stored = spooled.keep().await.unwrap();
        fs::write(&source, "changed").unwrap();
        let blob = open(&test.store, &stored.sha256).await;
        assert_eq!(collect(blob.read_all()).await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_bucket_copies_what_it_cannot_link() {
    let test = TestStore::s3().await;
    let source = test.directory.path().join("source");
    fs::write(&source, "content").unwrap();
    let spooled = test.store.take_file(&source, Taking::Link).await.unwrap();
    let stored = spooled.keep().await.unwrap();
    assert_eq!(stored.sha256, digest(b"content"));
    assert_eq!(fs::metadata(&source).unwrap().nlink(), 1);
    assert!(test.store.exists(&stored.sha256).await.unwrap());
}

#[tokio::test]
async fn a_linked_file_is_shared_and_counts_as_young() {
    let test = TestStore::local().await;
    let source = test.directory.path().join("source");
    fs::write(&source, "content").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options()
        .write(true)
        .open(&source)
        .unwrap()
        .set_modified(old)
        .unwrap();
    for _ in 0..2 {
        // The second time the blob is this very file already.
        let spooled = test.store.take_file(&source, Taking::Link).await.unwrap();
        let stored = spooled.keep().await.unwrap();
        let long_ago = Timestamp::from_second(2_000_000).unwrap();
        let removal = test
            .store
            .remove_if_older(&stored.sha256, long_ago)
            .await
            .unwrap();
        assert_eq!(removal, Removal::Spared);
        assert_eq!(
            fs::metadata(&source).unwrap().nlink(),
            2,
            "nothing is left in the spool"
        );
    }
    fs::remove_file(&source).unwrap();
    let blob = open(&test.store, &digest(b"content")).await;
    assert_eq!(collect(blob.read_all()).await.unwrap(), b"content");
}

#[tokio::test]
async fn a_linked_file_can_be_read_by_the_group_as_the_stores_own() {
    let test = TestStore::local().await;
    let source = test.directory.path().join("source");
    for (before, after) in [(0o600, 0o640), (0o644, 0o644)] {
        fs::write(&source, format!("{before:o}")).unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(before)).unwrap();
        let spooled = test.store.take_file(&source, Taking::Link).await.unwrap();
        let stored = spooled.keep().await.unwrap();
        let path = test.store.local_path(&stored.sha256).unwrap();
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, after, "{mode:o}");
        fs::remove_file(&source).unwrap();
    }
}

#[tokio::test]
async fn a_linked_file_that_is_not_kept_stays_where_it_was() {
    let test = TestStore::local().await;
    let source = test.directory.path().join("source");
    fs::write(&source, "content").unwrap();
    drop(test.store.take_file(&source, Taking::Link).await.unwrap());
    assert_eq!(fs::metadata(&source).unwrap().nlink(), 1);
    assert_eq!(fs::read(&source).unwrap(), b"content");
}

#[tokio::test]
async fn what_is_no_file_is_told_apart_from_a_store_that_fails() {
    let test = TestStore::local().await;
    for path in ["nothing", "."] {
        let path = test.directory.path().join(path);
        let error = test.store.take_file(&path, Taking::Copy).await.unwrap_err();
        assert!(matches!(error, TakeError::Unreadable(_)), "{error}");
    }
}

#[tokio::test]
async fn a_symbolic_link_is_followed_and_not_stored() {
    for is_relative in [true, false] {
        let test = TestStore::local().await;
        let folder = test.directory.path().join("directory");
        fs::create_dir(&folder).unwrap();
        let (real, link) = (folder.join("real"), folder.join("link"));
        fs::write(&real, "content").unwrap();
        let target = if is_relative {
            Path::new("real")
        } else {
            &real
        };
        symlink(target, &link).unwrap();
        let spooled = test.store.take_file(&link, Taking::Link).await.unwrap();
        let stored = spooled.keep().await.unwrap();
        assert_eq!(fs::metadata(&real).unwrap().nlink(), 2, "it is shared");
        assert_eq!(fs::symlink_metadata(&link).unwrap().nlink(), 1);
        fs::remove_dir_all(&folder).unwrap();
        let blob = open(&test.store, &stored.sha256).await;
        assert_eq!(collect(blob.read_all()).await.unwrap(), b"content");
    }
}
