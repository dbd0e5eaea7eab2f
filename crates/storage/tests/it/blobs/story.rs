//! What every store does.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cheeseshop_storage::{Removal, StoredBlob};
use futures_util::{StreamExt, future};
use jiff::{SignedDuration, Timestamp};

use super::support::{TestStore, bytes, collect, digest, machine_time, open};

/// Tells each chapter to both stores.
macro_rules! story {
    ($($chapter:ident),* $(,)?) => {
        mod in_a_directory {
            use super::super::support::TestStore;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $chapter() {
                super::$chapter(TestStore::local().await).await;
            })*
        }
        mod in_a_bucket {
            use super::super::support::TestStore;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $chapter() {
                super::$chapter(TestStore::s3().await).await;
            })*
        }
    };
}

story!(
    a_blob_is_found_under_its_digest,
    an_empty_blob_is_a_blob,
    a_big_blob_streams_whole_and_in_parts,
    what_is_not_there_is_absent,
    a_dropped_upload_leaves_nothing,
    an_upload_can_be_looked_into_before_it_is_kept,
    an_upload_can_be_read_while_it_comes_in,
    the_same_bytes_from_many_at_once_are_one_blob,
    the_list_has_every_blob_once,
    collection_spares_the_young,
    a_blob_put_again_survives_its_collection,
    many_small_chunks_are_one_blob,
);

async fn a_blob_is_found_under_its_digest(test: TestStore) {
    let content = Bytes::from_static(b"what is in a wheel");
    let stored = test.store.put(content.clone()).await.unwrap();
    let expected = StoredBlob {
        sha256: digest(&content),
        size: 18,
    };
    assert_eq!(stored, expected);
    assert!(test.store.exists(&stored.sha256).await.unwrap());
    for store in [&test.store, &test.again().await] {
        // Twice: from the store, then from memory.
        for _ in 0..2 {
            let blob = open(store, &stored.sha256).await;
            assert_eq!(blob.size(), 18);
            assert_eq!(blob.small(), Some(content.clone()));
            assert_eq!(collect(blob.read_all()).await.unwrap(), content);
            assert_eq!(collect(blob.read(8..9)).await.unwrap(), b"i");
            assert_eq!(collect(blob.read(11..99)).await.unwrap(), b"a wheel");
        }
        assert!(store.small_blob(&stored.sha256).is_some());
    }
}

async fn an_empty_blob_is_a_blob(test: TestStore) {
    let stored = test.store.put(Bytes::new()).await.unwrap();
    assert_eq!((stored.sha256, stored.size), (digest(b""), 0));
    let blob = open(&test.again().await, &stored.sha256).await;
    assert_eq!(blob.size(), 0);
    assert_eq!(collect(blob.read_all()).await.unwrap(), b"");
}

async fn a_big_blob_streams_whole_and_in_parts(test: TestStore) {
    // More than two parts of a multipart upload, and no multiple of anything.
    let content = bytes(1, 20_000_003);
    let mut writer = test.store.writer().await.unwrap();
    for start in (0..content.len()).step_by(40_000) {
        let end = content.len().min(start + 40_000);
        writer.write(content.slice(start..end)).await.unwrap();
    }
    assert_eq!(writer.bytes_written(), content.len() as u64);
    let stored = writer.finish().await.unwrap();
    assert_eq!(stored.sha256, digest(&content));

    let blob = open(&test.store, &stored.sha256).await;
    assert_eq!((blob.size(), blob.small()), (20_000_003, None));
    let mut chunks = blob.read_all();
    let mut position = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 1024 * 1024, "{}", chunk.len());
        assert!(chunk == content[position..position + chunk.len()]);
        position += chunk.len();
    }
    assert_eq!(position, content.len());

    let end = blob.size();
    for range in [
        0..1,
        1..300_000,
        262_143..262_145,
        262_144..600_000,
        8_388_607..8_388_609,
        end - 1..end,
        end - 5..end + 5,
        end..end + 1,
    ] {
        let at = |offset: u64| usize::try_from(offset.min(end)).unwrap();
        let expected = &content[at(range.start)..at(range.end)];
        let read = collect(blob.read(range.clone())).await.unwrap();
        assert!(read == expected, "{range:?}");
    }
    assert!(blob.bytes(1024).await.is_err());
    assert!(blob.bytes(end).await.unwrap() == content);
}

async fn what_is_not_there_is_absent(test: TestStore) {
    let nowhere = digest(b"nowhere");
    assert!(test.store.open_blob(&nowhere).await.unwrap().is_none());
    assert!(!test.store.exists(&nowhere).await.unwrap());
    assert!(!test.store.remove(&nowhere).await.unwrap());
    let removal = test.store.remove_if_older(&nowhere, Timestamp::MAX).await;
    assert_eq!(removal.unwrap(), Removal::Absent);

    let stored = test.store.put(Bytes::from_static(b"here")).await.unwrap();
    open(&test.store, &stored.sha256).await;
    assert!(test.store.remove(&stored.sha256).await.unwrap());
    assert!(
        test.store
            .open_blob(&stored.sha256)
            .await
            .unwrap()
            .is_none()
    );
    assert!(!test.store.exists(&stored.sha256).await.unwrap());
    assert_eq!(test.list().await, []);
}

async fn a_dropped_upload_leaves_nothing(test: TestStore) {
    let mut unfinished = test.store.writer().await.unwrap();
    unfinished.write(bytes(1, 1_000_000)).await.unwrap();
    unfinished.flush().await.unwrap();
    assert_eq!(test.files().len(), 1);
    drop(unfinished);

    let mut unkept = test.store.writer().await.unwrap();
    unkept.write(bytes(2, 1000)).await.unwrap();
    let unkept = unkept.finish_spooled().await.unwrap();
    let path = unkept.path().to_owned();
    assert!(path.exists());
    drop(unkept);

    assert!(test.files().is_empty(), "{:?}", test.files());
    assert_eq!(test.list().await, []);
}

async fn an_upload_can_be_looked_into_before_it_is_kept(test: TestStore) {
    let content = bytes(3, 700_000);
    let mut writer = test.store.writer().await.unwrap();
    writer.write(content.clone()).await.unwrap();
    let spooled = writer.finish_spooled().await.unwrap();
    assert_eq!(spooled.sha256(), digest(&content));
    assert_eq!(spooled.size(), content.len() as u64);
    assert!(std::fs::read(spooled.path()).unwrap() == content);
    assert!(!test.store.exists(&spooled.sha256()).await.unwrap());
    let stored = spooled.keep().await.unwrap();
    assert!(test.store.exists(&stored.sha256).await.unwrap());
}

async fn an_upload_can_be_read_while_it_comes_in(test: TestStore) {
    let content = bytes(4, 900_000);
    let mut writer = test.store.writer().await.unwrap();
    writer.write(content.slice(..10)).await.unwrap();
    let spool = writer.spool().await.unwrap();
    assert_eq!(collect(spool.read(2..10)).await.unwrap(), content[2..10]);
    assert!(collect(spool.read(0..11)).await.is_err());
    writer.write(content.slice(10..)).await.unwrap();
    assert_eq!(writer.flush().await.unwrap(), content.len() as u64);
    assert_eq!(std::fs::metadata(writer.path()).unwrap().len(), 900_000);
    let stored = writer.finish().await.unwrap();
    assert_eq!(stored.sha256, digest(&content));
    let whole = collect(spool.read(0..stored.size)).await.unwrap();
    assert!(whole == content, "a reader outlives its writer");
}

async fn the_same_bytes_from_many_at_once_are_one_blob(test: TestStore) {
    let content = bytes(5, 300_000);
    let puts = (0..16).map(|_| test.store.put(content.clone()));
    for stored in future::join_all(puts).await {
        assert_eq!(stored.unwrap().sha256, digest(&content));
    }
    let listed = test.list().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].size, 300_000);
    let blob = open(&test.store, &digest(&content)).await;
    assert!(collect(blob.read_all()).await.unwrap() == content);
}

async fn the_list_has_every_blob_once(test: TestStore) {
    let before = machine_time() - SignedDuration::from_secs(2);
    let contents: Vec<Bytes> = (0..40)
        .map(|seed| bytes(seed, 150 - usize::try_from(seed).unwrap()))
        .collect();
    let puts = contents
        .iter()
        .map(|content| test.store.put(content.clone()));
    for stored in future::join_all(puts).await {
        stored.unwrap();
    }
    let mut expected: Vec<_> = contents
        .iter()
        .map(|content| (digest(content), content.len() as u64))
        .collect();
    expected.sort_unstable();
    let mut listed = test.list().await;
    listed.sort_by_key(|entry| entry.sha256);
    let found: Vec<_> = listed
        .iter()
        .map(|entry| (entry.sha256, entry.size))
        .collect();
    assert_eq!(found, expected);
    let after = machine_time() + SignedDuration::from_secs(2);
    assert!(
        listed
            .iter()
            .all(|entry| (before..after).contains(&entry.modified))
    );
}

async fn collection_spares_the_young(test: TestStore) {
    let stored = test.store.put(Bytes::from_static(b"young")).await.unwrap();
    let modified = test.list().await[0].modified;
    let removal = test.store.remove_if_older(&stored.sha256, modified).await;
    assert_eq!(removal.unwrap(), Removal::Spared);
    assert!(test.store.exists(&stored.sha256).await.unwrap());
    let later = modified + SignedDuration::from_secs(1);
    let removal = test.store.remove_if_older(&stored.sha256, later).await;
    assert_eq!(removal.unwrap(), Removal::Removed);
    assert!(!test.store.exists(&stored.sha256).await.unwrap());
}

/// Somebody puts each blob again while it is collected by two collectors. Whoever comes first,
/// the blob is there afterwards.
async fn a_blob_put_again_survives_its_collection(test: TestStore) {
    let contents: Vec<Bytes> = (0..24).map(|seed| bytes(seed, 2000)).collect();
    for content in &contents {
        test.store.put(content.clone()).await.unwrap();
    }
    let newest = test
        .list()
        .await
        .iter()
        .map(|entry| entry.modified)
        .max()
        .unwrap();
    let cutoff = newest + SignedDuration::from_secs(1);
    // The stamps of some stores are whole seconds: what is put again has to get another one.
    let deadline = Instant::now() + Duration::from_mins(1);
    let clock = digest(b"tick");
    loop {
        test.store.put(Bytes::from_static(b"tick")).await.unwrap();
        let listed = test.list().await;
        let tick = listed.iter().find(|entry| entry.sha256 == clock).unwrap();
        if tick.modified >= cutoff {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    test.store.remove(&clock).await.unwrap();
    // Another process, as far as locks are concerned.
    let other = test.again().await;
    for content in &contents {
        let sha256 = digest(content);
        let (put, first, second) = tokio::join!(
            test.store.put(content.clone()),
            other.remove_if_older(&sha256, cutoff),
            test.store.remove_if_older(&sha256, cutoff),
        );
        put.unwrap();
        first.unwrap();
        second.unwrap();
        assert!(test.store.exists(&sha256).await.unwrap());
        let blob = open(&test.again().await, &sha256).await;
        assert_eq!(collect(blob.read_all()).await.unwrap(), content[..]);
    }
    assert_eq!(test.list().await.len(), contents.len());
}

async fn many_small_chunks_are_one_blob(test: TestStore) {
    let content = bytes(6, 400_000);
    let mut writer = test.store.writer().await.unwrap();
    for start in (0..content.len()).step_by(100) {
        writer
            .write(content.slice(start..start + 100))
            .await
            .unwrap();
        writer.write(Bytes::new()).await.unwrap();
    }
    let stored = writer.finish().await.unwrap();
    assert_eq!(stored.sha256, digest(&content));
    let blob = open(&test.again().await, &stored.sha256).await;
    assert!(blob.bytes(u64::MAX).await.unwrap() == content);
}
