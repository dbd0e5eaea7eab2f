//! A blob that is open for reading.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::buffers::Buffers;
use super::file_stream::FileStream;
use super::s3::RemoteBlob;
use super::{BlobError, ByteStream};

/// The bits of a mode that let others than the owner read.
const GROUP_OR_OTHERS_READ: u32 = 0o044;

/// A blob that is open for reading. Cheap to clone; any number of ranges can be read at once.
#[derive(Clone, Debug)]
pub struct Blob {
    size: u64,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Memory(Bytes),
    File { file: Arc<File>, buffers: Buffers },
    Remote(RemoteBlob),
}

impl Blob {
    pub(super) fn from_bytes(bytes: Bytes) -> Self {
        Self {
            size: bytes.len() as u64,
            source: Source::Memory(bytes),
        }
    }

    pub(super) fn from_file(file: File, size: u64, buffers: Buffers) -> Self {
        Self {
            size,
            source: Source::File {
                file: Arc::new(file),
                buffers,
            },
        }
    }

    pub(super) fn from_remote(remote: RemoteBlob, size: u64) -> Self {
        Self {
            size,
            source: Source::Remote(remote),
        }
    }

    /// Number of bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes, when they are in memory already, as those of small blobs are.
    pub fn small(&self) -> Option<Bytes> {
        match &self.source {
            Source::Memory(bytes) => Some(bytes.clone()),
            Source::File { .. } | Source::Remote(_) => None,
        }
    }

    /// Whether the bytes are a file of this machine that its group (or everybody) may read, and not in
    /// memory or elsewhere.
    pub fn is_file_for_group(&self) -> bool {
        match &self.source {
            Source::File { file, .. } => file
                .metadata()
                .is_ok_and(|metadata| metadata.mode() & GROUP_OR_OTHERS_READ != 0),
            Source::Memory(_) | Source::Remote(_) => false,
        }
    }

    /// Streams a part of the blob; what lies beyond its end is left out.
    ///
    /// Memory is bounded: while the consumer has one chunk the next one is read, never more. A
    /// blob that ends before its size is an error of the stream, not an early end.
    pub fn read(&self, range: Range<u64>) -> ByteStream {
        let range = range.start.min(self.size)..range.end.min(self.size);
        if range.is_empty() {
            return stream::empty().boxed();
        }
        match &self.source {
            Source::Memory(bytes) => {
                let part = position(range.start)..position(range.end);
                stream::iter([Ok(bytes.slice(part))]).boxed()
            }
            Source::File { file, buffers } => {
                FileStream::new(Arc::clone(file), range, buffers.clone()).boxed()
            }
            Source::Remote(remote) => remote.read(range, self.size),
        }
    }

    /// Streams the whole blob.
    pub fn read_all(&self) -> ByteStream {
        self.read(0..self.size)
    }

    /// The whole blob in memory; an error when it has more than `limit` bytes.
    pub async fn bytes(&self, limit: u64) -> Result<Bytes, BlobError> {
        if let Some(bytes) = self.small() {
            return Ok(bytes);
        }
        let failed = |source| BlobError::io("read", "blob", source);
        if self.size > limit {
            let text = format!("{} bytes are more than the limit of {limit}", self.size);
            return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, text)));
        }
        let mut whole = BytesMut::with_capacity(position(self.size));
        let mut chunks = self.read_all();
        while let Some(chunk) = chunks.try_next().await.map_err(failed)? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

/// A position inside bytes that are in memory, and therefore fits.
fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
