//! Which pages an archive of documentation has, and where they are.

use std::ops::Range;

use super::Page;
use crate::archive::zip::{self, Entry, FromEnd};
use crate::archive::{ArchiveError, ArchiveLimits, check_path};

/// The first request: the directory of most archives.
const FIRST_LENGTH: u64 = 64 << 10;

/// What a page takes in memory beside its name, in bytes.
const PAGE_WEIGHT: usize = size_of::<(Box<str>, Page)>() + 16;

/// The pages of an archive by name. Folders are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentationPages {
    /// Sorted by name.
    pages: Box<[(Box<str>, Page)]>,
}

impl DocumentationPages {
    /// What can be served: entries with safe names and known packing. Of two
    /// of one name the first counts.
    pub(super) fn of(entries: &[Entry], directory_start: u64) -> Self {
        let mut pages: Vec<(Box<str>, Page)> = with_pages(entries, directory_start)
            .filter(|(entry, _)| !entry.is_folder() && is_safe(&entry.name))
            .filter_map(|(entry, page)| Some((Box::from(entry.name.as_str()), page?)))
            .collect();
        pages.sort_by(|one, other| one.0.cmp(&other.0));
        pages.dedup_by(|later, first| later.0 == first.0);
        Self {
            pages: pages.into_boxed_slice(),
        }
    }

    /// The page of exactly this name, which has slashes between its parts and
    /// none at its start.
    pub fn find(&self, name: &str) -> Option<&Page> {
        self.pages
            .binary_search_by(|(held, _)| (**held).cmp(name))
            .ok()
            .map(|position| &self.pages[position].1)
    }

    /// The names, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.pages.iter().map(|(name, _)| &**name)
    }

    /// Roughly how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        self.pages
            .iter()
            .map(|(name, _)| name.len() + PAGE_WEIGHT)
            .sum()
    }
}

fn is_safe(name: &str) -> bool {
    !name.contains('\\') && check_path(name).is_ok()
}

/// All entries with where they lie; `None` for those that cannot be unpacked.
pub(super) fn with_pages(
    entries: &[Entry],
    directory_start: u64,
) -> impl Iterator<Item = (&Entry, Option<Page>)> {
    let mut starts: Vec<u64> = entries.iter().map(|entry| entry.offset).collect();
    starts.sort_unstable();
    entries.iter().map(move |entry| {
        // An entry ends before the next one, or the directory, begins.
        let behind = starts.partition_point(|start| *start <= entry.offset);
        let next = starts.get(behind).copied().unwrap_or(directory_start);
        (entry, Page::of(entry, next))
    })
}

/// What a [`DirectoryReader`] wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangedDirectory {
    /// Feed exactly these bytes of the file (end exclusive).
    Need(Range<u64>),
    /// The pages. There is nothing more to feed.
    Done(DocumentationPages),
}

/// Reads the directory of an archive that lies elsewhere from its end: in one
/// request for most, in three at most.
///
/// Lenient where uploads are not, since archives also come from other servers:
/// what no page can be taken from is left out.
#[derive(Debug)]
pub struct DirectoryReader {
    total: u64,
    limits: ArchiveLimits,
    /// The end of the file, as far as it was read.
    held: Vec<u8>,
    /// The range last asked for.
    wanted: Range<u64>,
}

impl DirectoryReader {
    /// Starts on an archive of `total` bytes. Answers the first range to feed.
    pub fn begin(total: u64, limits: &ArchiveLimits) -> (Self, Range<u64>) {
        let first = total.saturating_sub(FIRST_LENGTH)..total;
        let reader = Self {
            total,
            limits: *limits,
            held: Vec::new(),
            wanted: first.clone(),
        };
        (reader, first)
    }

    /// Takes the bytes of the range last asked for. Fewer or more bytes than
    /// were asked for are an error.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<RangedDirectory, ArchiveError> {
        if bytes.len() as u64 != self.wanted.end - self.wanted.start {
            let reason = "other bytes arrived than were asked for";
            return Err(ArchiveError::Malformed(reason.into()));
        }
        let mut held = Vec::with_capacity(bytes.len() + self.held.len());
        held.extend_from_slice(bytes);
        held.append(&mut self.held);
        self.held = held;
        match zip::read_from_end(&self.held, self.total, &self.limits)? {
            FromEnd::Directory { location, entries } => Ok(RangedDirectory::Done(
                DocumentationPages::of(&entries, location.offset),
            )),
            FromEnd::NeedFrom(start) => {
                self.wanted = start..self.wanted.start;
                Ok(RangedDirectory::Need(self.wanted.clone()))
            }
        }
    }
}
