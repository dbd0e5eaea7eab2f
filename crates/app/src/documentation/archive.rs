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
const REMEMBERED: u64 = 64 << 20;

/// The most that the directory of an archive that is uploaded may weigh, so that a few of them
/// have room beside each other. 100,000 pages with usual names weigh less.
pub(crate) const MAX_DIRECTORY_WEIGHT: u64 = REMEMBERED / 4;

/// Directories read at once: the largest takes a few times 64 MiB for a moment.
const CONCURRENT: usize = 2;

/// Bytes of a page that are unpacked at a time: a fraction of a millisecond of work, so that other
/// requests of the thread do not wait.
const PIECE: u64 = 64 << 10;

/// More entries than an archive that was imported from another server ever had.
const MAX_ENTRIES: u64 = 1_000_000;

/// What is known of archives.
pub(crate) struct Archives {
    known: Cache<Sha256, Known>,
    reading: Semaphore,
}

/// The pages of an archive, or why it has none that could be shown.
type Known = Result<Arc<DocumentationPages>, Arc<str>>;

impl Archives {
    pub(crate) fn new() -> Self {
        Self::remembering(REMEMBERED)
    }

    fn remembering(most_bytes: u64) -> Self {
        // An imported directory may be heavier than one that was uploaded; what outweighs the whole
        // would be read anew for each page.
        let heaviest = u32::try_from(most_bytes / 4).unwrap_or(u32::MAX);
        let known = Cache::builder()
            .max_capacity(most_bytes)
            .weigher(move |_, known: &Known| weight(known).min(heaviest))
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
        if let Some(known) = self.known.get(&digest) {
            return known.map_err(|reason| unreadable(&reason));
        }
        let _turn = self.reading.acquire().await.map_err(Error::internal)?;
        // Somebody before us may have wanted the same.
        let known = if let Some(known) = self.known.get(&digest) {
            known
        } else {
            let known = read_directory(archive).await?;
            self.known.insert(digest, known.clone());
            known
        };
        known.map_err(|reason| unreadable(&reason))
    }
}

fn weight(known: &Known) -> u32 {
    let weight = match known {
        Ok(pages) => pages.weight(),
        Err(reason) => reason.len(),
    };
    u32::try_from(weight + 256).unwrap_or(u32::MAX)
}

/// What is uploaded here is checked; what was imported or pushed may be anything.
fn unreadable(reason: &str) -> Error {
    Error::NotFound(format!("the documentation cannot be shown: {reason}"))
}

/// Fails only where another try may help.
async fn read_directory(archive: &Blob) -> Result<Known, Error> {
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
            Ok(RangedDirectory::Done(pages)) => return Ok(Ok(Arc::new(pages))),
            Err(ArchiveError::Io(error)) => return Err(Error::internal(error)),
            Err(error) => return Ok(Err(error.to_string().into())),
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

#[cfg(test)]
mod tests {
    use cheeseshop_storage::{BlobConfig, BlobStore};
    use cheeseshop_test_support::DocumentationArchive;

    use super::*;

    async fn blob(blobs: &BlobStore, bytes: Bytes) -> Blob {
        let stored = blobs.put(bytes).await.unwrap();
        blobs.open_blob(&stored.sha256).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn whatever_was_found_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(&BlobConfig::local(folder.path()))
            .await
            .unwrap();
        let mut heavy = DocumentationArchive::new();
        for number in 0..100 {
            heavy = heavy.page(&format!("{}{number}", "x".repeat(100)), b"");
        }
        let heavy = blob(&blobs, heavy.build()).await;
        let broken = blob(&blobs, vec![b'x'; 1000].into()).await;
        let archives = Archives::remembering(8192);

        let digest = Sha256([1; 32]);
        let pages = archives.pages(digest, &heavy).await.unwrap();
        assert!(pages.weight() > 8192);
        let again = archives.pages(digest, &broken).await.unwrap();
        assert!(Arc::ptr_eq(&pages, &again), "not read again");

        let digest = Sha256([2; 32]);
        for archive in [&broken, &heavy] {
            let refused = archives.pages(digest, archive).await;
            assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
        }
    }
}
