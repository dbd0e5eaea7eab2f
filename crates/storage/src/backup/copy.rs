//! Bytes from one file to another: shared where that is possible, else hashed while they are copied.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use cheeseshop_packaging::hash::Sha256;

use super::BackupError;
use crate::hashing::read_through;

/// How a file came to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// It shares the bytes of this source.
    Linked,
    /// They were copied, and are those that were expected.
    Copied,
    /// There is no such source.
    Absent,
    /// The source has other bytes; nothing was kept of them.
    Wrong,
}

/// Makes a file share the bytes of another, which must be a regular file of this size. [`Got::Absent`] also
/// where the file system, its owner or the number of names that a file may have forbids it.
pub(super) fn link(source: &Path, target: &Path, size: u64) -> Result<Got, BackupError> {
    match fs::hard_link(source, target) {
        // Looked at under the new name: the old one may stand for something else by now.
        Ok(()) => match fs::symlink_metadata(target) {
            Ok(linked) if linked.is_file() && linked.len() == size => Ok(Got::Linked),
            _ => {
                fs::remove_file(target)
                    .map_err(|error| BackupError::io("remove", target, error))?;
                Ok(Got::Wrong)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            Err(BackupError::io("link", target, error))
        }
        // Another file system, another owner, too many names: the bytes are copied then.
        Err(_) => Ok(Got::Absent),
    }
}

/// Copies a file whose bytes must have this digest; what has another one is not kept. With `share` the copy
/// has the same blocks on the disk, where the file system can do that.
pub(super) fn copy(
    source: &Path,
    target: &Path,
    expected: &Sha256,
    share: bool,
) -> Result<Got, BackupError> {
    let file = match File::open(source) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Got::Absent),
        Err(error) => return Err(BackupError::io("read", source, error)),
    };
    let mut copy = create(target)?;
    let mut failure = None;
    let read = if share && shares_blocks(&file, &copy) {
        // What is in the copy is what counts: the source may be written to, which is not supposed to be.
        digest_of(target)
    } else {
        read_through(file, |chunk| {
            copy.write_all(chunk)
                .map_err(|error| failure.insert(error).kind().into())
        })
    };
    if let Some(error) = failure {
        return Err(BackupError::io("write", target, error));
    }
    let (found, _) = read.map_err(|error| BackupError::io("read", source, error))?;
    if found == *expected {
        return Ok(Got::Copied);
    }
    fs::remove_file(target).map_err(|error| BackupError::io("remove", target, error))?;
    Ok(Got::Wrong)
}

/// Has a new file share the blocks of another one (XFS, Btrfs and others), which works across mounts of one file
/// system, where links do not. False where it cannot be done, and nothing was done.
fn shares_blocks(source: &File, copy: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::ioctl_ficlone(copy, source).is_ok();
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// Makes a file that was not there, for its owner alone.
pub(super) fn create(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| BackupError::io("make", path, error))
}

/// Digest and number of the bytes of a file.
pub(super) fn digest_of(path: &Path) -> io::Result<(Sha256, u64)> {
    read_through(File::open(path)?, |_| Ok(()))
}

/// Makes a directory for its owner alone, with those above it.
pub(super) fn make_directory(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| BackupError::io("make", path, error))
}

/// Brings a directory's entries to the disk.
pub(super) fn sync_directory(path: &Path) -> Result<(), BackupError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| BackupError::io("sync", path, error))
}

/// Brings everything on the file system of `path` to the disk. One call for a million new files, where a
/// call for each would take hours.
pub(super) fn sync_file_system(path: &Path) -> Result<(), BackupError> {
    let directory = File::open(path).map_err(|error| BackupError::io("sync", path, error))?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&directory).map_err(|error| BackupError::io("sync", path, error.into()))?;
    #[cfg(not(target_os = "linux"))]
    rustix::fs::sync();
    drop(directory);
    Ok(())
}
