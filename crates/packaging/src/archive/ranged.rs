//! The core metadata of a wheel that lies elsewhere, read in a few ranges.
//!
//! Sans I/O: [`RangedReader`] says which bytes it wants and is fed with them.

use std::ops::Range;

use super::wheel::Announced;
use super::zip::{self, Entry, FromEnd, LOCAL_HEADER_LENGTH, to_usize};
use super::{ArchiveError, ArchiveLimits};
use crate::filename::FileName;

/// The first request: the directory of most wheels, and `METADATA`, which
/// tools put right before it.
const FIRST_LENGTH: u64 = 32 << 10;

/// What a [`RangedReader`] wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangedMetadata {
    /// Feed exactly these bytes of the file (end exclusive).
    Need(Range<u64>),
    /// The `METADATA` document. There is nothing more to feed.
    Done(Vec<u8>),
}

/// Finds `METADATA` in a remote wheel from its end: in one or two requests
/// for nearly all wheels, in five at most.
///
/// ```text
/// let (mut reader, mut range) = RangedReader::begin(size, &name, &limits)?;
/// loop {
///     match reader.feed(&fetch(range)?)? {
///         RangedMetadata::Need(next) => range = next,
///         RangedMetadata::Done(metadata) => return Ok(metadata),
///     }
/// }
/// ```
///
/// Lenient where uploads are not: an upstream's file is what it is, so only
/// what leads to the metadata is checked. `METADATA` is taken from the
/// `.dist-info` folder that the file name announces, else from the only one.
#[derive(Debug)]
pub struct RangedReader {
    total: u64,
    name: FileName,
    limits: ArchiveLimits,
    /// The end of the file, as far as it was read.
    held: Vec<u8>,
    /// The range last asked for.
    wanted: Range<u64>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Looking for the directory; what arrives goes before what is held.
    Directory,
    /// The entry's header and content are about to arrive.
    Content(Box<Entry>),
    Finished,
}

impl RangedReader {
    /// Starts on a wheel of `total` bytes. Answers the first range to feed.
    pub fn begin(
        total: u64,
        name: &FileName,
        limits: &ArchiveLimits,
    ) -> Result<(Self, Range<u64>), ArchiveError> {
        if total == 0 {
            return Err(ArchiveError::Malformed("it is empty".into()));
        }
        let first = total.saturating_sub(FIRST_LENGTH)..total;
        let reader = Self {
            total,
            name: name.clone(),
            limits: *limits,
            held: Vec::new(),
            wanted: first.clone(),
            state: State::Directory,
        };
        Ok((reader, first))
    }

    /// Takes the bytes of the range last asked for. Fewer or more bytes than
    /// were asked for are an error, as is feeding after `Done` or an error.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<RangedMetadata, ArchiveError> {
        let state = std::mem::replace(&mut self.state, State::Finished);
        if bytes.len() as u64 != self.wanted.end - self.wanted.start {
            let reason = "other bytes arrived than were asked for";
            return Err(ArchiveError::Malformed(reason.into()));
        }
        match state {
            State::Directory => {
                let mut held = Vec::with_capacity(bytes.len() + self.held.len());
                held.extend_from_slice(bytes);
                held.append(&mut self.held);
                self.held = held;
                self.search()
            }
            State::Content(entry) => self.finish(bytes, &entry),
            State::Finished => {
                let reason = "there is nothing more to read";
                Err(ArchiveError::Malformed(reason.into()))
            }
        }
    }

    fn search(&mut self) -> Result<RangedMetadata, ArchiveError> {
        let held_start = self.total - self.held.len() as u64;
        let (location, entries) = match zip::read_from_end(&self.held, self.total, &self.limits)? {
            FromEnd::Directory { location, entries } => (location, entries),
            FromEnd::NeedFrom(start) => return Ok(self.want(start..held_start, State::Directory)),
        };
        let entry = Announced::by(&self.name)?.metadata_entry(&entries)?;

        // The entry ends before the next one, or the directory, begins.
        let next = entries
            .iter()
            .map(|other| other.offset)
            .filter(|offset| *offset > entry.offset)
            .min()
            .unwrap_or(location.offset);
        // The header's own extra field may have any length.
        let longest = (LOCAL_HEADER_LENGTH + entry.name.len() + usize::from(u16::MAX)) as u64;
        let end = next.min(entry.offset + longest + entry.compressed);
        if entry.compressed > self.limits.max_metadata_bytes {
            return Err(ArchiveError::LimitExceeded(format!(
                "`{}` takes {} bytes, {} are allowed",
                entry.name, entry.compressed, self.limits.max_metadata_bytes
            )));
        }
        if entry.offset >= held_start {
            let bytes = &self.held[to_usize(entry.offset - held_start)?..];
            return self.finish(bytes, entry);
        }
        let entry = Box::new(entry.clone());
        Ok(self.want(entry.offset..end, State::Content(entry)))
    }

    fn want(&mut self, range: Range<u64>, state: State) -> RangedMetadata {
        if matches!(state, State::Content(_)) {
            self.held = Vec::new();
        }
        self.wanted = range.clone();
        self.state = state;
        RangedMetadata::Need(range)
    }

    fn finish(&self, bytes: &[u8], entry: &Entry) -> Result<RangedMetadata, ArchiveError> {
        zip::extract(bytes, entry, self.limits.max_metadata_bytes).map(RangedMetadata::Done)
    }
}
