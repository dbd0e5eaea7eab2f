//! An opened file, whatever its bytes come from.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use cheeseshop_packaging::Sha256;
use cheeseshop_storage::{Blob, BlobStore, ByteStream};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::Error;
use crate::mirror::Reading;

/// A file (or core metadata document) ready to be sent: from the blob store, from memory, or
/// from a download that is still running.
///
/// The stream of a running download ends in an error, before its last byte, when the upstream's
/// bytes turn out wrong or short; who sends it on must then abort the connection.
#[derive(Clone)]
pub struct FileHandle {
    /// Bytes of the whole file; `None` only while it comes from an upstream that does not say.
    pub size: Option<u64>,
    /// The digest, where known before the last byte.
    pub sha256: Option<Sha256>,
    /// When the file was uploaded here, or last changed at the upstream.
    pub modified: Timestamp,
    /// The base name.
    pub name: String,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Blob(Blob),
    Memory(Bytes),
    Download(Reading),
    Redirect(String),
    Described,
}

impl FileHandle {
    /// A file in the blob store.
    pub fn from_blob(name: String, sha256: Sha256, modified: Timestamp, blob: Blob) -> Self {
        Self {
            size: Some(blob.size()),
            sha256: Some(sha256),
            modified,
            name,
            source: Source::Blob(blob),
        }
    }

    /// A file in memory.
    pub fn from_bytes(name: String, sha256: Sha256, modified: Timestamp, bytes: Bytes) -> Self {
        Self {
            size: Some(bytes.len() as u64),
            sha256: Some(sha256),
            modified,
            name,
            source: Source::Memory(bytes),
        }
    }

    pub(crate) fn from_download(
        name: String,
        sha256: Option<Sha256>,
        modified: Timestamp,
        reading: Reading,
    ) -> Self {
        Self {
            size: reading.size(),
            sha256,
            modified,
            name,
            source: Source::Download(reading),
        }
    }

    /// A file that the client is to get elsewhere.
    pub(crate) fn redirect(
        name: String,
        size: Option<u64>,
        modified: Timestamp,
        url: String,
    ) -> Self {
        Self {
            size,
            sha256: None,
            modified,
            name,
            source: Source::Redirect(url),
        }
    }

    /// What is known of a file whose bytes nobody asked for (HEAD).
    pub(crate) fn described(
        name: String,
        size: Option<u64>,
        sha256: Option<Sha256>,
        modified: Timestamp,
    ) -> Self {
        Self {
            size,
            sha256,
            modified,
            name,
            source: Source::Described,
        }
    }

    /// Whether the bytes are here already, checked and kept.
    pub fn is_held(&self) -> bool {
        matches!(self.source, Source::Blob(_) | Source::Memory(_))
    }

    /// Where the file lies below the directory of local blobs, if it does and others of its group may read
    /// it there: for a web server that sends it.
    pub fn place_on_disk(&self) -> Option<String> {
        match (&self.source, &self.sha256) {
            (Source::Blob(blob), Some(digest)) if blob.is_file_for_group() => {
                Some(BlobStore::place(digest))
            }
            _ => None,
        }
    }

    /// Where the client is to get the file instead, if so; never carries credentials.
    pub fn redirect_url(&self) -> Option<&str> {
        match &self.source {
            Source::Redirect(url) => Some(url),
            _ => None,
        }
    }

    /// The whole file, if it is at hand without waiting.
    pub fn small(&self) -> Option<Bytes> {
        match &self.source {
            Source::Memory(bytes) => Some(bytes.clone()),
            Source::Blob(blob) => blob.small(),
            _ => None,
        }
    }

    /// The bytes of a range, which the caller has cut to the size; an empty range gives nothing.
    pub fn read(&self, range: Range<u64>) -> ByteStream {
        match &self.source {
            Source::Blob(blob) => blob.read(range),
            Source::Memory(bytes) => {
                let end =
                    usize::try_from(range.end).map_or(bytes.len(), |end| end.min(bytes.len()));
                let start = usize::try_from(range.start).map_or(end, |start| start.min(end));
                let part = bytes.slice(start..end);
                stream::iter((!part.is_empty()).then_some(Ok(part))).boxed()
            }
            Source::Download(reading) => reading.read(range),
            Source::Redirect(_) | Source::Described => {
                stream::iter([Err(std::io::Error::other("the bytes are not at hand"))]).boxed()
            }
        }
    }

    /// Waits until the last byte is here and verified; answers the size.
    pub(crate) async fn complete(&self) -> Result<u64, Error> {
        match (&self.source, self.size) {
            (Source::Download(reading), _) => reading.complete().await,
            (Source::Blob(_) | Source::Memory(_), Some(size)) => Ok(size),
            _ => Err(Error::internal("the bytes are not at hand")),
        }
    }

    /// All bytes, to the end whatever the size turns out to be.
    pub fn read_all(&self) -> ByteStream {
        self.read(0..self.size.unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for FileHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileHandle")
            .field("name", &self.name)
            .field("size", &self.size)
            .field("sha256", &self.sha256)
            .field("modified", &self.modified)
            .finish_non_exhaustive()
    }
}
