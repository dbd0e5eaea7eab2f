//! Where a layout is read from.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::Environment;
use crate::commands::Failure;

/// Far more than any layout needs.
const LARGEST_LAYOUT_BYTES: u64 = 16 << 20;

/// The text of the layout.
pub(super) fn text(file: &Path, environment: &Environment) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        limited(std::io::stdin().lock())
    } else {
        std::fs::File::open(path_of(file, environment)).and_then(limited)
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

fn limited(file: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    file.take(LARGEST_LAYOUT_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_LAYOUT_BYTES {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            "it is too large",
        ));
    }
    Ok(text)
}
