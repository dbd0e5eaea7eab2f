//! What only a bucket has: a network, keys, and a store that may lie.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cheeseshop_storage::{BlobConfig, BlobError, BlobStore, S3BlobConfig};
use cheeseshop_test_support::{ChaosRelay, Fault, Gate, Relay, Upstream, s3};
use tempfile::TempDir;

use super::support::{TestStore, bytes, collect, digest, open, s3_config};

/// A store at this address, which is asked three times at most.
fn at(endpoint: &str, directory: &TempDir) -> S3BlobConfig {
    S3BlobConfig {
        bucket: "b".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        access_key: Some("a".to_owned()),
        secret_key: Some("s".into()),
        allow_http: true,
        spool_dir: Some(directory.path().join("spool")),
        retries: 2,
        ..S3BlobConfig::default()
    }
}

async fn refusal(config: S3BlobConfig) -> BlobError {
    BlobStore::open(&BlobConfig::S3(Box::new(config)))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_wrong_key_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = s3().await;
    let right = s3_config(&bucket, &directory);
    for wrong in [
        S3BlobConfig {
            secret_key: Some("wrong".into()),
            ..right.clone()
        },
        S3BlobConfig {
            allow_http: false,
            ..right.clone()
        },
    ] {
        let text = format!("{:?}", refusal(wrong).await);
        assert!(!text.contains(&bucket.secret_key), "{text}");
    }
    let file = directory.path().join("secret");
    std::fs::write(&file, format!("{}\n", bucket.secret_key)).unwrap();
    let from_file = S3BlobConfig {
        secret_key: None,
        secret_key_file: Some(file),
        ..right
    };
    BlobStore::open(&BlobConfig::S3(Box::new(from_file)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_missing_bucket_is_refused_at_the_start() {
    // The real server makes missing buckets by itself.
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    upstream.fault_everywhere(Fault::Status(404));
    let error = refusal(at(upstream.origin(), &directory)).await;
    assert!(matches!(error, BlobError::Remote { .. }), "{error:?}");
    assert_eq!(upstream.total(), 1, "asking again does not help");
}

#[tokio::test]
async fn a_store_that_fails_is_asked_again_and_then_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    upstream.fault_everywhere(Fault::Status(503));
    let error = refusal(at(upstream.origin(), &directory)).await;
    assert!(matches!(error, BlobError::Remote { .. }), "{error:?}");
    assert_eq!(upstream.total(), 3);
}

#[tokio::test]
async fn a_store_that_hangs_is_given_up_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let gate = Gate::closed();
    upstream.fault_everywhere(Fault::Hang(gate.clone()));
    let impatient = S3BlobConfig {
        connect_timeout_seconds: 1,
        read_timeout_seconds: 1,
        ..at(upstream.origin(), &directory)
    };
    let before = Instant::now();
    let error = refusal(impatient).await;
    assert!(
        matches!(error, BlobError::Remote { .. } | BlobError::Timeout { .. }),
        "{error:?}"
    );
    assert!(before.elapsed() < Duration::from_mins(1));
    assert!(gate.arrivals() >= 2, "a silent store is asked again");
}

#[tokio::test]
async fn a_store_tells_whether_it_is_there() {
    let (test, relay) = behind_a_relay().await;
    test.store.check_alive().await.unwrap();
    relay.set(Relay::Cut);
    let error = test.store.check_alive().await.unwrap_err();
    assert!(
        matches!(error, BlobError::Remote { .. } | BlobError::Timeout { .. }),
        "{error:?}"
    );
    relay.set(Relay::Pass);
    test.store.check_alive().await.unwrap();
}

/// A store behind a relay.
async fn behind_a_relay() -> (TestStore, ChaosRelay) {
    let directory = tempfile::tempdir().unwrap();
    let bucket = s3().await;
    let relay = ChaosRelay::to(&bucket.endpoint.replace("http://", "")).await;
    let config = S3BlobConfig {
        endpoint: Some(format!("http://{}", relay.address())),
        ..s3_config(&bucket, &directory)
    };
    let test = TestStore::open(BlobConfig::S3(Box::new(config)), directory).await;
    (test, relay)
}

#[tokio::test]
async fn a_download_survives_a_cut_connection() {
    let (test, relay) = behind_a_relay().await;
    let content = bytes(1, 3_000_000);
    let stored = test.store.put(content.clone()).await.unwrap();
    relay.set(Relay::Cut);
    relay.set(Relay::Pass);
    let blob = open(&test.store, &stored.sha256).await;
    // The idle connection is closed by the cut; the next one dies in the middle of the body.
    relay.set(Relay::Cut);
    relay.set_once(Relay::CutAfter(1_000_000));
    relay.set(Relay::Pass);
    assert!(collect(blob.read_all()).await.unwrap() == content);
}

#[tokio::test]
async fn an_upload_survives_a_cut_connection_and_fails_without_a_store() {
    let (test, relay) = behind_a_relay().await;
    relay.set(Relay::Cut);
    relay.set_once(Relay::Cut);
    relay.set(Relay::Pass);
    let content = bytes(2, 9_000_000);
    let stored = test.store.put(content.clone()).await.unwrap();
    let blob = open(&test.again().await, &stored.sha256).await;
    assert!(collect(blob.read_all()).await.unwrap() == content);

    relay.set(Relay::Cut);
    assert!(test.store.put(bytes(3, 1000)).await.is_err());
    assert!(
        test.store.open_blob(&digest(b"any")).await.is_err(),
        "unknown is not absent"
    );
    assert!(test.files().is_empty(), "{:?}", test.files());
}

#[tokio::test]
async fn bytes_that_changed_in_the_store_are_never_served_whole() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = s3().await;
    let config = BlobConfig::S3(Box::new(s3_config(&bucket, &directory)));
    let test = TestStore::open(config, directory).await;
    for length in [1000, 2_000_000] {
        let stored = test.store.put(bytes(4, length)).await.unwrap();
        overwrite(&bucket, &stored.sha256.to_string(), bytes(5, length)).await;
        match test.again().await.open_blob(&stored.sha256).await {
            Ok(blob) => {
                let read = collect(blob.unwrap().read_all()).await;
                assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
            }
            Err(error) => assert!(matches!(error, BlobError::Corrupted { .. }), "{error:?}"),
        }
        // Putting it again heals it.
        test.store.put(bytes(4, length)).await.unwrap();
        let blob = open(&test.again().await, &stored.sha256).await;
        assert!(collect(blob.read_all()).await.unwrap() == bytes(4, length));
    }
}

/// Puts other bytes under a blob's key, as no well-behaved writer would.
async fn overwrite(bucket: &cheeseshop_test_support::S3Bucket, name: &str, content: Bytes) {
    put_at(bucket, format!("shop/blobs/{}/{name}", &name[..2]), content).await;
}

#[tokio::test]
async fn a_bucket_of_the_old_layout_is_refused_and_not_taken_for_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = s3().await;
    let name = digest(b"old").to_string();
    let key = format!("shop/blobs/{}/{}/{name}", &name[..2], &name[2..4]);
    put_at(&bucket, key.clone(), Bytes::from_static(b"old")).await;
    let error = refusal(s3_config(&bucket, &directory)).await;
    assert!(matches!(error, BlobError::OldLayout { .. }), "{error:?}");
    assert!(error.to_string().contains(&key), "{error}");
}

async fn put_at(bucket: &cheeseshop_test_support::S3Bucket, key: String, content: Bytes) {
    use object_store::ObjectStoreExt;
    let store = object_store::aws::AmazonS3Builder::new()
        .with_bucket_name(&bucket.bucket)
        .with_region("us-east-1")
        .with_endpoint(&bucket.endpoint)
        .with_allow_http(true)
        .with_access_key_id(&bucket.access_key)
        .with_secret_access_key(&bucket.secret_key)
        .build()
        .unwrap();
    store.put(&key.into(), content.into()).await.unwrap();
}
