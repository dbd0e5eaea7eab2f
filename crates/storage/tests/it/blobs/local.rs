//! What only a directory has: crashes, modes, full disks.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use cheeseshop_packaging::hash::Sha256;
use cheeseshop_storage::{
    BlobConfig, BlobError, BlobStore, DatabaseConfig, Removal, RemovalLock, Turn,
};
use futures_util::StreamExt;

use super::support::{TestStore, bytes, collect, digest, open};
use crate::support::time;

fn path_of(test: &TestStore, digest: &Sha256) -> PathBuf {
    let name = digest.to_string();
    let root = test.directory.path().join("blobs");
    root.join(&name[..2]).join(name)
}

#[tokio::test]
async fn leftovers_of_the_dead_are_removed_and_uploads_of_the_living_are_not() {
    let test = TestStore::local().await;
    let temporary = test.directory.path().join("blobs/tmp");
    let dead = temporary.join("4242-0000000000000000");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join(".owner"), "").unwrap();
    fs::write(dead.join("00000001"), "half an upload").unwrap();
    let dead_early = temporary.join("4243-0000000000000000");
    fs::create_dir(&dead_early).unwrap();
    let mut alive = test.store.writer().await.unwrap();
    alive.write(Bytes::from_static(b"coming in")).await.unwrap();
    alive.flush().await.unwrap();

    let second = test.again().await;
    assert!(!dead.exists() && !dead_early.exists());
    assert!(alive.path().exists());
    let stored = alive.finish().await.unwrap();
    assert!(second.exists(&stored.sha256).await.unwrap());
}

#[tokio::test]
async fn a_removal_that_a_crash_cut_off_did_not_happen() {
    let test = TestStore::local().await;
    let stored = test.store.put(Bytes::from_static(b"doomed")).await.unwrap();
    let path = path_of(&test, &stored.sha256);
    let trash = test.directory.path().join("blobs/trash");
    fs::rename(&path, trash.join(format!("{}-1-0", stored.sha256))).unwrap();
    let again = test.again().await;
    let blob = open(&again, &stored.sha256).await;
    assert_eq!(collect(blob.read_all()).await.unwrap(), b"doomed");
    assert_eq!(fs::read_dir(trash).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_no_blob_is_left_alone() {
    let test = TestStore::local().await;
    let stored = test.store.put(Bytes::from_static(b"ours")).await.unwrap();
    let directory = path_of(&test, &stored.sha256);
    let directory = directory.parent().unwrap();
    fs::write(directory.join("README"), "not ours").unwrap();
    fs::create_dir(test.directory.path().join("blobs/lost+found")).unwrap();
    let listed = test.list().await;
    assert_eq!(listed.len(), 1);
    assert!(directory.join("README").exists());
}

#[tokio::test]
async fn a_store_of_the_old_layout_is_refused_and_not_taken_for_an_empty_one() {
    let test = TestStore::local().await;
    let kept = test.store.put(Bytes::from_static(b"old")).await.unwrap();
    let path = path_of(&test, &kept.sha256);
    let shard = path.parent().unwrap();
    let deeper = shard.join(&kept.sha256.to_string()[2..4]);
    fs::create_dir(&deeper).unwrap();
    fs::rename(&path, deeper.join(path.file_name().unwrap())).unwrap();
    let error = BlobStore::open(&test.config).await.unwrap_err();
    assert!(matches!(error, BlobError::OldLayout { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(deeper.to_str().unwrap()), "{message}");

    fs::rename(deeper.join(path.file_name().unwrap()), &path).unwrap();
    fs::remove_dir(&deeper).unwrap();
    let blob = open(&test.again().await, &kept.sha256).await;
    assert_eq!(collect(blob.read_all()).await.unwrap(), b"old");
}

#[tokio::test]
async fn tidied_directories_are_made_again() {
    let test = TestStore::local().await;
    let stored = test.store.put(Bytes::from_static(b"x")).await.unwrap();
    test.store.remove(&stored.sha256).await.unwrap();
    let directory = path_of(&test, &stored.sha256);
    fs::remove_dir(directory.parent().unwrap()).unwrap();
    test.store.put(Bytes::from_static(b"x")).await.unwrap();
    assert!(test.store.exists(&stored.sha256).await.unwrap());
}

#[tokio::test]
async fn a_blob_put_again_heals_a_damaged_one() {
    let test = TestStore::local().await;
    let content = bytes(1, 5000);
    let stored = test.store.put(content.clone()).await.unwrap();
    fs::write(path_of(&test, &stored.sha256), "damaged").unwrap();
    test.store.put(content.clone()).await.unwrap();
    let blob = open(&test.again().await, &stored.sha256).await;
    assert_eq!(collect(blob.read_all()).await.unwrap(), content);
}

#[tokio::test]
async fn a_blob_that_shrinks_while_it_is_read_is_an_error() {
    let test = TestStore::local().await;
    let stored = test.store.put(bytes(1, 2_000_000)).await.unwrap();
    let blob = open(&test.store, &stored.sha256).await;
    let file = fs::File::options()
        .write(true)
        .open(path_of(&test, &stored.sha256))
        .unwrap();
    file.set_len(1_000_000).unwrap();
    let error = collect(blob.read_all()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_reader_outlives_the_removal_of_its_blob() {
    let test = TestStore::local().await;
    let content = bytes(1, 2_000_000);
    let stored = test.store.put(content.clone()).await.unwrap();
    let blob = open(&test.store, &stored.sha256).await;
    let mut chunks = blob.read_all();
    let first = chunks.next().await.unwrap().unwrap();
    assert!(test.store.remove(&stored.sha256).await.unwrap());
    let rest = collect(chunks).await.unwrap();
    assert!([&first[..], &rest[..]].concat() == content);
}

#[tokio::test]
async fn only_one_chunk_is_read_ahead_of_a_slow_consumer() {
    let test = TestStore::local().await;
    let content = bytes(1, 4_000_000);
    let stored = test.store.put(content).await.unwrap();
    let blob = open(&test.store, &stored.sha256).await;
    let mut chunks = blob.read_all();
    let first = chunks.next().await.unwrap().unwrap();
    // Whatever is read from now on shows this change.
    let file = fs::File::options()
        .write(true)
        .open(path_of(&test, &stored.sha256))
        .unwrap();
    file.write_all_at(&vec![0; 4_000_000], 0).unwrap();
    let rest = collect(chunks).await.unwrap();
    let old = rest.iter().position(|byte| *byte == 0).unwrap();
    let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
    assert!(zeros >= 4_000_000 - 2 * first.len(), "{old} {zeros}");
}

#[tokio::test]
async fn a_place_that_cannot_be_a_store_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [
        file.clone(),
        file.join("below"),
        directory.path().join("no/parent"),
        Path::new("/proc/cheeseshop").to_owned(),
    ] {
        let error = BlobStore::open(&BlobConfig::local(&place))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(place.to_str().unwrap()), "{text}");
    }
}

/// Where the small disk of [`run_with_small_disk`] is, in the process that has one.
#[expect(
    clippy::disallowed_methods,
    reason = "set for this process by its parent, the same test"
)]
fn small_disk() -> Option<std::ffi::OsString> {
    std::env::var_os("SMALL")
}

/// Runs one test of this binary again, alone, in a mount namespace in which `$SMALL` is a file
/// system of 4 MB: the real error of a real full disk, and gone with the process.
fn run_with_small_disk(test: &str) {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut unshare = Command::new("unshare");
    if !is_root {
        unshare.args(["--user", "--map-root-user"]);
    }
    let script = "mount -t tmpfs -o size=4m small \"$SMALL\" && exec \"$@\"";
    let output = unshare
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("SMALL", directory.path())
        .output()
        .expect("unshare is missing; install it: apt-get install -y util-linux");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn a_full_disk_refuses_the_upload_and_keeps_nothing_of_it() {
    let Some(small) = small_disk() else {
        let name = "blobs::local::a_full_disk_refuses_the_upload_and_keeps_nothing_of_it";
        return run_with_small_disk(name);
    };
    let store = BlobStore::open(&BlobConfig::local(Path::new(&small).join("blobs")))
        .await
        .unwrap();
    let kept = store.put(bytes(1, 100_000)).await.unwrap();

    let mut writer = store.writer().await.unwrap();
    let mut outcome = Ok(());
    for seed in 0..40 {
        outcome = writer.write(bytes(seed, 256 * 1024)).await;
        if outcome.is_err() {
            break;
        }
    }
    let error = outcome.unwrap_err();
    assert!(matches!(error, BlobError::Full { .. }), "{error:?}");
    assert!(
        writer.finish().await.is_err(),
        "a failed upload cannot be finished"
    );

    // The space is free again, and what was there before still is.
    let second = store.put(bytes(2, 3_000_000)).await.unwrap();
    assert_eq!(second.sha256, digest(&bytes(2, 3_000_000)));
    let blob = open(&store, &kept.sha256).await;
    assert_eq!(collect(blob.read_all()).await.unwrap(), bytes(1, 100_000));

    let error = store.put(bytes(3, 3_000_000)).await.unwrap_err();
    assert!(matches!(error, BlobError::Full { .. }), "{error:?}");
    let temporary = fs::read_dir(Path::new(&small).join("blobs/tmp")).unwrap();
    for directory in temporary
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
    {
        let names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [".owner"]);
    }
}

#[tokio::test]
async fn who_comes_to_make_room_on_a_full_disk_gets_in() {
    let Some(small) = small_disk() else {
        let name = "blobs::local::who_comes_to_make_room_on_a_full_disk_gets_in";
        return run_with_small_disk(name);
    };
    let small = Path::new(&small);
    let config = BlobConfig::local(small.join("blobs"));
    let store = BlobStore::open(&config).await.unwrap();
    let kept = store.put(bytes(1, 100_000)).await.unwrap();
    drop(store);
    fs::write(small.join("filler"), vec![0; 8 << 20]).unwrap_err();

    let turn = Turn {
        purpose: "gc",
        now: time(1_700_000_000),
        wait: Duration::ZERO,
    };
    let database = DatabaseConfig::sqlite(&small.join("cheeseshop.db"));
    let lock = RemovalLock::forbid(&database, turn).await.unwrap();
    let store = BlobStore::open(&config).await.unwrap();
    let error = store.put(bytes(2, 100_000)).await.unwrap_err();
    assert!(matches!(error, BlobError::Full { .. }), "{error:?}");
    let blob = open(&store, &kept.sha256).await;
    assert_eq!(collect(blob.read_all()).await.unwrap(), bytes(1, 100_000));
    let any = jiff::Timestamp::MAX;
    let removal = store.remove_if_older(&kept.sha256, any).await.unwrap();
    assert_eq!(removal, Removal::Removed);
    store.put(bytes(2, 50_000)).await.unwrap();
    lock.release().await;
}

#[tokio::test]
async fn a_read_only_disk_is_a_clear_error() {
    let Some(small) = small_disk() else {
        return run_with_small_disk("blobs::local::a_read_only_disk_is_a_clear_error");
    };
    let config = BlobConfig::local(Path::new(&small).join("blobs"));
    let store = BlobStore::open(&config).await.unwrap();
    let remount = |mode: &str| {
        let status = Command::new("mount")
            .args(["-o", mode])
            .arg(&small)
            .status()
            .unwrap();
        assert!(status.success());
    };
    // Its lock is open for writing, which a file system that is remounted does not permit.
    drop(store);
    remount("remount,ro");
    let error = BlobStore::open(&config).await.unwrap_err();
    assert!(matches!(error, BlobError::Denied { .. }), "{error:?}");
    remount("remount,rw");
    let store = BlobStore::open(&config).await.unwrap();
    store.put(Bytes::from_static(b"x")).await.unwrap();
}
