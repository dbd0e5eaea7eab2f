//! A file that one process has locked and that says who this is.
//!
//! What counts is the lock, which the system takes back when the process ends, however it ends. The text is for people.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::OFlags;

use crate::holder::{Holder, named};
use crate::owner::own_like;

/// The lock is held as long as this lives.
#[derive(Debug)]
pub struct LockFile(File);

/// Why a file could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockFileError {
    /// Another process has it, which is told in words.
    #[error("in use by {0}")]
    Held(String),
    /// The file cannot be opened or locked.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl LockFile {
    /// Locks a file, which is made if need be, for `purpose`: the command, as others are told who want the same. Does
    /// not wait.
    ///
    /// # Errors
    /// [`LockFileError::Held`] when another process has it, and what the file system says.
    pub fn take(path: &Path, purpose: &str, now: Timestamp) -> Result<Self, LockFileError> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = Holder::read_from(&file);
                return Err(LockFileError::Held(named(holder.as_slice())));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Holder::this(purpose, now).write_to(&file);
        Ok(Self(file))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Nobody has it any more, so nobody shall be named.
        let _ = self.0.set_len(0);
    }
}

/// Opens the file of a lock, which is made if need be and belongs to the owner of its directory. Not through a
/// symbolic link: whoever owns the directory could have root give away any file by one.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    // It is written to, and another name for it could be one of root's.
    if file.metadata()?.nlink() != 1 {
        return Err(io::Error::other(format!(
            "`{}` has a second name",
            path.display()
        )));
    }
    own_like(&file, path.parent().unwrap_or(path));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn whoever_comes_second_is_told_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        // Left by one that was killed.
        fs::write(&path, "elsewhere 12 0 cheeseshop gc, and more of it\n").unwrap();
        let first = LockFile::take(&path, "first", NOW).unwrap();
        let refused = LockFile::take(&path, "second", NOW).unwrap_err();
        let holder = Holder::this("first", NOW);
        assert_eq!(refused.to_string(), format!("in use by {holder}"));
        // Or by one that spoke in another way.
        fs::write(&path, "cheeseshop serve (process 12)\n").unwrap();
        let refused = LockFile::take(&path, "second", NOW).unwrap_err();
        assert_eq!(refused.to_string(), "in use by another process");
        drop(first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        LockFile::take(&path, "second", NOW).unwrap();
    }

    #[test]
    fn a_lock_is_not_opened_through_a_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let (other, link) = (folder.path().join("other"), folder.path().join("link"));
        fs::write(&other, "text").unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        LockFile::take(&link, "test", NOW).unwrap_err();
        fs::hard_link(&other, folder.path().join("second")).unwrap();
        LockFile::take(&other, "test", NOW).unwrap_err();
        assert_eq!(fs::read_to_string(other).unwrap(), "text");
    }
}
