//! Archives of documentation: their names, and making them.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use cheeseshop_packaging::Version;
use flate2::bufread::MultiGzDecoder;
use tar::EntryType;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The most that a repacked archive may hold, in bytes.
const MAX_UNPACKED_BYTES: u64 = 16 << 30;

/// The most files in an archive.
const MAX_ENTRIES: usize = 1_000_000;

/// The longest path in an archive.
const MAX_PATH_BYTES: usize = 4096;

/// What the name of an archive of documentation says: `PROJECT[-VERSION].doc.zip`, also with
/// `.docs` and as `.tar.gz` or `.tgz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentationName {
    /// The project, as written.
    pub project: String,
    /// The version, as written.
    pub version: Option<String>,
    /// Whether it is a tarball, of which servers want a ZIP file.
    pub is_tarball: bool,
}

impl DocumentationName {
    /// Reads a file's name. `None`: it is not called as documentation is.
    pub fn parse(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let (suffix, is_tarball) = [
            (".doc.zip", false),
            (".docs.zip", false),
            (".doc.tar.gz", true),
            (".docs.tar.gz", true),
            (".doc.tgz", true),
            (".docs.tgz", true),
        ]
        .into_iter()
        .find(|(suffix, _)| lower.ends_with(suffix))?;
        let stem = &name[..name.len() - suffix.len()];
        // The shortest project that leaves a version.
        let split = stem.match_indices('-').find_map(|(position, _)| {
            let (project, version) = (&stem[..position], &stem[position + 1..]);
            let is_version = !version.contains(char::is_whitespace)
                && Version::parse(version).is_ok_and(|version| version.pep440().is_some());
            is_version.then_some((project, version))
        });
        let (project, version) = match split {
            Some((project, version)) => (project, Some(version.to_owned())),
            None => (stem, None),
        };
        Some(Self {
            project: project.to_owned(),
            version,
            is_tarball,
        })
    }

    /// The name of the ZIP file.
    pub fn zip_name(&self) -> String {
        match &self.version {
            Some(version) => format!("{}-{version}.doc.zip", self.project),
            None => format!("{}.doc.zip", self.project),
        }
    }
}

/// Makes a ZIP file of a tarball's files. The same tarball makes the same bytes, so that an index
/// knows it when it comes again. Links and devices are left out: no server shows them.
///
/// # Errors
/// When the tarball cannot be read or is larger than anybody's documentation.
pub(crate) fn repack(tarball: &Path, target: &Path) -> io::Result<()> {
    let unpacked = MultiGzDecoder::new(BufReader::new(File::open(tarball)?));
    let mut archive = tar::Archive::new(unpacked.take(MAX_UNPACKED_BYTES));
    let mut writer = ZipWriter::new(BufWriter::new(File::create(target)?));
    for (count, entry) in archive.entries()?.enumerate() {
        let entry = entry?;
        if count == MAX_ENTRIES {
            return Err(io::Error::other("there are too many files in it"));
        }
        if !matches!(
            entry.header().entry_type(),
            EntryType::Regular | EntryType::Continuous
        ) {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").to_owned();
        if path.len() > MAX_PATH_BYTES {
            return Err(io::Error::other("a name in it is too long"));
        }
        add(&mut writer, &path, entry)?;
    }
    writer.finish()?.flush()
}

/// Makes a ZIP file of the files of a folder, in the order of their names. What Sphinx keeps for
/// itself (`.doctrees`) is left out: it is as large as the pages, and tells of the builder's disk.
///
/// # Errors
/// When the folder cannot be read or the target not be written.
pub(crate) fn zip_folder(folder: &Path, target: &Path) -> io::Result<()> {
    let mut writer = ZipWriter::new(BufWriter::new(File::create(target)?));
    let mut files = Vec::new();
    collect_files(folder, &mut files)?;
    files.sort();
    for file in files {
        let path = file.strip_prefix(folder).map_err(io::Error::other)?;
        if path.starts_with(".doctrees") {
            continue;
        }
        let path = path.to_string_lossy();
        add(&mut writer, &path, File::open(&file)?)?;
    }
    writer.finish()?.flush()
}

fn add(
    writer: &mut ZipWriter<BufWriter<File>>,
    path: &str,
    mut content: impl Read,
) -> io::Result<()> {
    // Without times: they would make other bytes of the same pages.
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::DEFAULT)
        .unix_permissions(0o644)
        .large_file(true);
    writer.start_file(path, options)?;
    io::copy(&mut content, writer)?;
    Ok(())
}

/// All files below a folder, without following links to folders (which may lead in circles).
pub(crate) fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), files)?;
        } else if entry.path().is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_project_and_version() {
        for (name, expected) in [
            ("a-1.0.doc.zip", Some(("a", Some("1.0"), false))),
            ("a.doc.zip", Some(("a", None, false))),
            ("a-b-1.0.docs.zip", Some(("a-b", Some("1.0"), false))),
            // `2-1.0` is no version, so the project goes on.
            ("a-2-1.0.doc.tgz", Some(("a-2", Some("1.0"), true))),
            ("a-1.0-1.doc.tar.gz", Some(("a", Some("1.0-1"), true))),
            ("A-1.0RC1.DOC.ZIP", Some(("A", Some("1.0RC1"), false))),
            ("a-b.docs.tgz", Some(("a-b", None, true))),
            ("a-1.0.zip", None),
            ("a.doc.tar.bz2", None),
            ("doc.zip", None),
        ] {
            let expected = expected.map(|(project, version, is_tarball)| DocumentationName {
                project: project.to_owned(),
                version: version.map(str::to_owned),
                is_tarball,
            });
            assert_eq!(DocumentationName::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn an_archive_of_a_folder_holds_its_pages() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("build");
        for name in [
            "index.html",
            "deep/page.html",
            ".doctrees/x.pickle",
            ".nojekyll",
        ] {
            let path = pages.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let target = folder.path().join("a.doc.zip");
        zip_folder(&pages, &target).unwrap();
        let mut archive = zip::ZipArchive::new(File::open(&target).unwrap()).unwrap();
        let names: Vec<_> = (0..archive.len())
            .map(|position| {
                archive
                    .by_index(position)
                    .unwrap()
                    .name()
                    .unwrap()
                    .into_owned()
            })
            .collect();
        assert_eq!(names, [".nojekyll", "deep/page.html", "index.html"]);
    }

    #[test]
    fn a_repacked_tarball_holds_its_files_and_is_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let tarball = folder.path().join("a-1.doc.tgz");
        let packed = flate2::write::GzEncoder::new(
            File::create(&tarball).unwrap(),
            flate2::Compression::fast(),
        );
        let mut archive = tar::Builder::new(packed);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        archive
            .append_data(&mut header, "sub/", io::empty())
            .unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mtime(1_700_000_000);
        archive
            .append_data(&mut header, "sub/index.html", &b"page"[..])
            .unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        archive
            .append_link(&mut header, "out", "/etc/passwd")
            .unwrap();
        archive.into_inner().unwrap().finish().unwrap();

        let targets = ["one.zip", "two.zip"].map(|name| folder.path().join(name));
        for target in &targets {
            repack(&tarball, target).unwrap();
        }
        let bytes = targets.map(|target| std::fs::read(target).unwrap());
        assert_eq!(bytes[0], bytes[1]);
        let mut archive = zip::ZipArchive::new(io::Cursor::new(&bytes[0])).unwrap();
        assert_eq!(archive.len(), 1);
        assert_eq!(
            archive.by_index(0).unwrap().name().unwrap(),
            "sub/index.html"
        );
        let mut page = String::new();
        archive
            .by_index(0)
            .unwrap()
            .read_to_string(&mut page)
            .unwrap();
        assert_eq!(page, "page");
    }
}
