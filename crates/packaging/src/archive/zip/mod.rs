//! The structure of ZIP files, read without trusting any of it.
//!
//! A ZIP file says most things twice: in a directory at its end and in front
//! of each entry. Readers differ in which they believe, so a file that says
//! two things can show one content to an index and another to an installer.
//! What is uploaded must therefore be of one piece: entries without gaps from
//! the first byte to the directory, the directory up to the end record, and
//! the end record up to the last byte.

mod directory;
mod end_record;
mod entry;
mod layout;

pub(super) use self::directory::{Entry, check_names, read_directory};
pub(super) use self::end_record::{DirectoryLocation, Located, Reading, TAIL_LENGTH, locate};
pub(super) use self::entry::{LOCAL_HEADER_LENGTH, LOCAL_HEADER_SIGNATURE, extract};
pub(super) use self::layout::{check_layout, read_entry};

use std::io::{self, Read, Seek, SeekFrom};

use super::{ArchiveError, ArchiveLimits};

/// How content may be packed.
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

/// What can be read at any place. Keeps the readers below from being compiled
/// for every kind of file.
pub(super) trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// A whole archive whose structure has been checked.
pub(super) struct CheckedZip {
    /// Where the directory starts.
    pub(super) directory_start: u64,
    /// The entries in the directory's order.
    pub(super) entries: Vec<Entry>,
}

/// Reads the directory of an archive and checks everything that can be
/// checked without unpacking.
pub(super) fn open(
    reader: &mut dyn ReadSeek,
    limits: &ArchiveLimits,
) -> Result<CheckedZip, ArchiveError> {
    let total = length(reader)?;
    let tail_start = total.saturating_sub(TAIL_LENGTH);
    let tail = read_range(reader, tail_start, total - tail_start)?;
    let location = match locate(&tail, total, Reading::Strict)? {
        Located::At(location) => location,
        Located::NeedFrom(_) => return Err(malformed("it has no end record")),
    };
    location.check_limits(limits)?;
    let bytes = read_range(reader, location.offset, location.size)?;
    let entries = read_directory(&bytes, &location, Reading::Strict)?;
    check_names(&entries)?;
    check_sizes(&entries, total, limits)?;
    check_layout(reader, &entries, location.offset)?;
    Ok(CheckedZip {
        directory_start: location.offset,
        entries,
    })
}

/// The directory, as far as the end of a file tells it.
pub(super) enum FromEnd {
    Directory {
        location: DirectoryLocation,
        /// In the directory's order.
        entries: Vec<Entry>,
    },
    /// Not enough: the end of the file is wanted from this place on.
    NeedFrom(u64),
}

/// Reads the directory out of the last bytes of a file of `total` bytes that was published
/// elsewhere or checked before. Leniently: as installers do.
pub(super) fn read_from_end(
    held: &[u8],
    total: u64,
    limits: &ArchiveLimits,
) -> Result<FromEnd, ArchiveError> {
    let held_start = total - held.len() as u64;
    let location = match locate(held, total, Reading::Lenient)? {
        Located::At(location) => location,
        Located::NeedFrom(start) => return Ok(FromEnd::NeedFrom(start)),
    };
    location.check_limits(limits)?;
    if location.offset < held_start {
        return Ok(FromEnd::NeedFrom(location.offset));
    }
    let start = to_usize(location.offset - held_start)?;
    let end = start + to_usize(location.size)?;
    let entries = read_directory(&held[start..end], &location, Reading::Lenient)?;
    Ok(FromEnd::Directory { location, entries })
}

/// A number of bytes in memory.
pub(super) fn to_usize(number: u64) -> Result<usize, ArchiveError> {
    usize::try_from(number)
        .map_err(|_| ArchiveError::LimitExceeded("it is too large for this machine".into()))
}

fn check_sizes(entries: &[Entry], total: u64, limits: &ArchiveLimits) -> Result<(), ArchiveError> {
    let unpacked = entries
        .iter()
        .fold(0_u64, |sum, entry| sum.saturating_add(entry.size));
    super::check_unpacked(unpacked, total, limits)
}

/// The length of a file in bytes.
pub(super) fn length(reader: &mut dyn ReadSeek) -> Result<u64, ArchiveError> {
    reader.seek(SeekFrom::End(0)).map_err(ArchiveError::Io)
}

/// Reads bytes of a file whose length is known to reach that far.
pub(super) fn read_range(
    reader: &mut dyn ReadSeek,
    start: u64,
    length: u64,
) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = vec![0; to_usize(length)?];
    reader
        .seek(SeekFrom::Start(start))
        .and_then(|_| reader.read_exact(&mut bytes))
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => malformed("it ends too early"),
            _ => ArchiveError::Io(error),
        })?;
    Ok(bytes)
}

fn malformed(reason: impl Into<String>) -> ArchiveError {
    ArchiveError::Malformed(reason.into())
}

/// Reads a little-endian number at a place known to be inside.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
