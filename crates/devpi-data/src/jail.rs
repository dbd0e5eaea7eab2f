//! Finding files below a directory without ever leaving it.

use std::io;
use std::path::{Component, Path, PathBuf};

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A regular file, and where it really is.
    File(PathBuf),
    /// Nothing.
    Nothing,
    /// Something else: a directory, a socket.
    Other,
    /// The path itself leads out of the directory.
    PathLeadsOut,
    /// A symbolic link leads out of the directory, as the last part of the path or before.
    LinkLeadsOut,
}

/// Looks for a file below a directory. The path comes from elsewhere, so neither it nor a link on
/// the way may lead out; the directory itself may be reached by a link. Blocks.
///
/// # Errors
/// The path cannot be looked at.
pub(crate) fn find(directory: &Path, relative: &str) -> io::Result<Found> {
    let path = Path::new(relative);
    let is_plain = !relative.is_empty()
        && !relative.contains('\0')
        && path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    if !is_plain {
        return Ok(Found::PathLeadsOut);
    }
    let resolved = directory
        .canonicalize()
        .and_then(|root| Ok((directory.join(path).canonicalize()?, root)));
    let (resolved, root) = match resolved {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        resolved => resolved?,
    };
    Ok(if !resolved.starts_with(&root) {
        Found::LinkLeadsOut
    } else if resolved.is_file() {
        Found::File(resolved)
    } else {
        Found::Other
    })
}
