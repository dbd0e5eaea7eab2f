//! Taking in a file that lies on this machine already: hashed and copied in one pass, or linked.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::local::file_time;
use super::spool::TempFile;
use super::writer::SpooledBlob;
use super::{Backend, BlobError, BlobStore, StoredBlob};
use crate::hashing::read_through;

/// The bit of a mode by which a file's group may read it.
const GROUP_READS: u32 = 0o040;

/// How a file gets into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Its bytes are copied.
    Copy,
    /// The store shares the file (a hard link) where it can: a local store on the same file system, and a file that
    /// belongs to this process's user. Else its bytes are copied. A shared file must not be written to afterwards, and
    /// its time of modification becomes that of the taking, as garbage collection wants it.
    Link,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It cannot be read, or is no regular file. Other files may be taken.
    #[error("{0}")]
    Unreadable(#[source] io::Error),
    /// The store does not take it, nor anything else.
    #[error(transparent)]
    Store(#[from] BlobError),
}

impl BlobStore {
    /// Hashes a regular file and spools it; it stays where it is. Nothing is kept yet.
    ///
    /// A symbolic link at `path` is followed: whoever does not trust the directory looks first.
    ///
    /// # Errors
    /// [`TakeError`] says whose fault it is.
    pub async fn take_file(&self, path: &Path, taking: Taking) -> Result<SpooledBlob, TakeError> {
        let store = self.clone();
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || store.take(&path, taking))
            .await
            .map_err(|error| BlobError::worker("take", &error))?
    }

    fn take(self, path: &Path, taking: Taking) -> Result<SpooledBlob, TakeError> {
        let mut file = File::open(path).map_err(TakeError::Unreadable)?;
        if !file.metadata().map_err(TakeError::Unreadable)?.is_file() {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(TakeError::Unreadable(error));
        }
        let (place, shares) = match self.backend() {
            Backend::Local(local) => (local.area().reserve(), taking == Taking::Link),
            Backend::S3(s3) => (s3.area().reserve(), false),
        };
        let linked = if shares {
            link(&file, path, &place)
        } else {
            None
        };
        if let Some(mut linked) = linked {
            let blob = read(&mut file, |_| Ok(())).map_err(TakeError::Unreadable)?;
            linked.set_size(blob.size);
            return Ok(SpooledBlob::new(self, blob, linked));
        }
        let mut copy = TempFile::create(place)?;
        let mut written = Ok(());
        let blob = read(&mut file, |chunk| {
            written = copy.write_all(&[Bytes::copy_from_slice(chunk)]);
            match written {
                Ok(()) => Ok(()),
                Err(_) => Err(io::ErrorKind::Other.into()),
            }
        });
        // Ours goes first: it is why the reading ended.
        written?;
        Ok(SpooledBlob::new(
            self,
            blob.map_err(TakeError::Unreadable)?,
            copy,
        ))
    }
}

fn read(file: &mut File, each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<StoredBlob> {
    let (sha256, size) = read_through(file, each)?;
    Ok(StoredBlob { sha256, size })
}

/// A second name for an open file among the temporary ones; `None` where that cannot be had.
fn link(file: &File, path: &Path, place: &Path) -> Option<TempFile> {
    // Of a symbolic link the system would make a second name for the link itself.
    fs::hard_link(fs::canonicalize(path).ok()?, place).ok()?;
    let linked = TempFile::linked(PathBuf::from(place)).ok()?;
    // The name may have come to stand for another file, or for a link, since that one was opened.
    let (ours, theirs) = (fs::symlink_metadata(place).ok()?, file.metadata().ok()?);
    if (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()) {
        return None;
    }
    // Whoever may not touch it could not keep it young either.
    linked.file().set_modified(file_time()).ok()?;
    // As the store's own files: a web server in the group may be given it to serve.
    let mode = theirs.permissions().mode();
    if mode & GROUP_READS == 0 {
        let readable = fs::Permissions::from_mode(mode | GROUP_READS);
        linked.file().set_permissions(readable).ok()?;
    }
    Some(linked)
}
