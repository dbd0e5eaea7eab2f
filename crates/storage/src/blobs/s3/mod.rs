//! Blobs in a bucket of an S3-compatible store.
//!
//! Nothing here relies on conditional requests: some stores honour them, some refuse and some
//! ignore them silently. Keys are digests, so that two uploads of one blob write the same bytes;
//! the one real race, between putting a blob and removing it as garbage, is decided by a marker
//! object (see [`removal`]). What was written is read back and compared before it counts.

mod client;
mod put;
mod remote;
mod removal;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cheeseshop_packaging::hash::Sha256;
use futures_util::{Stream, StreamExt, TryStreamExt, future};
use jiff::Timestamp;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

pub(super) use self::remote::RemoteBlob;

use super::buffers::Buffers;
use super::spool::{TempArea, make_directory};
use super::{Blob, BlobEntry, BlobError, S3BlobConfig, key};

/// Part of the keys of what is written only to see whether that works.
const PROBES: &str = "probe";

/// Keys in one answer to a listing.
const FIRST_PAGE: usize = 1000;

type Entries = Pin<Box<dyn Stream<Item = Result<BlobEntry, BlobError>> + Send>>;

/// Blobs in a bucket. Cheap to clone.
#[derive(Clone)]
pub(super) struct S3Store(Arc<Inner>);

pub(super) struct Inner {
    store: Arc<dyn ObjectStore>,
    /// For messages only.
    bucket: String,
    prefix: Key,
    area: TempArea,
    buffers: Buffers,
    /// Longest time that one request with all its repetitions can take.
    patience: Duration,
    verify_uploads: bool,
}

impl S3Store {
    pub(super) async fn open(config: &S3BlobConfig) -> Result<Self, BlobError> {
        config.check()?;
        let owned = config.clone();
        let (store, area) = tokio::task::spawn_blocking(move || {
            let store = client::connect(&owned)?;
            let spool = owned.spool();
            make_directory(&spool)?;
            Ok::<_, BlobError>((store, TempArea::open(&spool)?))
        })
        .await
        .map_err(|error| BlobError::worker("open", &error))??;
        let opened = Self(Arc::new(Inner {
            store,
            bucket: config.bucket.clone(),
            prefix: config.prefix.trim_matches('/').into(),
            area,
            buffers: Buffers::default(),
            patience: config.patience(),
            verify_uploads: config.verify_uploads,
        }));
        opened.0.probe().await?;
        opened.0.refuse_old_layout().await?;
        Ok(opened)
    }

    /// A store without a network, to test what no real store does on demand.
    #[cfg(test)]
    pub(super) fn in_memory(spool: &std::path::Path) -> Self {
        Self(Arc::new(Inner {
            store: Arc::new(object_store::memory::InMemory::new()),
            bucket: "memory".to_owned(),
            prefix: Key::from("prefix"),
            area: TempArea::open(spool).unwrap(),
            buffers: Buffers::default(),
            patience: Duration::from_secs(20),
            verify_uploads: true,
        }))
    }

    pub(super) fn area(&self) -> &TempArea {
        &self.0.area
    }

    pub(super) fn buffers(&self) -> &Buffers {
        &self.0.buffers
    }

    /// Lists where nothing is kept: one small request, which a missing bucket refuses, too.
    pub(super) async fn check_alive(&self) -> Result<(), BlobError> {
        let inner = &self.0;
        let nothing = inner.prefix.clone().join(PROBES);
        inner
            .timed(
                "list",
                &nothing,
                inner.store.list_with_delimiter(Some(&nothing)),
            )
            .await
            .map(drop)
            .map_err(|failure| failure.into_error("list", &nothing))
    }

    pub(super) async fn open_blob(&self, digest: &Sha256) -> Result<Option<Blob>, BlobError> {
        remote::open(&self.0, digest).await
    }

    pub(super) async fn exists(&self, digest: &Sha256) -> Result<bool, BlobError> {
        Ok(self.0.head(&self.0.key(digest)).await?.is_some())
    }

    pub(super) fn list(&self) -> Entries {
        let inner = Arc::clone(&self.0);
        let place = self.0.place();
        let prefix = (!self.0.prefix.as_ref().is_empty()).then(|| self.0.prefix.clone());
        self.0
            .store
            .list(prefix.as_ref())
            .map_err(move |error| BlobError::remote("list", &place, error))
            .try_filter_map(move |found| future::ready(Ok(inner.entry(&found))))
            .boxed()
    }
}

impl std::fmt::Debug for S3Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.place())
    }
}

impl Inner {
    fn key(&self, digest: &Sha256) -> Key {
        let (shard, name) = key::parts(digest);
        self.prefix.clone().join(shard).join(name)
    }

    /// Bucket and prefix, for messages.
    fn place(&self) -> String {
        format!("{}/{}", self.bucket, self.prefix)
    }

    fn entry(&self, found: &ObjectMeta) -> Option<BlobEntry> {
        let sha256 = key::parse(found.location.filename()?)?;
        // A marker, or a blob under another prefix that begins like ours.
        (found.location == self.key(&sha256)).then_some(())?;
        Some(BlobEntry {
            sha256,
            size: found.size,
            modified: modified(found)?,
        })
    }

    /// Blobs two levels deep would not be found: better no store than one that looks empty.
    async fn refuse_old_layout(&self) -> Result<(), BlobError> {
        let mut listed = self.store.list(Some(&self.prefix)).take(FIRST_PAGE);
        loop {
            let next = self.timed("list", &self.prefix, listed.try_next()).await;
            let found = next.map_err(|failure| failure.into_error("list", &self.prefix))?;
            let Some(found) = found else { return Ok(()) };
            let Some(sha256) = found.location.filename().and_then(key::parse) else {
                continue;
            };
            if found.location == self.key(&sha256) {
                // A store has one layout.
                return Ok(());
            }
            let (shard, name) = key::parts(&sha256);
            let old = self.prefix.clone().join(shard).join(&name[2..4]).join(name);
            if found.location == old {
                return Err(BlobError::old_layout(old));
            }
        }
    }

    async fn head(&self, key: &Key) -> Result<Option<ObjectMeta>, BlobError> {
        match self.timed("look for", key, self.store.head(key)).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::NotFound) => Ok(None),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    async fn delete(&self, key: &Key) -> Result<(), BlobError> {
        match self.timed("remove", key, self.store.delete(key)).await {
            Ok(()) | Err(Failure::NotFound) => Ok(()),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    async fn put_small(&self, key: &Key, bytes: bytes::Bytes) -> Result<(), BlobError> {
        self.timed("keep", key, self.store.put(key, bytes.into()))
            .await
            .map(drop)
            .map_err(|failure| failure.into_error("keep", key))
    }

    /// One request with its repetitions, ended by force after [`Inner::patience`]: the client's
    /// own limits are per attempt and per silence.
    async fn timed<T>(
        &self,
        action: &'static str,
        key: &Key,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.patience, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(object_store::Error::NotFound { .. })) => Err(Failure::NotFound),
            Ok(Err(error)) => Err(Failure::Other(BlobError::remote(action, key, error))),
            Err(_) => Err(Failure::Other(BlobError::Timeout {
                action,
                place: key.to_string(),
            })),
        }
    }

    /// Tries to write, read and remove, before anybody relies on it.
    async fn probe(&self) -> Result<(), BlobError> {
        let name = random_name()?;
        let written = bytes::Bytes::copy_from_slice(name.as_bytes());
        let key = self.prefix.clone().join(PROBES).join(name);
        self.put_small(&key, written.clone()).await?;
        let read = self
            .timed("read", &key, async {
                self.store.get(&key).await?.bytes().await
            })
            .await
            .map_err(|failure| failure.into_error("read", &key))?;
        self.delete(&key).await?;
        if read == written {
            return Ok(());
        }
        Err(BlobError::Corrupted {
            place: key.to_string(),
            found: format!("{} bytes", read.len()),
        })
    }
}

/// How a request ended when it did not succeed.
enum Failure {
    NotFound,
    Other(BlobError),
}

impl Failure {
    /// For requests that `NotFound` does not answer.
    fn into_error(self, action: &'static str, key: &Key) -> BlobError {
        match self {
            Self::NotFound => BlobError::Remote {
                action,
                place: key.to_string(),
                source: "there is no such bucket or object".into(),
            },
            Self::Other(error) => error,
        }
    }
}

fn modified(meta: &ObjectMeta) -> Option<Timestamp> {
    let nanoseconds = i32::try_from(meta.last_modified.timestamp_subsec_nanos()).ok()?;
    Timestamp::new(meta.last_modified.timestamp(), nanoseconds).ok()
}

/// A name that nobody else uses.
fn random_name() -> Result<String, BlobError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| BlobError::Config(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_le_bytes(random)))
}
