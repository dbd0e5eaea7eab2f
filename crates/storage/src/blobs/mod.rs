//! Blobs: the bytes of files, named by their SHA-256, each stored once.
//!
//! A blob comes in through a [`BlobWriter`], which spools it to a temporary file while it is
//! hashed; [`BlobWriter::finish_spooled`] tells its digest before anything is kept, so that the
//! caller can look inside first; [`SpooledBlob::keep`] makes it durable under its digest. Only
//! then may a row refer to it: a blob without a row is garbage, a row without a blob cannot be.
//! What is removed is decided elsewhere; [`BlobStore::remove_if_older`] sees to it that a blob
//! that was put again meanwhile survives.
//!
//! # Why two hands
//!
//! S3 goes through `object_store`, which knows the protocol and its many dialects. Local files
//! do not: its `LocalFileSystem` can fsync since 0.14, but it cannot tell the digest before the
//! name, hands out chunks of 8 KiB from a shared cursor, hides the temporary file that the
//! archive inspection has to read, and knows neither the trash that garbage collection needs nor
//! leftovers of a crash. So local blobs are `std::fs` on blocking threads.
//!
//! # Durability of local blobs
//!
//! Write to a temporary file, `fdatasync`, rename, `fsync` the directory (and its parents the
//! first time this process uses it). There is no common queue for these syncs, on purpose: on
//! journalling file systems concurrent syncs share one journal commit in the kernel already.
//! Measured with uploads of 1 kB by 8 threads on ext4, two loaded cores: each for itself
//! 280 to 1,300 a second; a leader that syncs the directories of all who wait 190 to 480, since
//! they nearly always are different ones (of 65,536 then; there are 256 now) and it takes them
//! one by one.

mod blob;
mod buffers;
mod config;
mod error;
mod file_stream;
mod key;
mod local;
mod s3;
mod spool;
mod take;
mod writer;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_packaging::hash::Sha256;
use futures_util::Stream;
use jiff::Timestamp;

pub use self::blob::Blob;
pub use self::config::{BlobConfig, S3BlobConfig};
pub use self::error::BlobError;
pub(crate) use self::key::parts as key_parts;
pub use self::spool::Spool;
pub use self::take::{TakeError, Taking};
pub use self::writer::{BlobWriter, SpooledBlob};

use self::local::LocalStore;
use self::s3::S3Store;

/// Bytes as they are read. An error ends the stream; what came before it must not be taken for
/// the whole.
pub type ByteStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Bytes per read and per hand-over to a blocking thread.
const CHUNK: usize = 256 * 1024;

/// Blobs up to this size are remembered after they were read.
const CACHED_BLOB: u64 = 64 * 1024;

/// Most bytes that are remembered of small blobs.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// A blob that is kept: durable, and readable by its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// Digest of the bytes, and the blob's name.
    pub sha256: Sha256,
    /// Number of bytes.
    pub size: u64,
}

/// One blob of [`BlobStore::list`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// The blob's name.
    pub sha256: Sha256,
    /// Number of bytes.
    pub size: u64,
    /// When it was put last, by the clock of the file system or of the object store.
    pub modified: Timestamp,
}

/// What became of a blob that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It was put (again) at or after the cutoff and stays.
    Spared,
    /// There was none.
    Absent,
}

/// All blobs of this installation. Cheap to clone.
#[derive(Clone)]
pub struct BlobStore(Arc<Inner>);

struct Inner {
    backend: Backend,
    small: moka::sync::Cache<Sha256, Bytes>,
}

enum Backend {
    Local(LocalStore),
    S3(S3Store),
}

impl BlobStore {
    /// Opens the store, makes missing directories, tries whether it can be written, and removes
    /// the temporary files that crashed processes left behind.
    pub async fn open(config: &BlobConfig) -> Result<Self, BlobError> {
        let backend = match config {
            BlobConfig::Local { path } => Backend::Local(LocalStore::open(path.clone()).await?),
            BlobConfig::S3(config) => Backend::S3(S3Store::open(config).await?),
        };
        let small = moka::sync::Cache::builder()
            .max_capacity(CACHE_BYTES)
            // An entry costs more than its bytes; 256 stands for key, counters and pointers.
            .weigher(|_, bytes: &Bytes| u32::try_from(bytes.len() + 256).unwrap_or(u32::MAX))
            .build();
        Ok(Self(Arc::new(Inner { backend, small })))
    }

    /// Begins a new blob.
    #[expect(
        clippy::unused_async,
        reason = "an object store may have to be asked first"
    )]
    pub async fn writer(&self) -> Result<BlobWriter, BlobError> {
        Ok(BlobWriter::new(self.clone()))
    }

    /// Keeps bytes that are in memory already.
    pub async fn put(&self, bytes: Bytes) -> Result<StoredBlob, BlobError> {
        let mut writer = self.writer().await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Opens a blob for reading; None when there is none of this digest.
    ///
    /// Small blobs come with their bytes ([`Blob::small`]) and may come from memory.
    pub async fn open_blob(&self, digest: &Sha256) -> Result<Option<Blob>, BlobError> {
        if let Some(blob) = self.small_blob(digest) {
            return Ok(Some(blob));
        }
        let blob = self.open_stored(digest).await?;
        if let Some(bytes) = blob.as_ref().and_then(Blob::small)
            && bytes.len() as u64 <= CACHED_BLOB
        {
            self.0.small.insert(*digest, bytes);
        }
        Ok(blob)
    }

    /// As [`Self::open_blob`], but what is in memory does not count, and nothing is put there: for
    /// those who want to know what the store has.
    pub async fn open_stored(&self, digest: &Sha256) -> Result<Option<Blob>, BlobError> {
        match &self.0.backend {
            Backend::Local(store) => store.open_blob(digest).await,
            Backend::S3(store) => store.open_blob(digest).await,
        }
    }

    /// A small blob that happens to be in memory: no waiting, no system call.
    pub fn small_blob(&self, digest: &Sha256) -> Option<Blob> {
        self.0.small.get(digest).map(Blob::from_bytes)
    }

    /// Whether there is a blob of this digest.
    pub async fn exists(&self, digest: &Sha256) -> Result<bool, BlobError> {
        match &self.0.backend {
            Backend::Local(store) => store.exists(digest).await,
            Backend::S3(store) => store.exists(digest).await,
        }
    }

    /// Removes a blob whatever its age; false when there was none. Whoever has it open can read
    /// on from a local store.
    pub async fn remove(&self, digest: &Sha256) -> Result<bool, BlobError> {
        self.0.small.invalidate(digest);
        let removed = match &self.0.backend {
            Backend::Local(store) => store.remove(digest).await,
            Backend::S3(store) => store.remove(digest).await,
        };
        // A reader may have filled the cache between the first line and the removal.
        self.0.small.invalidate(digest);
        removed
    }

    /// Removes a blob unless it was put at or after `cutoff`, for garbage collection.
    ///
    /// A blob that anybody puts again while this runs survives, also when that is another
    /// process or another node.
    pub async fn remove_if_older(
        &self,
        digest: &Sha256,
        cutoff: Timestamp,
    ) -> Result<Removal, BlobError> {
        let removal = match &self.0.backend {
            Backend::Local(store) => store.remove_if_older(digest, cutoff).await,
            Backend::S3(store) => store.remove_if_older(digest, cutoff).await,
        };
        self.0.small.invalidate(digest);
        removal
    }

    /// Every blob, in the order of the digests' first two bytes at least. Blobs that come or go
    /// while the list is read may be in it or not.
    pub fn list(&self) -> Pin<Box<dyn Stream<Item = Result<BlobEntry, BlobError>> + Send>> {
        match &self.0.backend {
            Backend::Local(store) => store.list(),
            Backend::S3(store) => store.list(),
        }
    }

    /// Whether the store is there and can be used: a local directory can be listed and written,
    /// a bucket answers. Changes nothing; how long to wait is up to the caller.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn check_alive(&self) -> Result<(), BlobError> {
        match &self.0.backend {
            Backend::Local(store) => store.check_alive().await,
            Backend::S3(store) => store.check_alive().await,
        }
    }

    /// Where a blob would lie as a file on this machine; `None` for a store that has no files. For sharing it under
    /// another name and for reading it, never for writing.
    pub fn local_path(&self, digest: &Sha256) -> Option<std::path::PathBuf> {
        match &self.0.backend {
            Backend::Local(store) => Some(store.path(digest)),
            Backend::S3(_) => None,
        }
    }

    /// Where a blob lies below the root of a local store: what [`Self::local_path`] ends with.
    pub fn place(digest: &Sha256) -> String {
        let (directory, name) = key::parts(digest);
        format!("{directory}/{name}")
    }

    fn backend(&self) -> &Backend {
        &self.0.backend
    }
}

impl std::fmt::Debug for BlobStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let backend: &dyn std::fmt::Debug = match &self.0.backend {
            Backend::Local(store) => store,
            Backend::S3(store) => store,
        };
        formatter.debug_tuple("BlobStore").field(backend).finish()
    }
}
