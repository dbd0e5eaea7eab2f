//! Taking in a blob: spool, hash, look, keep.
//!
//! Chunks are gathered into batches of 256 KiB; one batch is hashed and written on a blocking
//! thread while the next one is gathered. So the runtime never hashes, an upload holds at most
//! two batches, and a small upload needs a single hop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_packaging::hash::Sha256;
use sha2::Digest;
use tokio::task::JoinHandle;

use super::spool::{Spool, TempFile};
use super::{Backend, BlobError, BlobStore, CHUNK, StoredBlob};

/// A blob that is coming in. Dropping it removes what was written.
pub struct BlobWriter {
    store: BlobStore,
    path: PathBuf,
    written: u64,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    sink: Sink,
}

/// Where the file and the running digest are.
enum Sink {
    Here(Box<Spooling>),
    Away(JoinHandle<Result<Box<Spooling>, BlobError>>),
    /// A batch failed, and its error was handed out.
    Broken,
}

struct Spooling {
    path: PathBuf,
    /// Made by the first batch.
    file: Option<TempFile>,
    hasher: sha2::Sha256,
}

impl BlobWriter {
    pub(super) fn new(store: BlobStore) -> Self {
        let path = match store.backend() {
            Backend::Local(local) => local.area().reserve(),
            Backend::S3(s3) => s3.area().reserve(),
        };
        let spooling = Spooling {
            path: path.clone(),
            file: None,
            hasher: sha2::Sha256::new(),
        };
        Self {
            store,
            path,
            written: 0,
            gathered: Vec::new(),
            gathered_bytes: 0,
            sink: Sink::Here(Box::new(spooling)),
        }
    }

    /// Appends. Waits only when a whole batch is still being written.
    ///
    /// After an error the writer is of no use any more.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), BlobError> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.written += chunk.len() as u64;
        self.gathered_bytes += chunk.len();
        self.gathered.push(chunk);
        if self.gathered_bytes >= CHUNK {
            self.send_off().await?;
        }
        Ok(())
    }

    /// Bytes that [`write`](Self::write) took.
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    /// Where the spooled file is once something was flushed; final and complete after
    /// [`finish_spooled`](Self::finish_spooled).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings everything to the spooled file (not to the disk) and returns how many bytes can
    /// now be read there.
    pub async fn flush(&mut self) -> Result<u64, BlobError> {
        self.settled().await?;
        Ok(self.written)
    }

    /// Flushes, and opens what is there for reading while more comes in.
    pub async fn spool(&mut self) -> Result<Spool, BlobError> {
        let store = self.store.clone();
        let spooling = self.settled().await?;
        let Some(file) = &spooling.file else {
            return Err(broken(&spooling.path));
        };
        let buffers = match store.backend() {
            Backend::Local(local) => local.buffers(),
            Backend::S3(s3) => s3.buffers(),
        };
        Ok(Spool::new(Arc::clone(file.file()), buffers.clone()))
    }

    /// Ends the input and tells its digest; nothing is kept yet.
    pub async fn finish_spooled(mut self) -> Result<SpooledBlob, BlobError> {
        self.settled().await?;
        let Sink::Here(spooling) = std::mem::replace(&mut self.sink, Sink::Broken) else {
            return Err(broken(&self.path));
        };
        let Some(file) = spooling.file else {
            return Err(broken(&self.path));
        };
        Ok(SpooledBlob {
            store: self.store,
            blob: StoredBlob {
                sha256: Sha256(spooling.hasher.finalize().into()),
                size: self.written,
            },
            file,
        })
    }

    /// Ends the input and keeps the blob: for bytes that nobody has to look into first.
    pub async fn finish(self) -> Result<StoredBlob, BlobError> {
        self.finish_spooled().await?.keep().await
    }

    /// Starts writing what was gathered, after what was sent off before.
    async fn send_off(&mut self) -> Result<(), BlobError> {
        let mut spooling = self.take_sink().await?;
        let batch = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        self.sink = Sink::Away(tokio::task::spawn_blocking(move || {
            spooling.append(&batch)?;
            Ok(spooling)
        }));
        Ok(())
    }

    /// Waits until everything is in the file, which exists afterwards even if it is empty.
    async fn settled(&mut self) -> Result<&Spooling, BlobError> {
        let unmade = matches!(&self.sink, Sink::Here(spooling) if spooling.file.is_none());
        if unmade || !self.gathered.is_empty() {
            self.send_off().await?;
        }
        let spooling = self.take_sink().await?;
        self.sink = Sink::Here(spooling);
        match &self.sink {
            Sink::Here(spooling) => Ok(spooling),
            Sink::Away(_) | Sink::Broken => Err(broken(&self.path)),
        }
    }

    /// Takes the file, waiting for the batch on its way. Safe against cancellation: the batch
    /// stays where it is until it has been answered.
    async fn take_sink(&mut self) -> Result<Box<Spooling>, BlobError> {
        if let Sink::Away(batch) = &mut self.sink {
            let answer = batch.await;
            self.sink = Sink::Broken;
            return answer.map_err(|error| BlobError::worker("write", &error))?;
        }
        match std::mem::replace(&mut self.sink, Sink::Broken) {
            Sink::Here(spooling) => Ok(spooling),
            Sink::Away(_) | Sink::Broken => Err(broken(&self.path)),
        }
    }
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BlobWriter")
            .field("path", &self.path)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl Spooling {
    fn append(&mut self, batch: &[Bytes]) -> Result<(), BlobError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(TempFile::create(self.path.clone())?),
        };
        for chunk in batch {
            self.hasher.update(chunk);
        }
        file.write_all(batch)
    }
}

/// A blob that is complete and hashed but not kept. Dropping it removes it.
#[derive(Debug)]
pub struct SpooledBlob {
    store: BlobStore,
    blob: StoredBlob,
    file: TempFile,
}

impl SpooledBlob {
    pub(super) fn new(store: BlobStore, blob: StoredBlob, file: TempFile) -> Self {
        Self { store, blob, file }
    }

    /// Digest of the bytes.
    pub fn sha256(&self) -> Sha256 {
        self.blob.sha256
    }

    /// Number of bytes.
    pub fn size(&self) -> u64 {
        self.blob.size
    }

    /// The temporary file, for looking inside.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Makes the blob durable under its digest. A blob of the same digest is replaced by these
    /// same bytes, so that it counts as young for garbage collection and a damaged one is healed.
    ///
    /// On an error nothing is kept that was not there before, but for the rare blob whose rename
    /// happened and whose directory could not be synced: that one is garbage until it is put
    /// again or collected.
    pub async fn keep(self) -> Result<StoredBlob, BlobError> {
        match self.store.backend() {
            Backend::Local(local) => local.keep(self.file, self.blob).await?,
            Backend::S3(s3) => s3.keep(self.file, self.blob).await?,
        }
        Ok(self.blob)
    }
}

fn broken(path: &Path) -> BlobError {
    let source = std::io::Error::other("an earlier write to this blob failed");
    BlobError::io("write", path.display(), source)
}
