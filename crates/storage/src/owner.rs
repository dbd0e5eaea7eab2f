//! Root works on the files of the server's user: what it makes there must belong to that user, or the
//! server cannot open it afterwards.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown, lchown};
use std::path::Path;

use rustix::fs::OFlags;

/// Gives a file the owner of a directory, when they differ and this process may.
pub(crate) fn own_like(file: &File, directory: &Path) {
    // Whoever may not change owners has made the file as the right user, or is to notice elsewhere.
    if let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::metadata(directory))
        && (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid())
    {
        let _ = fchown(file, Some(theirs.uid()), Some(theirs.gid()));
    }
}

/// Opens the file of a lock, which is made if need be and belongs to the owner of its directory. Not through a
/// symbolic link: whoever owns the directory could have root give away any file by one.
pub(crate) fn open_lock(path: &Path, directory: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    own_like(&file, directory);
    Ok(file)
}

/// As [`own_like`], for a path; of a symbolic link it is the link that changes its owner.
pub(crate) fn own_path_like(path: &Path, directory: &Path) {
    if let (Ok(ours), Ok(theirs)) = (fs::symlink_metadata(path), fs::metadata(directory))
        && (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid())
    {
        let _ = lchown(path, Some(theirs.uid()), Some(theirs.gid()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_not_opened_through_a_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let (other, link) = (folder.path().join("other"), folder.path().join("link"));
        fs::write(&other, "").unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        open_lock(&link, folder.path()).unwrap_err();
        open_lock(&other, folder.path()).unwrap();
        open_lock(&folder.path().join("new"), folder.path()).unwrap();
    }
}
