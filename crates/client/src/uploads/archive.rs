//! Taking `PKG-INFO` out of sdists and eggs, as leniently as pkginfo does it for devpi-client: in
//! whatever folder, the least deep one counting.
//!
//! `cheeseshop_packaging` looks whether an archive is one to be trusted; that is the server's
//! business, and old servers take what it refuses.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::Path;

use cheeseshop_packaging::metadata::MAX_METADATA_LENGTH;
use flate2::bufread::MultiGzDecoder;
use tar::EntryType;

use super::DistributionError;

/// The longest extension header (long names, PAX) that is looked at.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// Bytes at the beginning that tell a tar archive.
const TAR_MARK: std::ops::Range<usize> = 257..262;

/// The `PKG-INFO` of an sdist or egg.
pub(super) fn package_info(path: &Path) -> Result<Vec<u8>, DistributionError> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    (&mut file).take(512).read_to_end(&mut start)?;
    file.rewind()?;
    let found = match start.as_slice() {
        [0x1f, 0x8b, ..] => in_tar(MultiGzDecoder::new(BufReader::new(file)))?,
        start if start.get(TAR_MARK) == Some(b"ustar") => in_tar(BufReader::new(file))?,
        [b'B', b'Z', b'h', ..] => {
            return Err(unreadable(
                "it is packed with bzip2, which cannot be read here; make a .tar.gz of it",
            ));
        }
        _ => in_zip(file)?,
    };
    found
        .document
        .ok_or_else(|| unreadable("there is no PKG-INFO with core metadata in it"))
}

fn unreadable(reason: impl std::fmt::Display) -> DistributionError {
    DistributionError::Archive(reason.to_string())
}

/// The best document so far.
#[derive(Default)]
struct Found {
    path: Vec<String>,
    document: Option<Vec<u8>>,
}

impl Found {
    /// Takes the document at `path`, when it is one and nearer to the top.
    fn offer(&mut self, path: &str, content: impl Read) -> io::Result<()> {
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .map(str::to_owned)
            .collect();
        let is_better =
            self.document.is_none() || (parts.len(), &parts) < (self.path.len(), &self.path);
        if parts.last().map(String::as_str) != Some("PKG-INFO") || !is_better {
            return Ok(());
        }
        let mut document = Vec::new();
        content
            .take(MAX_METADATA_LENGTH as u64 + 1)
            .read_to_end(&mut document)?;
        let mark = b"Metadata-Version";
        if document.windows(mark.len()).any(|window| window == mark) {
            self.path = parts;
            self.document = Some(document);
        }
        Ok(())
    }
}

fn in_zip(file: File) -> Result<Found, DistributionError> {
    let mut archive = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|error| unreadable(format!("it is no archive, or a damaged one: {error}")))?;
    let mut found = Found::default();
    for position in 0..archive.len() {
        let is_document = archive
            .name_for_index(position)
            .is_some_and(|name| name.is_ok_and(|name| name.ends_with("PKG-INFO")));
        if is_document {
            let entry = archive.by_index(position).map_err(unreadable)?;
            let name = entry.name().map_err(unreadable)?.into_owned();
            found.offer(&name, entry).map_err(unreadable)?;
        }
    }
    Ok(found)
}

fn in_tar(unpacked: impl Read) -> Result<Found, DistributionError> {
    walk(unpacked).map_err(|error| unreadable(format!("the archive is damaged: {error}")))
}

fn walk(unpacked: impl Read) -> io::Result<Found> {
    let mut archive = tar::Archive::new(unpacked);
    let mut found = Found::default();
    let mut long_name = None;
    // Raw: the library would read long names into memory without a limit.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let name = extension(&mut entry)?;
                long_name = Some(
                    name.split(|byte| *byte == 0)
                        .next()
                        .unwrap_or_default()
                        .to_vec(),
                );
            }
            EntryType::XHeader => {
                let records = extension(&mut entry)?;
                if let Some(name) = pax_path(&records) {
                    long_name = Some(name.to_vec());
                }
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            kind => {
                let name = long_name
                    .take()
                    .unwrap_or_else(|| entry.header().path_bytes().into_owned());
                if matches!(kind, EntryType::Regular | EntryType::Continuous) {
                    found.offer(&String::from_utf8_lossy(&name), &mut entry)?;
                }
            }
        }
    }
    // Up to the end, where the checksum is.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(found)
}

fn extension(content: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    content
        .take(MAX_EXTENSION_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_EXTENSION_BYTES {
        return Err(io::Error::other("a name in it is too long"));
    }
    Ok(bytes)
}

/// The path among the records `LENGTH KEY=VALUE\n` of a PAX header.
fn pax_path(mut records: &[u8]) -> Option<&[u8]> {
    while !records.is_empty() {
        let blank = records.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
        let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
        if let Some(path) = record.strip_prefix(b"path=") {
            return Some(path);
        }
        records = &records[length..];
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const DOCUMENT: &str = "Metadata-Version: 2.1\nName: a\nVersion: 1\n";

    fn tar_of(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, path, content.as_bytes())
                .unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        package_info(file.path())
            .map(|document| String::from_utf8(document).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_document_nearest_to_the_top_counts() {
        let nested = DOCUMENT.replace("Name: a", "Name: nested");
        let long = format!("{}/x.py", "deep/".repeat(60));
        let entries = [
            ("a-1/a.egg-info/PKG-INFO", nested.as_str()),
            (long.as_str(), "x"),
            ("a-1/PKG-INFO", DOCUMENT),
            ("a-1/tests/PKG-INFO", "no metadata"),
        ];
        assert_eq!(read(&tar_of(&entries)).unwrap(), DOCUMENT);
        assert_eq!(read(&tar_of(&entries[..1])).unwrap(), nested);
    }

    #[test]
    fn old_archives_without_compression_and_eggs_are_read() {
        assert_eq!(
            read(&tar_of(&[("a-1/PKG-INFO", DOCUMENT)])).unwrap(),
            DOCUMENT
        );
        let mut egg = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        egg.start_file(
            "EGG-INFO/PKG-INFO",
            zip::write::SimpleFileOptions::default(),
        )
        .unwrap();
        egg.write_all(DOCUMENT.as_bytes()).unwrap();
        assert_eq!(read(egg.finish().unwrap().get_ref()).unwrap(), DOCUMENT);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let whole = tar_of(&[("a-1/PKG-INFO", DOCUMENT), ("a-1/big", &"x".repeat(5000))]);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&whole).unwrap();
        let packed = packed.finish().unwrap();
        for (bytes, reason) in [
            (&b""[..], "it is no archive"),
            (b"<html>", "it is no archive"),
            (&packed[..packed.len() - 9], "the archive is damaged"),
            (&whole[..2000], "the archive is damaged"),
            (&tar_of(&[("a-1/x", "x")]), "there is no PKG-INFO"),
            (b"BZh91AY", "bzip2"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(reason), "{error} for {reason}");
        }
    }
}
