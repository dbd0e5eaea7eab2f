//! Whether a ZIP file is of one piece.

use super::entry::{LOCAL_HEADER_LENGTH, check_header, extract};
use super::{Entry, ReadSeek, malformed, read_range, u16_at, u32_at, u64_at};
use crate::archive::ArchiveError;

/// Checks that the entries follow one another from the first byte to the
/// directory and that each one's own header agrees with the directory.
///
/// Bytes that no entry claims, or that two claim, are how one file is made to
/// hold two archives.
pub(in crate::archive) fn check_layout(
    reader: &mut dyn ReadSeek,
    entries: &[Entry],
    directory_start: u64,
) -> Result<(), ArchiveError> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|entry| entry.offset);
    let mut expected = 0;
    for (position, entry) in order.iter().enumerate() {
        if entry.offset != expected {
            return Err(malformed(format!(
                "there is a gap or an overlap before `{}`",
                entry.name
            )));
        }
        let next = order
            .get(position + 1)
            .map_or(directory_start, |next| next.offset);
        let content = read_header(reader, entry, next)?;
        let end = content
            .checked_add(entry.compressed)
            .filter(|end| *end <= next)
            .ok_or_else(|| malformed(format!("`{}` overlaps what follows", entry.name)))?;
        if entry.has_descriptor() {
            check_descriptor(reader, entry, end, next)?;
            expected = next;
        } else {
            expected = end;
        }
    }
    if expected == directory_start {
        Ok(())
    } else {
        Err(malformed("there are unclaimed bytes before its directory"))
    }
}

/// Reads and unpacks one entry of a file whose layout was checked.
pub(in crate::archive) fn read_entry(
    reader: &mut dyn ReadSeek,
    entry: &Entry,
    directory_start: u64,
    max_size: u64,
) -> Result<Vec<u8>, ArchiveError> {
    // Deflate never makes much more of what it is given.
    if entry.compressed > max_size.saturating_add(max_size / 8 + 64) {
        return Err(ArchiveError::LimitExceeded(format!(
            "`{}` takes {} bytes, {max_size} are allowed",
            entry.name, entry.compressed
        )));
    }
    let content = read_header(reader, entry, directory_start)?;
    let end = content
        .saturating_add(entry.compressed)
        .min(directory_start);
    let bytes = read_range(reader, entry.offset, end - entry.offset)?;
    extract(&bytes, entry, max_size)
}

/// Checks the entry's own header, which must end before `limit`. Answers
/// where its content starts in the file.
fn read_header(reader: &mut dyn ReadSeek, entry: &Entry, limit: u64) -> Result<u64, ArchiveError> {
    let outside = || malformed(format!("the header of `{}` is damaged", entry.name));
    let known = (LOCAL_HEADER_LENGTH + entry.name.len()) as u64;
    let room = limit.checked_sub(entry.offset).ok_or_else(outside)?;
    if room < known {
        return Err(outside());
    }
    let mut header = read_range(reader, entry.offset, known)?;
    let extra = u64::from(u16_at(&header, 28));
    if room < known + extra {
        return Err(outside());
    }
    if extra > 0 {
        header.extend(read_range(reader, entry.offset + known, extra)?);
    }
    let length = check_header(&header, entry)?;
    Ok(entry.offset + length as u64)
}

/// Checks the checksum and sizes that stand behind an entry's content, up to
/// the next entry: with or without a signature, in four or eight bytes.
fn check_descriptor(
    reader: &mut dyn ReadSeek,
    entry: &Entry,
    start: u64,
    end: u64,
) -> Result<(), ArchiveError> {
    let wrong = || malformed(format!("the sizes behind `{}` are wrong", entry.name));
    let length = end - start;
    if !matches!(length, 12 | 16 | 20 | 24) {
        return Err(wrong());
    }
    let bytes = read_range(reader, start, length)?;
    let fields = if matches!(length, 16 | 24) {
        bytes.strip_prefix(b"PK\x07\x08").ok_or_else(wrong)?
    } else {
        &bytes
    };
    let sizes = if fields.len() == 12 {
        (u32_at(fields, 4).into(), u32_at(fields, 8).into())
    } else {
        (u64_at(fields, 4), u64_at(fields, 12))
    };
    if u32_at(fields, 0) == entry.crc && sizes == (entry.compressed, entry.size) {
        Ok(())
    } else {
        Err(wrong())
    }
}
