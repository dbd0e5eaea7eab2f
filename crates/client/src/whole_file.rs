//! Files that are written as a whole or not at all.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::Error;
use crate::state::of_file;

/// Puts a text in place of a file, or of what a link there leads to, and makes the folder if it is
/// missing. A file that is there keeps its mode: somebody decided that.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn replace(path: &Path, text: &str, mode_of_new: u32) -> Result<(), Error> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(|error| of_file(folder, error))?;
    let mode = mode(&path).unwrap_or(mode_of_new);
    write(&path, text, mode)
}

/// Puts a text in place of a file, whatever that is, in a folder that is there.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let written = tempfile::Builder::new()
        .prefix(".part")
        .tempfile_in(folder)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.as_file()
                .set_permissions(Permissions::from_mode(mode))?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)
        });
    written.map(drop).map_err(|error| of_file(path, error))
}

/// The mode of a file that is there.
pub(crate) fn mode(path: &Path) -> Option<u32> {
    Some(path.metadata().ok()?.permissions().mode() & 0o7777)
}
