//! Finding the files of an export without ever leaving its directory.

use std::io;
use std::path::{Path, PathBuf};

use cheeseshop_app::import::model::Content;

use crate::jail::{self, Found};

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
    pub(super) fn find(&self, relative: &str) -> Content {
        let problem = match jail::find(&self.0, relative) {
            Ok(Found::File(path)) => return Content::Path(path),
            Ok(Found::Nothing) => format!("the file {relative} is missing in the export"),
            Ok(Found::Other) => format!("{relative} is no regular file"),
            Ok(Found::PathLeadsOut) => "its path leads out of the export".to_owned(),
            Ok(Found::LinkLeadsOut) => "a symbolic link leads out of the export".to_owned(),
            Err(error) => format!("the file {relative} cannot be reached: {error}"),
        };
        Content::Missing(problem)
    }
}
