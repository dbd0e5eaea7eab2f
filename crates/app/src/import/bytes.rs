//! A file's bytes: from wherever the source has them into the store, with all their digests checked.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use cheeseshop_packaging::{HashAlgorithm, Hashes, Sha256};
use cheeseshop_storage::{SpooledBlob, StoredBlob, TakeError};
use futures_util::TryStreamExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::importer::Importer;
use super::model::Content;
use super::{ImportError, Source};
use crate::mirror::digests::{Digests, Mismatch};

/// Bytes per read while digests are computed.
const CHUNK: usize = 256 * 1024;

/// What came of taking one file in: its bytes, or why they cannot be had.
pub(super) type Taken = Result<Bytes, String>;

/// Bytes that fit every digest that was told of them.
pub(super) struct Bytes {
    pub(super) blob: StoredBlob,
    /// `None` in a dry run.
    pub(super) spooled: Option<SpooledBlob>,
    /// Where they can be looked into until they are kept.
    pub(super) path: PathBuf,
    /// Others wait until these bytes are kept or given up: each file on its way costs a thread, and its memory.
    _turn: OwnedSemaphorePermit,
}

impl Importer {
    /// Reads one file, when its turn comes. The outer error ends the import, the inner one skips the file.
    pub(super) async fn take(
        &self,
        source: &dyn Source,
        content: &Content,
        hashes: &Hashes,
    ) -> Result<Taken, ImportError> {
        let turn = Arc::clone(&self.readers)
            .acquire_owned()
            .await
            .map_err(crate::Error::internal)?;
        let path = match content {
            Content::Missing(reason) => return Ok(Err(reason.clone())),
            Content::Remote(location) => {
                return self.receive(source, location, hashes, turn).await;
            }
            Content::Path(path) => path,
        };
        if self.options.dry_run {
            let path = path.clone();
            let read = blocking(move || Ok(digest_of(&path).map(|blob| (blob, path)))).await?;
            let (blob, path) = match read {
                Ok(read) => read,
                Err(error) => return Ok(Err(unreadable(&error))),
            };
            return check(
                Bytes {
                    blob,
                    spooled: None,
                    path,
                    _turn: turn,
                },
                hashes,
            )
            .await;
        }
        match self.app.blobs().take_file(path, self.options.taking).await {
            Ok(spooled) => check(spooled_bytes(spooled, turn), hashes).await,
            Err(TakeError::Unreadable(error)) => Ok(Err(unreadable(&error))),
            Err(TakeError::Store(error)) => Err(error.into()),
        }
    }

    /// Reads a file that comes as a stream. In a dry run too it goes through the spool, and stays there.
    async fn receive(
        &self,
        source: &dyn Source,
        location: &str,
        hashes: &Hashes,
        turn: OwnedSemaphorePermit,
    ) -> Result<Taken, ImportError> {
        let mut stream = match source.open(location).await {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(crate::import::source::in_full(&error))),
        };
        let mut writer = self.app.blobs().writer().await?;
        loop {
            match stream.try_next().await {
                Ok(Some(chunk)) => writer.write(chunk).await?,
                Ok(None) => break,
                Err(error) => {
                    return Ok(Err(format!("its bytes did not come to the end: {error}")));
                }
            }
        }
        let spooled = writer.finish_spooled().await?;
        check(spooled_bytes(spooled, turn), hashes).await
    }

    /// Makes a file's bytes durable, except in a dry run. The next file's turn comes.
    pub(super) async fn keep(&self, bytes: Bytes) -> Result<StoredBlob, ImportError> {
        if let Some(spooled) = bytes.spooled
            && !self.options.dry_run
        {
            spooled.keep().await?;
        }
        Ok(bytes.blob)
    }
}

fn spooled_bytes(spooled: SpooledBlob, turn: OwnedSemaphorePermit) -> Bytes {
    Bytes {
        blob: StoredBlob {
            sha256: spooled.sha256(),
            size: spooled.size(),
        },
        path: spooled.path().to_owned(),
        spooled: Some(spooled),
        _turn: turn,
    }
}

/// Compares with every digest that was told. SHA-256 is known already; others cost another read, which only very old
/// data asks for.
async fn check(bytes: Bytes, hashes: &Hashes) -> Result<Taken, ImportError> {
    if let Some(expected) = hashes.sha256() {
        if expected != bytes.blob.sha256 {
            return Ok(Err(mismatch(HashAlgorithm::Sha256)));
        }
        // SHA-256 vouches for the bytes; that the others of the same record fit is no news.
        return Ok(Ok(bytes));
    }
    if hashes.is_empty() {
        return Ok(Ok(bytes));
    }
    let (path, hashes) = (bytes.path.clone(), hashes.clone());
    let compared = blocking(move || {
        let mut digests = Digests::new(&hashes);
        let mut file = File::open(path)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            digests.update(&chunk[..read]);
        }
        Ok(digests.verify())
    })
    .await?;
    Ok(match compared {
        Ok(()) => Ok(bytes),
        Err(Mismatch(algorithm)) => Err(mismatch(algorithm)),
    })
}

fn mismatch(algorithm: HashAlgorithm) -> String {
    format!("its bytes do not have the {algorithm} digest that was recorded: they are damaged")
}

fn unreadable(error: &std::io::Error) -> String {
    format!("its bytes cannot be read: {error}")
}

fn digest_of(path: &std::path::Path) -> std::io::Result<StoredBlob> {
    use sha2::Digest as _;
    let mut file = File::open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        hasher.update(&chunk[..read]);
        size += read as u64;
    }
    Ok(StoredBlob {
        sha256: Sha256(hasher.finalize().into()),
        size,
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ImportError> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(crate::Error::internal)?;
    Ok(done.map_err(crate::Error::internal)?)
}
