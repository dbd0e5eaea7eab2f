//! Root works on the files of the server's user: what it makes there must belong to that user, or the
//! server cannot open it afterwards.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown, fchown, lchown};
use std::path::Path;

/// Gives a file the owner of a directory, when they differ and this process may.
pub(crate) fn own_like(file: &File, directory: &Path) {
    // Whoever may not change owners has made the file as the right user, or is to notice elsewhere.
    if let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::metadata(directory))
        && (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid())
    {
        let _ = fchown(file, Some(theirs.uid()), Some(theirs.gid()));
    }
}

/// As [`own_like`], for a path.
pub(crate) fn own_path_like(path: &Path, directory: &Path) {
    if let (Ok(ours), Ok(theirs)) = (fs::metadata(path), fs::metadata(directory))
        && (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid())
    {
        let _ = chown(path, Some(theirs.uid()), Some(theirs.gid()));
    }
}

/// When root asks: gives everything below a directory to the directory's own owner, symbolic links as
/// such. Others have made it as themselves, and could not.
///
/// # Errors
/// A directory that cannot be read, an owner that cannot be changed.
pub fn own_below(directory: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(directory)?;
    give(directory, owner.uid(), owner.gid())
}

fn give(directory: &Path, user: u32, group: u32) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if (metadata.uid(), metadata.gid()) != (user, group) {
            lchown(entry.path(), Some(user), Some(group))?;
        }
        if metadata.is_dir() {
            give(&entry.path(), user, group)?;
        }
    }
    Ok(())
}
