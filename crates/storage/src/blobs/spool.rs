//! Temporary files of blobs that are being written.
//!
//! Every process has a directory of its own below the common one and holds a lock in it for as
//! long as it lives. A directory whose lock can be had belongs to a dead process, so exactly the
//! leftovers of crashes are removed at start, whatever their age, and never the uploads of
//! another process that works in the same store.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;

use super::buffers::Buffers;
use super::file_stream::FileStream;
use super::{BlobError, ByteStream};
use crate::lock_file;

/// Held while the directories are looked through, and never for long.
const COMMON_LOCK: &str = ".lock";

/// Held by the process that owns a directory, for as long as it lives.
const OWNER_LOCK: &str = ".owner";

/// Files of more bytes are unlinked on a blocking thread when there is one: giving back the
/// extents of a big file takes the file system some milliseconds.
const SLOW_UNLINK: u64 = 8 * 1024 * 1024;

/// The directory of this process's temporary files.
#[derive(Debug)]
pub(super) struct TempArea {
    directory: PathBuf,
    next: AtomicU64,
    _owner: File,
}

impl TempArea {
    /// Makes the process's own directory below `parent` and removes those of dead processes.
    /// Blocks.
    pub(super) fn open(parent: &Path) -> Result<Self, BlobError> {
        make_directory(parent)?;
        let common = open_lock(&parent.join(COMMON_LOCK))?;
        let can_lock = match common.lock() {
            Ok(()) => true,
            // Some network file systems know no locks; nobody can tell there whose file it is.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => false,
            Err(error) => return Err(BlobError::io("lock", parent.display(), error)),
        };
        if can_lock {
            remove_leftovers(parent)?;
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| {
            let error = io::Error::other(error.to_string());
            BlobError::io("name a directory in", parent.display(), error)
        })?;
        let random = u64::from_le_bytes(random);
        let directory = parent.join(format!("{}-{random:016x}", std::process::id()));
        make_directory(&directory)?;
        let owner = open_lock(&directory.join(OWNER_LOCK))?;
        if can_lock {
            owner
                .lock()
                .map_err(|error| BlobError::io("lock", directory.display(), error))?;
        }
        Ok(Self {
            directory,
            next: AtomicU64::new(0),
            _owner: owner,
        })
    }

    /// A path in this directory that nobody else uses.
    pub(super) fn reserve(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.directory.join(format!("{number:08}"))
    }
}

impl Drop for TempArea {
    fn drop(&mut self) {
        // Writers hold the store and with it this area, so the directory is empty but for the
        // lock. What cannot be removed now is a leftover for the next start.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A temporary file, removed when it is dropped.
#[derive(Debug)]
pub(super) struct TempFile {
    path: PathBuf,
    file: Arc<File>,
    size: u64,
    kept: bool,
    /// Whether it is a second name of a file that others hold too.
    shared: bool,
}

impl TempFile {
    /// Makes the file at a reserved path. Blocks.
    pub(super) fn create(path: PathBuf) -> Result<Self, BlobError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(&path)
            .map_err(|source| BlobError::io("make", path.display(), source))?;
        Ok(Self {
            path,
            file: Arc::new(file),
            size: 0,
            kept: false,
            shared: false,
        })
    }

    /// Takes over the name that somebody gave to a file of theirs. Blocks.
    pub(super) fn linked(path: PathBuf) -> Result<Self, BlobError> {
        match File::open(&path) {
            Ok(file) => Ok(Self {
                path,
                file: Arc::new(file),
                size: 0,
                kept: false,
                shared: true,
            }),
            Err(source) => {
                let _ = fs::remove_file(&path);
                Err(BlobError::io("read", path.display(), source))
            }
        }
    }

    /// Says how large a linked file is.
    pub(super) fn set_size(&mut self, size: u64) {
        self.size = size;
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Appends. Blocks.
    pub(super) fn write_all(&mut self, chunks: &[bytes::Bytes]) -> Result<(), BlobError> {
        write_chunks(&self.file, chunks)
            .map_err(|source| BlobError::io("write", self.path.display(), source))?;
        self.size += chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Moves the file to its final place, over whatever is there. Blocks.
    pub(super) fn rename(&mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        if self.shared {
            // Renaming one name of a file over another one of the same file does nothing at all.
            match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let path = std::mem::take(&mut self.path);
        // A failure leaves a leftover for the next start; there is nobody to tell.
        let remove = move || drop(fs::remove_file(path));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.size > SLOW_UNLINK => drop(runtime.spawn_blocking(remove)),
            _ => remove(),
        }
    }
}

/// What has been written so far of a blob that is still coming in. Cheap to clone; stays
/// readable when the writer is dropped or the blob is kept.
#[derive(Clone, Debug)]
pub struct Spool {
    file: Arc<File>,
    buffers: Buffers,
}

impl Spool {
    pub(super) fn new(file: Arc<File>, buffers: Buffers) -> Self {
        Self { file, buffers }
    }

    /// Streams a range of what was written; a range beyond what
    /// [`flush`](super::BlobWriter::flush) reported is an error of the stream.
    pub fn read(&self, range: Range<u64>) -> ByteStream {
        FileStream::new(Arc::clone(&self.file), range, self.buffers.clone()).boxed()
    }
}

/// Makes a directory for us alone, in a parent that exists; fine when it is there.
pub(super) fn make_directory(path: &Path) -> Result<(), BlobError> {
    let made = fs::DirBuilder::new().mode(0o750).create(path);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(|source| BlobError::io("make the directory", path.display(), source)),
    }
}

fn open_lock(path: &Path) -> Result<File, BlobError> {
    lock_file::open(path).map_err(|source| BlobError::io("make", path.display(), source))
}

fn remove_leftovers(parent: &Path) -> Result<(), BlobError> {
    let listing =
        fs::read_dir(parent).map_err(|error| BlobError::io("list", parent.display(), error))?;
    for entry in listing {
        let entry = entry.map_err(|error| BlobError::io("list", parent.display(), error))?;
        let directory = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let owner = match File::open(directory.join(OWNER_LOCK)) {
            Ok(file) => Some(file),
            // Its owner died between making the directory and the lock: the common lock is
            // ours, so nobody is at that point now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(BlobError::io("open", directory.display(), error)),
        };
        match owner.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => continue,
            Some(Err(TryLockError::Error(error))) => {
                return Err(BlobError::io("lock", directory.display(), error));
            }
            Some(Ok(())) | None => {}
        }
        tracing::info!(directory = %directory.display(), "removing leftovers of a process that died");
        fs::remove_dir_all(&directory)
            .map_err(|error| BlobError::io("remove", directory.display(), error))?;
    }
    Ok(())
}

/// Appends all chunks with as few system calls as the system allows.
fn write_chunks(mut file: &File, chunks: &[bytes::Bytes]) -> io::Result<()> {
    use std::io::{IoSlice, Write};
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut rest = &mut slices[..];
    // Skips empty chunks at the front, which would otherwise look like a full disk.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        // The kernel takes 1,024 at a time.
        let most = rest.len().min(1024);
        match file.write_vectored(&rest[..most]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
