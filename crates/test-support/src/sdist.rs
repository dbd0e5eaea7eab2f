//! Source distributions that really build without network, and broken ones.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::distribution::{BuiltFile, Metadata, metadata_setters};
use crate::zip_file::ZipFile;

/// The build backend that every sdist brings along, so that building needs no package.
const BACKEND: &str = include_str!("sdist_backend.py");

const PYPROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = \"in_tree_backend\"\n\
                         backend-path = [\"backend\"]\n";

/// Builds a source distribution. Without further calls it is a `.tar.gz` with `PKG-INFO`,
/// `pyproject.toml`, one module with `__version__`, and a build backend of its own.
#[derive(Clone, Debug)]
pub struct Sdist {
    metadata: Metadata,
    files: Vec<(String, Vec<u8>)>,
    filename: Option<String>,
    zip: bool,
    defects: Vec<SdistDefect>,
}

/// What is wrong with a source distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SdistDefect {
    /// There is no PKG-INFO. Not wrong for old sdists, but it tells nothing.
    MissingPkgInfo,
    /// A file is called `../escaped.py`.
    TraversalPath,
    /// A file is called `/absolute.py`.
    AbsolutePath,
    /// A symbolic link points to a file outside (`.tar.gz` only).
    LinkOutside,
    /// A hard link points to a file outside (`.tar.gz` only).
    HardLinkOutside,
    /// A symbolic link points to a file inside, which is legal (`.tar.gz` only).
    LinkInside,
    /// There is a device node (`.tar.gz` only).
    Device,
    /// A file unpacks to so many zero bytes (below 4 GiB).
    Bomb(u64),
    /// PKG-INFO carries this name.
    NameInside(String),
    /// PKG-INFO carries this version.
    VersionInside(String),
    /// PKG-INFO is there twice, with different content.
    DuplicatePkgInfo,
    /// There are two directories at the top, each with a PKG-INFO.
    TwoTopDirectories,
    /// The last half of the file is missing.
    Truncated,
    /// Bytes follow the end of the archive.
    TrailingData,
    /// It is no archive at all.
    NotAnArchive,
}

impl Sdist {
    /// An sdist of this project, version 1.0.
    pub fn named(name: &str) -> Self {
        Self {
            metadata: Metadata::named(name),
            files: Vec::new(),
            filename: None,
            zip: false,
            defects: Vec::new(),
        }
    }

    metadata_setters!();

    /// Makes a `.zip` instead of a `.tar.gz`.
    #[must_use]
    pub fn zip(mut self) -> Self {
        self.zip = true;
        self
    }

    /// Adds a file; the path is below the top directory.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// Makes it wrong in one way; can be called again for another.
    #[must_use]
    pub fn defect(mut self, defect: SdistDefect) -> Self {
        self.defects.push(defect);
        self
    }

    /// Builds the file. The same calls make the same bytes.
    pub fn build(self) -> BuiltFile {
        let suffix = if self.zip { "zip" } else { "tar.gz" };
        let name = match &self.filename {
            Some(name) => name.clone(),
            None => format!("{}.{suffix}", self.top()),
        };
        let mut bytes = if self.has(&SdistDefect::NotAnArchive) {
            b"<html>this is no sdist</html>".to_vec()
        } else if self.zip {
            self.zip_archive()
        } else {
            self.tar_archive()
        };
        if self.has(&SdistDefect::Truncated) {
            bytes.truncate(bytes.len() / 2);
        }
        if self.has(&SdistDefect::TrailingData) {
            bytes.extend(b"#!/bin/sh\necho trailing\n");
        }
        self.metadata.built(name, bytes)
    }

    fn has(&self, defect: &SdistDefect) -> bool {
        self.defects.contains(defect)
    }

    fn bomb(&self) -> Option<u64> {
        self.defects.iter().find_map(|defect| match defect {
            SdistDefect::Bomb(size) => Some(*size),
            _ => None,
        })
    }

    fn top(&self) -> String {
        format!("{}-{}", self.metadata.escaped_name(), self.metadata.version)
    }

    fn entries(&self) -> Vec<(String, Vec<u8>)> {
        let mut inside = self.metadata.clone();
        for defect in &self.defects {
            match defect {
                SdistDefect::NameInside(name) => inside.name.clone_from(name),
                SdistDefect::VersionInside(version) => inside.version.clone_from(version),
                _ => {}
            }
        }
        let top = self.top();
        let below = |path: &str| format!("{top}/{path}");
        let source = format!("__version__ = {:?}\n", self.metadata.version);
        let mut entries = Vec::new();
        if !self.has(&SdistDefect::MissingPkgInfo) {
            entries.push((below("PKG-INFO"), inside.text().into_bytes()));
        }
        let module = format!("src/{}.py", self.metadata.escaped_name());
        entries.push((below("pyproject.toml"), PYPROJECT.into()));
        entries.push((below("backend/in_tree_backend.py"), BACKEND.into()));
        entries.push((below(&module), source.into()));
        for (path, bytes) in &self.files {
            entries.push((below(path), bytes.clone()));
        }
        if self.has(&SdistDefect::DuplicatePkgInfo) {
            let other = Metadata::named("other").text();
            entries.push((below("PKG-INFO"), other.into_bytes()));
        }
        if self.has(&SdistDefect::TwoTopDirectories) {
            let other = Metadata::named("other").text();
            entries.push(("other-1.0/PKG-INFO".to_owned(), other.into_bytes()));
        }
        if self.has(&SdistDefect::TraversalPath) {
            entries.push(("../escaped.py".to_owned(), b"escaped = True\n".to_vec()));
        }
        if self.has(&SdistDefect::AbsolutePath) {
            entries.push(("/absolute.py".to_owned(), b"escaped = True\n".to_vec()));
        }
        entries
    }

    fn zip_archive(&self) -> Vec<u8> {
        let mut zip = ZipFile::default();
        for (path, bytes) in self.entries() {
            zip.add(&path, &bytes);
        }
        if let Some(size) = self.bomb() {
            let mut zeros = std::io::repeat(0).take(size);
            let path = format!("{}/bomb.bin", self.top());
            zip.add_from(&path, &mut zeros, crate::zip_file::LocalHeader::Honest);
        }
        zip.finish()
    }

    fn tar_archive(&self) -> Vec<u8> {
        // A name or time in the gzip header would make every build another file.
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let mut tar = tar::Builder::new(&mut gzip);
        let top = self.top();
        for (path, bytes) in self.entries() {
            append(
                &mut tar,
                &path,
                Kind::File,
                &mut &bytes[..],
                bytes.len() as u64,
            );
        }
        let links = [
            (SdistDefect::LinkOutside, Kind::Link("../../../etc/passwd")),
            (SdistDefect::LinkInside, Kind::Link("PKG-INFO")),
            (SdistDefect::HardLinkOutside, Kind::HardLink("/etc/passwd")),
            (SdistDefect::Device, Kind::Device),
        ];
        for (defect, kind) in links {
            if self.has(&defect) {
                append(
                    &mut tar,
                    &format!("{top}/odd"),
                    kind,
                    &mut std::io::empty(),
                    0,
                );
            }
        }
        if let Some(size) = self.bomb() {
            let mut zeros = std::io::repeat(0).take(size);
            let path = format!("{top}/bomb.bin");
            append(&mut tar, &path, Kind::File, &mut zeros, size);
        }
        tar.finish().unwrap();
        drop(tar);
        gzip.flush().unwrap();
        gzip.finish().unwrap()
    }
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Link(&'static str),
    HardLink(&'static str),
    Device,
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    kind: Kind,
    content: &mut dyn Read,
    size: u64,
) {
    let mut header = tar::Header::new_ustar();
    // The library refuses the very paths that a defect asks for.
    let name = &mut header.as_old_mut().name;
    assert!(
        path.len() <= name.len(),
        "{path} is too long for a test sdist"
    );
    name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_mode(0o644);
    header.set_mtime(315_532_800);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    let target = match kind {
        Kind::File => {
            header.set_entry_type(tar::EntryType::Regular);
            None
        }
        Kind::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            Some(target)
        }
        Kind::HardLink(target) => {
            header.set_entry_type(tar::EntryType::Link);
            Some(target)
        }
        Kind::Device => {
            header.set_entry_type(tar::EntryType::Char);
            None
        }
    };
    if let Some(target) = target {
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    }
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_calls_make_the_same_bytes() {
        let build = || {
            Sdist::named("Foo.Bar")
                .version("2.0")
                .file("a.txt", "x")
                .build()
        };
        assert_eq!(build(), build());
        assert_eq!(build().name, "foo_bar-2.0.tar.gz");
        assert_eq!(Sdist::named("x").zip().build().name, "x-1.0.zip");
    }

    #[test]
    fn a_library_can_read_it() {
        let built = Sdist::named("foo").summary("about foo").build();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&built.bytes[..]));
        let mut entry = tar.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("foo-1.0/PKG-INFO"));
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, built.metadata);
    }
}
