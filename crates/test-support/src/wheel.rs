//! Wheels that pip installs, and wheels that nobody should.

use std::io::Read;

use crate::distribution::{BuiltFile, Metadata, metadata_setters, record_digest};
use crate::zip_file::{LocalHeader, ZipFile};

/// Builds a wheel. Without further calls it is a pure Python wheel for Python 3 that holds one
/// module, named like the project, with `__version__`.
#[derive(Clone, Debug)]
pub struct Wheel {
    metadata: Metadata,
    tag: String,
    files: Vec<(String, Vec<u8>)>,
    filename: Option<String>,
    defects: Vec<WheelDefect>,
}

/// What is wrong with a wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WheelDefect {
    /// RECORD lists another digest for the module than it has.
    RecordHashMismatch,
    /// RECORD lists another size for the module than it has.
    RecordSizeMismatch,
    /// There is no RECORD.
    MissingRecord,
    /// There is no METADATA.
    MissingMetadata,
    /// There is no WHEEL.
    MissingWheelFile,
    /// The archive has an entry that RECORD does not list.
    UnlistedEntry,
    /// RECORD lists an entry that the archive does not have.
    ListedButMissing,
    /// The module is there twice, with different content.
    DuplicateEntry,
    /// An entry, listed in RECORD, is called `../escaped.py`.
    TraversalPath,
    /// An entry, listed in RECORD, is called `/absolute.py`.
    AbsolutePath,
    /// An entry, listed in RECORD, unpacks to so many zero bytes (below 4 GiB).
    Bomb(u64),
    /// METADATA carries this name.
    NameInside(String),
    /// METADATA carries this version.
    VersionInside(String),
    /// The dist-info directory carries this name and version (`other-1.0`).
    DistInfo(String),
    /// There is a second dist-info directory with METADATA.
    TwoDistInfos,
    /// The module's local header has another name than the central directory.
    LocalHeaderMismatch,
    /// A byte in the middle of the first entry's data is flipped.
    FlippedByte,
    /// The last half of the file is missing.
    Truncated,
    /// Bytes follow the end of the archive.
    TrailingData,
    /// It is no archive at all.
    NotAnArchive,
}

impl Wheel {
    /// A wheel of this project, version 1.0.
    pub fn named(name: &str) -> Self {
        Self {
            metadata: Metadata::named(name),
            tag: "py3-none-any".to_owned(),
            files: Vec::new(),
            filename: None,
            defects: Vec::new(),
        }
    }

    metadata_setters!();

    /// Sets the tag at the end of the file name; `py3-none-any` otherwise.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        tag.clone_into(&mut self.tag);
        self
    }

    /// Adds a file, listed in RECORD.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// Makes it wrong in one way; can be called again for another.
    #[must_use]
    pub fn defect(mut self, defect: WheelDefect) -> Self {
        self.defects.push(defect);
        self
    }

    /// Builds the file. The same calls make the same bytes.
    pub fn build(self) -> BuiltFile {
        let name = self.file_name();
        let bytes = if self.has(&WheelDefect::NotAnArchive) {
            b"<html>this is no wheel</html>".to_vec()
        } else {
            self.archive()
        };
        self.metadata.built(name, bytes)
    }

    fn has(&self, defect: &WheelDefect) -> bool {
        self.defects.contains(defect)
    }

    fn file_name(&self) -> String {
        if let Some(name) = &self.filename {
            return name.clone();
        }
        format!("{}-{}.whl", self.stem(), self.tag)
    }

    fn stem(&self) -> String {
        let version = self.metadata.version.replace('-', "_");
        format!("{}-{version}", self.metadata.escaped_name())
    }

    fn archive(&self) -> Vec<u8> {
        let module = format!("{}.py", self.metadata.escaped_name());
        let source = format!("__version__ = {:?}\n", self.metadata.version);
        let mut dist_info = format!("{}.dist-info", self.stem());
        let mut inside = self.metadata.clone();
        let mut bomb = 0;
        for defect in &self.defects {
            match defect {
                WheelDefect::NameInside(name) => inside.name.clone_from(name),
                WheelDefect::VersionInside(version) => inside.version.clone_from(version),
                WheelDefect::DistInfo(stem) => dist_info = format!("{stem}.dist-info"),
                WheelDefect::Bomb(size) => bomb = *size,
                _ => {}
            }
        }

        let mut entries = vec![(module.clone(), source.clone().into_bytes())];
        entries.extend(self.files.iter().cloned());
        if self.has(&WheelDefect::TraversalPath) {
            entries.push(("../escaped.py".to_owned(), b"escaped = True\n".to_vec()));
        }
        if self.has(&WheelDefect::AbsolutePath) {
            entries.push(("/absolute.py".to_owned(), b"escaped = True\n".to_vec()));
        }
        if self.has(&WheelDefect::TwoDistInfos) {
            let other = "other-9.9.dist-info/METADATA".to_owned();
            entries.push((other, inside.text().into_bytes()));
        }
        if !self.has(&WheelDefect::MissingMetadata) {
            entries.push((format!("{dist_info}/METADATA"), inside.text().into_bytes()));
        }
        if !self.has(&WheelDefect::MissingWheelFile) {
            let wheel = self.wheel_file().into_bytes();
            entries.push((format!("{dist_info}/WHEEL"), wheel));
        }

        let mut zip = ZipFile::default();
        for (path, bytes) in &entries {
            let lies = *path == module && self.has(&WheelDefect::LocalHeaderMismatch);
            let header = if lies {
                LocalHeader::OtherName
            } else {
                LocalHeader::Honest
            };
            zip.add_from(path, &mut &bytes[..], header);
        }
        if self.has(&WheelDefect::DuplicateEntry) {
            zip.add(&module, b"__version__ = 'other'\n");
        }
        if self.has(&WheelDefect::UnlistedEntry) {
            zip.add("unlisted.py", b"listed = False\n");
        }
        if bomb > 0 {
            let mut zeros = std::io::repeat(0).take(bomb);
            zip.add_from("bomb.bin", &mut zeros, LocalHeader::Honest);
        }
        if !self.has(&WheelDefect::MissingRecord) {
            let record = self.record(&entries, &module, &dist_info, bomb);
            zip.add(&format!("{dist_info}/RECORD"), record.as_bytes());
        }
        self.spoil(zip.finish(), module.len())
    }

    fn wheel_file(&self) -> String {
        use std::fmt::Write;
        let mut text = "Wheel-Version: 1.0\nGenerator: cheeseshop-test-support\n\
                        Root-Is-Purelib: true\n"
            .to_owned();
        let mut parts = self.tag.splitn(3, '-').map(|part| part.split('.'));
        let (Some(pythons), Some(abis), Some(platforms)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return text;
        };
        for python in pythons {
            for abi in abis.clone() {
                for platform in platforms.clone() {
                    writeln!(text, "Tag: {python}-{abi}-{platform}").unwrap();
                }
            }
        }
        text
    }

    fn record(
        &self,
        entries: &[(String, Vec<u8>)],
        module: &str,
        dist_info: &str,
        bomb: u64,
    ) -> String {
        use std::fmt::Write;
        let mut record = String::new();
        for (path, bytes) in entries {
            let is_module = path == module;
            let digest = if is_module && self.has(&WheelDefect::RecordHashMismatch) {
                record_digest(b"something else")
            } else {
                record_digest(bytes)
            };
            let surplus = usize::from(is_module && self.has(&WheelDefect::RecordSizeMismatch));
            writeln!(
                record,
                "{},{digest},{}",
                quoted(path),
                bytes.len() + surplus
            )
            .unwrap();
        }
        if bomb > 0 {
            // Nobody is going to compare this digest; the size is right.
            writeln!(record, "bomb.bin,{},{bomb}", record_digest(b"")).unwrap();
        }
        if self.has(&WheelDefect::ListedButMissing) {
            writeln!(record, "missing.py,{},0", record_digest(b"")).unwrap();
        }
        writeln!(record, "{},,", quoted(&format!("{dist_info}/RECORD"))).unwrap();
        record
    }

    fn spoil(&self, mut bytes: Vec<u8>, first_name: usize) -> Vec<u8> {
        if self.has(&WheelDefect::FlippedByte) {
            // Behind the first local header (30 bytes and the name) lies the packed module.
            bytes[30 + first_name + 8] ^= 0xff;
        }
        if self.has(&WheelDefect::Truncated) {
            bytes.truncate(bytes.len() / 2);
        }
        if self.has(&WheelDefect::TrailingData) {
            bytes.extend(b"#!/bin/sh\necho trailing\n");
        }
        bytes
    }
}

fn quoted(path: &str) -> String {
    if path.contains([',', '"']) {
        format!("\"{}\"", path.replace('"', "\"\""))
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::sha256_hex;

    #[test]
    fn the_same_calls_make_the_same_bytes() {
        let build = || {
            Wheel::named("Foo.Bar")
                .version("2.0")
                .file("a/b.txt", "x")
                .build()
        };
        assert_eq!(build(), build());
        assert_eq!(build().name, "foo_bar-2.0-py3-none-any.whl");
        assert_eq!(build().sha256, sha256_hex(&build().bytes));
    }

    #[test]
    fn a_library_can_read_it() {
        let built = Wheel::named("foo").requires_dist("bar>=1").build();
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(built.bytes.to_vec())).unwrap();
        let mut text = String::new();
        zip.by_name("foo-1.0.dist-info/METADATA")
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, built.metadata);
        assert!(text.contains("Requires-Dist: bar>=1\n"));
        for index in 0..zip.len() {
            std::io::copy(&mut zip.by_index(index).unwrap(), &mut std::io::sink()).unwrap();
        }
    }
}
