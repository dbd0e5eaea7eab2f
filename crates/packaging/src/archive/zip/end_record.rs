//! The end of a ZIP file: where its directory is.

use super::{ArchiveLimits, malformed, u16_at, u32_at, u64_at};
use crate::archive::ArchiveError;

const END_SIGNATURE: &[u8; 4] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const LOCATOR_SIGNATURE: &[u8; 4] = b"PK\x06\x07";
const LOCATOR_LENGTH: usize = 20;
const END64_SIGNATURE: &[u8; 4] = b"PK\x06\x06";
const END64_LENGTH: usize = 56;

const MAX_COMMENT: u64 = 0xffff;

/// The part of a file's end that is sure to hold all end records.
pub(in crate::archive) const TAIL_LENGTH: u64 =
    (END64_LENGTH + LOCATOR_LENGTH + END_LENGTH) as u64 + MAX_COMMENT;

/// The largest directory read, in bytes.
const MAX_DIRECTORY_LENGTH: u64 = 64 << 20;

/// How much doubt to allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum Reading {
    /// For uploads: the file must be of one piece.
    Strict,
    /// For files that an upstream published already: what installers read.
    Lenient,
}

/// Where the directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct DirectoryLocation {
    /// Where it starts in the file.
    pub(in crate::archive) offset: u64,
    /// Its length in bytes.
    pub(in crate::archive) size: u64,
    /// How many entries it has.
    pub(in crate::archive) entries: u64,
}

/// What a file's end tells.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::archive) enum Located {
    At(DirectoryLocation),
    /// Not enough: the end of the file is wanted from this place on.
    NeedFrom(u64),
}

/// Looks for the directory in the last bytes of a file of `total` bytes.
pub(in crate::archive) fn locate(
    tail: &[u8],
    total: u64,
    reading: Reading,
) -> Result<Located, ArchiveError> {
    let tail_start = total - tail.len() as u64;
    let Some(end) = find_end(tail, reading)? else {
        let whole = total.saturating_sub(TAIL_LENGTH);
        if tail_start <= whole {
            return Err(malformed("it does not end as a ZIP file does"));
        }
        return Ok(Located::NeedFrom(whole));
    };
    let end_offset = tail_start + end as u64;
    let before = (LOCATOR_LENGTH + END64_LENGTH) as u64;
    let wanted = end_offset.saturating_sub(before);
    if wanted < tail_start {
        return Ok(Located::NeedFrom(wanted));
    }
    let record = EndRecord::read(&tail[end..])?;
    let (location, directory_end) = match find_locator(tail, end) {
        Some(locator) => {
            let record_start = end
                .checked_sub(LOCATOR_LENGTH + END64_LENGTH)
                .ok_or_else(|| malformed("its ZIP64 end record is missing"))?;
            let offset = tail_start + record_start as u64;
            let location = record.zip64(&tail[record_start..], offset, locator)?;
            (location, offset)
        }
        None => (
            DirectoryLocation {
                offset: record.offset.into(),
                size: record.size.into(),
                entries: record.entries.into(),
            },
            end_offset,
        ),
    };
    let claimed_end = location.offset.checked_add(location.size);
    let fits = match reading {
        Reading::Strict => claimed_end == Some(directory_end),
        Reading::Lenient => claimed_end.is_some_and(|end| end <= directory_end),
    };
    if fits {
        Ok(Located::At(location))
    } else {
        Err(malformed("its directory is not where the end record says"))
    }
}

/// Finds the end record. Its comment must reach the end of the file.
fn find_end(tail: &[u8], reading: Reading) -> Result<Option<usize>, ArchiveError> {
    let last = tail.len().saturating_sub(END_LENGTH);
    let first = last.saturating_sub(usize::from(u16::MAX));
    let reaches_the_end = |at: &usize| {
        let comment_end = at + END_LENGTH + usize::from(u16_at(tail, at + 20));
        match reading {
            Reading::Strict => comment_end == tail.len(),
            Reading::Lenient => comment_end <= tail.len(),
        }
    };
    let mut found = (first..=last)
        .rev()
        .filter(|at| tail.get(*at..*at + 4) == Some(END_SIGNATURE))
        .filter(|at| at + END_LENGTH <= tail.len())
        .filter(reaches_the_end);
    let end = found.next();
    if reading == Reading::Strict && found.next().is_some() {
        return Err(malformed("it has two end records"));
    }
    Ok(end)
}

fn find_locator(tail: &[u8], end: usize) -> Option<&[u8]> {
    let start = end.checked_sub(LOCATOR_LENGTH)?;
    let locator = &tail[start..end];
    locator.starts_with(LOCATOR_SIGNATURE).then_some(locator)
}

/// The fields of the end record that need a second look.
struct EndRecord {
    entries: u16,
    size: u32,
    offset: u32,
}

impl EndRecord {
    fn read(record: &[u8]) -> Result<Self, ArchiveError> {
        let entries = u16_at(record, 10);
        let one_disk = u16_at(record, 8) == entries
            && [u16_at(record, 4), u16_at(record, 6)]
                .iter()
                .all(|disk| [0, u16::MAX].contains(disk));
        if !one_disk {
            return Err(malformed("it is part of a set"));
        }
        Ok(Self {
            entries,
            size: u32_at(record, 12),
            offset: u32_at(record, 16),
        })
    }

    /// Reads the larger record, which lies directly before the locator and
    /// has no extensions. Locator and both records must agree.
    fn zip64(
        &self,
        record: &[u8],
        record_offset: u64,
        locator: &[u8],
    ) -> Result<DirectoryLocation, ArchiveError> {
        let is_there = record.starts_with(END64_SIGNATURE)
            && u64_at(locator, 8) == record_offset
            && u64_at(record, 4) == (END64_LENGTH - 12) as u64;
        if !is_there {
            return Err(malformed("its ZIP64 end record is not where it belongs"));
        }
        let one_disk = u32_at(locator, 4) == 0
            && u32_at(locator, 16) <= 1
            && u32_at(record, 16) == 0
            && u32_at(record, 20) == 0
            && u64_at(record, 24) == u64_at(record, 32);
        if !one_disk {
            return Err(malformed("it is part of a set"));
        }
        let location = DirectoryLocation {
            offset: u64_at(record, 48),
            size: u64_at(record, 40),
            entries: u64_at(record, 32),
        };
        let agree = |small: u64, limit: u64, large: u64| small == limit || small == large;
        let same = agree(self.entries.into(), u16::MAX.into(), location.entries)
            && agree(self.size.into(), u32::MAX.into(), location.size)
            && agree(self.offset.into(), u32::MAX.into(), location.offset);
        if same {
            Ok(location)
        } else {
            Err(malformed("its two end records differ"))
        }
    }
}

impl DirectoryLocation {
    /// Refuses directories that would take too much memory.
    pub(in crate::archive) fn check_limits(
        &self,
        limits: &ArchiveLimits,
    ) -> Result<(), ArchiveError> {
        if self.entries > limits.max_entries {
            return Err(ArchiveError::LimitExceeded(format!(
                "it has {} entries, {} are allowed",
                self.entries, limits.max_entries
            )));
        }
        if self.size > MAX_DIRECTORY_LENGTH {
            return Err(ArchiveError::LimitExceeded(format!(
                "its directory takes {} bytes, {MAX_DIRECTORY_LENGTH} are allowed",
                self.size
            )));
        }
        Ok(())
    }
}
