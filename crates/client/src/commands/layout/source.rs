//! Where a layout is read from.

use std::path::{Path, PathBuf};

use crate::Environment;
use crate::commands::Failure;
use crate::layout::text_of;

/// The text of the layout.
pub(super) fn text(file: &Path, environment: &Environment) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        text_of(std::io::stdin().lock())
    } else {
        std::fs::File::open(path_of(file, environment)).and_then(text_of)
    };
    read.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// The folder that paths in the layout begin at.
pub(super) fn folder(file: &Path, environment: &Environment) -> PathBuf {
    if file == Path::new("-") {
        return environment.directory().to_owned();
    }
    let path = path_of(file, environment);
    path.parent().map(Path::to_owned).unwrap_or_default()
}

fn path_of(file: &Path, environment: &Environment) -> PathBuf {
    environment.expand(&file.to_string_lossy())
}
