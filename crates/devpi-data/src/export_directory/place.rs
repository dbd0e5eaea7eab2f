//! Finding the files of an export without ever leaving its directory.

use std::io;
use std::path::{Component, Path, PathBuf};

use cheeseshop_app::import::model::Content;

/// The directory of an export.
#[derive(Debug, Clone)]
pub(super) struct Root(PathBuf);

impl Root {
    /// Opens the directory. Blocks.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let root = path.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                "it is no directory",
            ));
        }
        Ok(Self(root))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where a file of the export is. Blocks.
    ///
    /// The description comes from elsewhere, so neither its path nor a link in the directory may lead out.
    pub(super) fn find(&self, relative: &str) -> Content {
        let path = Path::new(relative);
        let is_plain = !relative.is_empty()
            && !relative.contains('\0')
            && path
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
        if !is_plain {
            return Content::Missing("its path leads out of the export".to_owned());
        }
        let resolved = match self.0.join(path).canonicalize() {
            Ok(resolved) => resolved,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Content::Missing(format!("the file {relative} is missing in the export"));
            }
            Err(error) => {
                return Content::Missing(format!("the file {relative} cannot be reached: {error}"));
            }
        };
        if !resolved.starts_with(&self.0) {
            return Content::Missing("a symbolic link leads out of the export".to_owned());
        }
        if !resolved.is_file() {
            return Content::Missing(format!("{relative} is no regular file"));
        }
        Content::Path(resolved)
    }
}
