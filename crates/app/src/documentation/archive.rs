//! Archives in the blob store: their directories, remembered, and their pages, unpacked.

use std::io;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use cheeseshop_packaging::archive::documentation::{
    DirectoryReader, DocumentationPages, Page, PageReader, RangedDirectory,
};
use cheeseshop_packaging::{ArchiveError, ArchiveLimits, Sha256};
use cheeseshop_storage::{Blob, ByteStream};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use crate::Error;

/// Most bytes that are remembered of directories. One of 20,000 pages takes about two million.
const REMEMBERED: u64 = 32 << 20;

/// Directories read at once: the largest takes a few times 64 MiB for a moment.
const CONCURRENT: usize = 2;

/// Bytes of a page that are unpacked at a time: a fraction of a millisecond of work, so that other
/// requests of the thread do not wait.
const PIECE: u64 = 64 << 10;

/// More entries than an archive that was imported from another server ever had.
const MAX_ENTRIES: u64 = 1_000_000;

/// What is known of archives.
pub(crate) struct Archives {
    known: Cache<Sha256, Arc<DocumentationPages>>,
    reading: Semaphore,
}

impl Archives {
    pub(crate) fn new() -> Self {
        let known = Cache::builder()
            .max_capacity(REMEMBERED)
            .weigher(|_, pages: &Arc<DocumentationPages>| {
                u32::try_from(pages.weight() + 256).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            known,
            reading: Semaphore::new(CONCURRENT),
        }
    }

    /// The pages of an archive.
    pub(super) async fn pages(
        &self,
        digest: Sha256,
        archive: &Blob,
    ) -> Result<Arc<DocumentationPages>, Error> {
        if let Some(pages) = self.known.get(&digest) {
            return Ok(pages);
        }
        let _turn = self.reading.acquire().await.map_err(Error::internal)?;
        // Somebody before us may have wanted the same.
        if let Some(pages) = self.known.get(&digest) {
            return Ok(pages);
        }
        let pages = Arc::new(read_directory(archive).await?);
        self.known.insert(digest, Arc::clone(&pages));
        Ok(pages)
    }
}

async fn read_directory(archive: &Blob) -> Result<DocumentationPages, Error> {
    let limits = ArchiveLimits {
        max_entries: MAX_ENTRIES,
        ..ArchiveLimits::default()
    };
    let (mut reader, mut range) = DirectoryReader::begin(archive.size(), &limits);
    loop {
        let bytes = collect(archive.read(range)).await?;
        // Many entries take a while.
        let (returned, directory) = tokio::task::spawn_blocking(move || {
            let directory = reader.feed(&bytes);
            (reader, directory)
        })
        .await
        .map_err(Error::internal)?;
        reader = returned;
        match directory {
            Ok(RangedDirectory::Need(next)) => range = next,
            Ok(RangedDirectory::Done(pages)) => return Ok(pages),
            Err(ArchiveError::Io(error)) => return Err(Error::internal(error)),
            // What is uploaded here is checked; what was imported or pushed may be anything.
            Err(error) => {
                return Err(Error::NotFound(format!(
                    "the documentation cannot be shown: {error}"
                )));
            }
        }
    }
}

async fn collect(mut bytes: ByteStream) -> Result<Vec<u8>, Error> {
    let mut whole = Vec::new();
    while let Some(chunk) = bytes.try_next().await.map_err(Error::internal)? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

/// A page that is being unpacked.
struct Unpacking {
    packed: ByteStream,
    input: Bytes,
    reader: PageReader,
    left: u64,
}

/// The bytes of a page.
pub(super) fn unpack(archive: &Blob, page: Page) -> ByteStream {
    let unpacking = Unpacking {
        packed: archive.read(page.range()),
        input: Bytes::new(),
        reader: PageReader::new(&page),
        left: page.size(),
    };
    stream::try_unfold(unpacking, |mut unpacking| async move {
        let piece = unpacking.next_piece().await?;
        Ok(piece.map(|piece| (piece, unpacking)))
    })
    .boxed()
}

impl Unpacking {
    async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        // One byte of room more than expected lets the end be seen together with the last bytes.
        let room = usize::try_from(self.left.min(PIECE) + 1).expect("not more than a piece");
        let mut piece = vec![0; room];
        while !self.reader.is_finished() {
            let done = self
                .reader
                .unpack(&self.input, &mut piece)
                .map_err(io::Error::other)?;
            self.input.advance(done.consumed);
            if done.produced > 0 {
                self.left = self.left.saturating_sub(done.produced as u64);
                piece.truncate(done.produced);
                return Ok(Some(piece.into()));
            }
            if self.input.is_empty() && !self.reader.is_finished() {
                self.input = self
                    .packed
                    .try_next()
                    .await?
                    .ok_or(io::ErrorKind::UnexpectedEof)?;
            }
        }
        Ok(None)
    }
}
