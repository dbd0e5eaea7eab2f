//! Stores to test, and bytes to put into them.

use bytes::{Bytes, BytesMut};
use cheeseshop_packaging::hash::Sha256;
use cheeseshop_storage::{Blob, BlobConfig, BlobEntry, BlobStore, ByteStream, S3BlobConfig};
use cheeseshop_test_support::S3Bucket;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use sha2::Digest;
use tempfile::TempDir;

/// An open store and everything that has to live as long.
pub(crate) struct TestStore {
    pub(crate) store: BlobStore,
    pub(crate) config: BlobConfig,
    /// What is on this machine: the blobs of a local store, the spool of a remote one.
    pub(crate) directory: TempDir,
}

impl TestStore {
    pub(crate) async fn local() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = BlobConfig::local(directory.path().join("blobs"));
        Self::open(config, directory).await
    }

    pub(crate) async fn s3() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bucket = cheeseshop_test_support::s3().await;
        let config = s3_config(&bucket, &directory);
        Self::open(BlobConfig::S3(Box::new(config)), directory).await
    }

    pub(crate) async fn open(config: BlobConfig, directory: TempDir) -> Self {
        let store = BlobStore::open(&config).await.unwrap();
        Self {
            store,
            config,
            directory,
        }
    }

    /// The paths of all regular files on this machine that are no locks.
    pub(crate) fn files(&self) -> Vec<std::path::PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                } else if !entry.file_name().to_string_lossy().starts_with('.') {
                    files.push(entry.path());
                }
            }
        }
        files
    }

    pub(crate) async fn list(&self) -> Vec<BlobEntry> {
        self.store.list().try_collect().await.unwrap()
    }

    /// The store opened once more, without what the first one remembers.
    pub(crate) async fn again(&self) -> BlobStore {
        BlobStore::open(&self.config).await.unwrap()
    }
}

pub(crate) fn s3_config(bucket: &S3Bucket, directory: &TempDir) -> S3BlobConfig {
    S3BlobConfig {
        bucket: bucket.bucket.clone(),
        endpoint: Some(bucket.endpoint.clone()),
        access_key: Some(bucket.access_key.clone()),
        secret_key: Some(bucket.secret_key.clone().into()),
        prefix: "/shop/blobs/".to_owned(),
        allow_http: true,
        spool_dir: Some(directory.path().join("spool")),
        ..S3BlobConfig::default()
    }
}

/// The machine's time: what file systems and servers on it stamp with.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with stamps that no clock of ours makes"
)]
pub(crate) fn machine_time() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn digest(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// Bytes that do not repeat, different for each seed.
pub(crate) fn bytes(seed: u64, length: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(length + 8);
    // splitmix64
    let mut state = seed;
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.freeze()
}

pub(crate) async fn collect(stream: ByteStream) -> std::io::Result<Vec<u8>> {
    stream
        .try_fold(Vec::new(), async |mut whole, chunk| {
            whole.extend_from_slice(&chunk);
            Ok(whole)
        })
        .await
}

pub(crate) async fn open(store: &BlobStore, digest: &Sha256) -> Blob {
    store.open_blob(digest).await.unwrap().unwrap()
}
