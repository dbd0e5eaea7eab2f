//! Which file tells tox what to do.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Options;
use crate::commands::{Failure, Session};

/// The largest file that is looked into.
const LARGEST_BYTES: u64 = 4 << 20;

/// The file for a run in the folder of an unpacked sdist; the inner error says that there is none.
pub(super) fn find(
    session: &Session,
    options: &Options,
    folder: &Path,
) -> Result<Result<PathBuf, String>, Failure> {
    if let Some(named) = &options.configuration {
        return Ok(Ok(named.clone()));
    }
    if let Some(own) = own(folder) {
        return Ok(Ok(own));
    }
    let Some(fallback) = &options.fallback else {
        return Ok(Err(format!(
            "no tox.ini/pyproject.toml/setup.cfg file found in {}",
            folder.display()
        )));
    };
    let here = session.environment.expand(fallback);
    if here.is_file() {
        return Ok(Ok(here));
    }
    existing(folder.join(fallback), fallback).map(Ok)
}

/// The file at a path, which was written so.
pub(super) fn existing(path: PathBuf, written: &str) -> Result<PathBuf, Failure> {
    if path.is_file() {
        Ok(path)
    } else if path.exists() {
        Err(Failure::fatal(format!("is not a file: {written}")))
    } else {
        Err(Failure::fatal(format!("file does not exist: {written}")))
    }
}

/// The file that a release has, in the order of devpi-client.
fn own(folder: &Path) -> Option<PathBuf> {
    let in_folder = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    in_folder("tox.ini")
        .or_else(|| in_folder("pyproject.toml").filter(|path| configures_tox(&text_of(path))))
        .or_else(|| in_folder("setup.cfg").filter(|path| has_section(&text_of(path))))
        // Newer than devpi-client.
        .or_else(|| in_folder("tox.toml"))
}

/// Whether a `pyproject.toml` has `[tool.tox]`.
fn configures_tox(text: &str) -> bool {
    let Ok(document) = text.parse::<toml::Table>() else {
        return false;
    };
    document
        .get("tool")
        .is_some_and(|tools| tools.get("tox").is_some())
}

/// Whether a `setup.cfg` has `[tox:tox]`.
fn has_section(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "[tox:tox]")
}

/// The text of a stranger's file; one that is too large or no text says nothing.
fn text_of(path: &Path) -> String {
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_speaks_of_tox_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let found = || {
            let path = own(folder.path())?;
            Some(path.file_name()?.to_str()?.to_owned())
        };
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        assert_eq!(found(), None);
        write("setup.cfg", "[metadata]\nname = a\n");
        write("pyproject.toml", "[tool.other]\ntox = 1\n");
        assert_eq!(found(), None);
        write("tox.toml", "");
        assert_eq!(found().as_deref(), Some("tox.toml"));
        write(
            "setup.cfg",
            "[metadata]\nname = a\n[tox:tox]\nenvlist = py\n",
        );
        assert_eq!(found().as_deref(), Some("setup.cfg"));
        write("pyproject.toml", "[tool.tox]\nenv_list = ['py']\n");
        assert_eq!(found().as_deref(), Some("pyproject.toml"));
        write("tox.ini", "");
        assert_eq!(found().as_deref(), Some("tox.ini"));
    }
}
