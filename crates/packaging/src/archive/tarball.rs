//! Sdists in `.tar.gz`, and tar archives entry by entry.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType, Header};

use super::sdist::{Found, check_count, folder_of};
use super::zip::ReadSeek;
use super::{ArchiveError, ArchiveLimits, check_path, check_unpacked};

/// The largest extension header (long names, PAX) read, in bytes.
const MAX_EXTENSION_LENGTH: u64 = 1 << 20;

/// How a tar archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TarPacking {
    /// Not at all: `.tar`.
    None,
    /// `.tar.gz`
    Gzip,
}

/// What a tar archive has at a path.
pub enum TarContent<'a> {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Whether it may be run.
        is_executable: bool,
        /// Seconds since 1970.
        modified: u64,
        /// Its bytes. What is wrong with the archive itself needs no mention when reading fails.
        content: &'a mut dyn Read,
    },
    /// The same file as another path's.
    SameAs(&'a str),
    /// A symbolic link, which stays below the folder that the archive is unpacked in.
    Link(&'a str),
}

/// Checks all entries up to the end and takes the metadata documents out.
pub(super) fn inspect(
    reader: &mut dyn ReadSeek,
    limits: &ArchiveLimits,
) -> Result<Vec<Found>, ArchiveError> {
    let mut found: Vec<Found> = Vec::new();
    read(reader, TarPacking::Gzip, limits, &mut |path, content| {
        let (TarContent::File { content, .. }, Some(folder)) = (content, folder_of(path)) else {
            return Ok(());
        };
        check_count(found.len())?;
        if found.iter().any(|found| found.folder == folder) {
            return Err(malformed(format!("it has two entries `{path}`")));
        }
        let document =
            read_limited(content, limits.max_metadata_bytes, path).map_err(
                |error| match error {
                    Stop::Unreadable(error) => malformed(error.to_string()),
                    Stop::Refused(error) => error,
                },
            )?;
        found.push(Found {
            folder: folder.to_owned(),
            document,
        });
        Ok(())
    })?;
    Ok(found)
}

/// Goes through a tar archive up to its end, and gives every entry to `visit` with its path, which stays
/// inside.
///
/// No entry leaves the folder it is unpacked in, be it by its path or as a link, and none lies behind a link
/// that came before it; devices and the like are refused.
///
/// # Errors
/// What is wrong with the archive, and what `visit` gives.
pub fn read_tarball<E: From<ArchiveError>>(
    mut reader: impl Read + Seek,
    packing: TarPacking,
    limits: &ArchiveLimits,
    visit: &mut dyn FnMut(&str, TarContent<'_>) -> Result<(), E>,
) -> Result<(), E> {
    read(&mut reader, packing, limits, visit)
}

fn read<E: From<ArchiveError>>(
    reader: &mut dyn ReadSeek,
    packing: TarPacking,
    limits: &ArchiveLimits,
    visit: &mut dyn FnMut(&str, TarContent<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let packed = reader.seek(SeekFrom::End(0)).map_err(ArchiveError::Io)?;
    reader.rewind().map_err(ArchiveError::Io)?;
    let trouble = Trouble::default();
    let source = BufReader::with_capacity(
        64 << 10,
        Watched {
            inner: reader,
            trouble: trouble.clone(),
        },
    );
    let inner: Box<dyn Read + '_> = match packing {
        TarPacking::Gzip => Box::new(MultiGzDecoder::new(source)),
        TarPacking::None => Box::new(source),
    };
    let unpacked = Limited {
        inner,
        unpacked: 0,
        packed,
        limits: *limits,
        trouble: trouble.clone(),
    };
    // The visitor's own error is kept here while the walk ends with any.
    let mut refusal = None;
    let walked = walk(unpacked, limits, &mut |path, content| {
        visit(path, content).map_err(|error| {
            refusal = Some(error);
            Stop::Unreadable(io::Error::other("the visitor stopped"))
        })
    });
    walked.map_err(|error| match (error, trouble.take()) {
        // What went wrong below says more than what became of it above.
        (Stop::Unreadable(_), Some(trouble)) => trouble.into(),
        (Stop::Unreadable(error), None) => {
            refusal.unwrap_or_else(|| malformed(error.to_string()).into())
        }
        (Stop::Refused(error), _) => error.into(),
    })
}

/// Why the walk over the entries ended early.
enum Stop {
    Unreadable(io::Error),
    Refused(ArchiveError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Refused(error)
    }
}

fn walk(
    unpacked: impl Read,
    limits: &ArchiveLimits,
    visit: &mut dyn FnMut(&str, TarContent<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut archive = Archive::new(unpacked);
    let mut names = LongNames::default();
    let mut links = Links::default();
    let mut count = 0;
    // Raw: the library would read long names into memory without a limit.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        count += 1;
        if count > limits.max_entries {
            let reason = format!("it has more than {} entries", limits.max_entries);
            return Err(ArchiveError::LimitExceeded(reason).into());
        }
        let header = entry.header().clone();
        if names.read(&header, &mut entry)? {
            continue;
        }
        let Some(place) = std::mem::take(&mut names).check(&header, &mut links)? else {
            continue;
        };
        let content = match header.entry_type() {
            EntryType::Link => TarContent::SameAs(without_dot(&place.link)),
            EntryType::Symlink => TarContent::Link(&place.link),
            EntryType::Regular | EntryType::Continuous if !place.is_folder => TarContent::File {
                is_executable: header.mode().is_ok_and(|mode| mode & 0o111 != 0),
                modified: header.mtime().unwrap_or_default(),
                content: &mut entry,
            },
            _ => TarContent::Folder,
        };
        visit(&place.path, content)?;
    }
    // Up to the end, where the checksum is.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

/// Where an entry lies.
struct Place {
    path: String,
    /// Whether the path says so, by a slash at its end.
    is_folder: bool,
    link: String,
}

/// What extension headers say of the entry after them.
#[derive(Default)]
struct LongNames {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl LongNames {
    /// Takes an extension header in. `false` when this is an entry proper.
    fn read(&mut self, header: &Header, content: &mut impl Read) -> Result<bool, Stop> {
        match header.entry_type() {
            EntryType::GNULongName => self.path = Some(read_name(content)?),
            EntryType::GNULongLink => self.link = Some(read_name(content)?),
            EntryType::XHeader => self.read_pax(&read_pax_header(content)?)?,
            EntryType::XGlobalHeader => {
                // Comments for the whole archive; `git archive` writes one.
                let mut names = Self::default();
                names.read_pax(&read_pax_header(content)?)?;
                if names.path.is_some() || names.link.is_some() {
                    return Err(malformed("it gives all entries one name").into());
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_pax(&mut self, records: &[u8]) -> Result<(), ArchiveError> {
        for (key, value) in pax_records(records)? {
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                // Readers that heed it and readers that do not would see two
                // different archives. Only files of 8 GiB need it.
                b"size" => return Err(malformed("it states a size in a PAX header")),
                // Also names the entry, for some.
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(malformed("it has sparse files"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks the entry proper and answers its place; `None` for the folder that everything lies in.
    /// `links` are the symbolic links so far.
    fn check(self, header: &Header, links: &mut Links) -> Result<Option<Place>, ArchiveError> {
        let path = self
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let path = String::from_utf8_lossy(&path).into_owned();
        let link = self
            .link
            .or_else(|| header.link_name_bytes().map(Cow::into_owned))
            .unwrap_or_default();
        let link = String::from_utf8_lossy(&link);
        let plain = without_dot(&path).trim_end_matches('/');
        // The folder itself, as `tar` writes it when told to pack `.`.
        let is_top = matches!(plain, "" | ".") && header.entry_type() == EntryType::Directory;
        let is_safe = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => true,
            EntryType::Link => {
                let target = without_dot(&link);
                check_path(target).is_ok() && !links.lie_on(target)
            }
            EntryType::Symlink => stays_inside(plain, &link),
            _ => false,
        };
        let is_inside = is_top || check_path(plain).is_ok() && !links.lie_on(plain);
        if !is_safe || !is_inside {
            return Err(ArchiveError::UnsafeEntry(path));
        }
        if header.entry_type() == EntryType::Symlink {
            links.add(plain);
        }
        Ok((!is_top).then(|| Place {
            path: plain.to_owned(),
            is_folder: path.ends_with('/'),
            link: link.into_owned(),
        }))
    }
}

fn without_dot(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

/// The symbolic links of an archive, by hashes of their paths: a path may be a MiB long, and there may be
/// as many links as the limits allow entries.
#[derive(Default)]
struct Links {
    /// Its keys are drawn by lot, so that nobody can make two paths that have one hash.
    hasher: RandomState,
    paths: HashSet<u64>,
}

impl Links {
    fn add(&mut self, path: &str) {
        let whole = self.hashes(path).last();
        self.paths.extend(whole);
    }

    /// Whether a path has a symbolic link among its folders, or is one: then it is somewhere else than it
    /// says.
    fn lie_on(&self, path: &str) -> bool {
        !self.paths.is_empty() && self.hashes(path).any(|part| self.paths.contains(&part))
    }

    /// The hashes of the folders that a path leads through, the outermost first, and of the path itself.
    /// Every byte is looked at once, however many folders there are.
    fn hashes(&self, path: &str) -> impl Iterator<Item = u64> {
        let mut hasher = self.hasher.build_hasher();
        path.split('/').map(move |name| {
            hasher.write(name.as_bytes());
            // No part of a name, so that `a/b` and `ab` differ.
            hasher.write_u8(b'/');
            hasher.finish()
        })
    }
}

/// Whether a symbolic link at `path` leads to somewhere below the folder that
/// the archive is unpacked in. Steps upwards may only come first: after a
/// name, which may be a link itself, they lead who knows where.
fn stays_inside(path: &str, link: &str) -> bool {
    if link.is_empty() || link.starts_with('/') || link.contains(char::is_control) {
        return false;
    }
    let depth = path.split('/').count() - 1;
    let mut parts = link.split('/').filter(|part| !matches!(*part, "" | "."));
    let steps = parts.by_ref().take_while(|part| *part == "..").count();
    steps <= depth && !parts.any(|part| part == "..")
}

/// The records of a PAX header: `LENGTH KEY=VALUE\n`, later ones counting.
fn pax_records(mut records: &[u8]) -> Result<HashMap<&[u8], &[u8]>, ArchiveError> {
    let damaged = || malformed("it has a damaged PAX header");
    let mut found = HashMap::new();
    while !records.is_empty() {
        let blank = records
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or_else(damaged)?;
        let length: usize = str::from_utf8(&records[..blank])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(damaged)?;
        let record = records.get(blank + 1..length).ok_or_else(damaged)?;
        let record = record.strip_suffix(b"\n").ok_or_else(damaged)?;
        let equals = record
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or_else(damaged)?;
        found.insert(&record[..equals], &record[equals + 1..]);
        records = &records[length..];
    }
    Ok(found)
}

fn read_pax_header(content: &mut impl Read) -> Result<Vec<u8>, Stop> {
    read_limited(content, MAX_EXTENSION_LENGTH, "a PAX header")
}

fn read_name(content: &mut impl Read) -> Result<Vec<u8>, Stop> {
    let mut name = read_limited(content, MAX_EXTENSION_LENGTH, "a long name")?;
    if let Some(end) = name.iter().position(|byte| *byte == 0) {
        name.truncate(end);
    }
    Ok(name)
}

fn read_limited(
    content: &mut (impl Read + ?Sized),
    limit: u64,
    what: &str,
) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    content.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= limit {
        Ok(bytes)
    } else {
        let reason = format!("`{what}` takes more than {limit} bytes");
        Err(ArchiveError::LimitExceeded(reason).into())
    }
}

fn malformed(reason: impl Into<String>) -> ArchiveError {
    ArchiveError::Malformed(reason.into())
}

/// Where readers leave an error that the readers above them would blur.
#[derive(Clone, Default)]
struct Trouble(Rc<RefCell<Option<ArchiveError>>>);

impl Trouble {
    fn take(&self) -> Option<ArchiveError> {
        self.0.borrow_mut().take()
    }

    fn set(&self, error: ArchiveError) {
        *self.0.borrow_mut() = Some(error);
    }
}

/// The packed file. Its errors are not the archive's fault.
struct Watched<'a> {
    inner: &'a mut dyn ReadSeek,
    trouble: Trouble,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.trouble.set(ArchiveError::Io(copy));
            }
        })
    }
}

/// The unpacked bytes, which end when they become too many.
struct Limited<R> {
    inner: R,
    unpacked: u64,
    packed: u64,
    limits: ArchiveLimits,
    trouble: Trouble,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.unpacked += read as u64;
        match check_unpacked(self.unpacked, self.packed, &self.limits) {
            Ok(()) => Ok(read),
            Err(error) => {
                self.trouble.set(error);
                Err(io::Error::other("too much unpacked"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbolic_links_may_not_lead_out() {
        for (path, link, inside) in [
            ("a-1/b", "c", true),
            ("a-1/b", "../a-1/c", true),
            ("a-1/b", "..", true),
            ("a-1/b", "../..", false),
            ("a-1/b", "c/../d", false),
            ("a-1/d/b", "../../x", true),
            ("a-1/b", "c/../../..", false),
            ("a-1/b", "/etc/passwd", false),
            ("a-1/b", "", false),
            ("b", "..", false),
            ("b", "./.", true),
        ] {
            assert_eq!(stays_inside(path, link), inside, "{path} -> {link}");
        }
    }

    #[test]
    fn pax_records_are_read_by_their_lengths() {
        let records = b"12 path=a/b\n19 comment=x=y\nz==\n";
        assert!(pax_records(records).is_ok());
        let records = pax_records(records).unwrap();
        assert_eq!(records[&b"path"[..]], b"a/b");
        assert_eq!(records[&b"comment"[..]], b"x=y\nz==");
        for damaged in [
            &b"path=a\n"[..],
            b"99 path=a\n",
            b"3 path=a\n",
            b"11 path=a/b\n",
            b"7 path\n",
            b"0 ",
            b"18446744073709551616 a=b\n",
        ] {
            assert!(pax_records(damaged).is_err());
        }
    }
}
