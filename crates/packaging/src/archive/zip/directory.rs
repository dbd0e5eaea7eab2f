//! The directory of a ZIP file: what entries there are.

use std::collections::HashSet;

use super::{DirectoryLocation, Reading, malformed, u16_at, u32_at, u64_at};
use crate::archive::{ArchiveError, check_path};

const SIGNATURE: &[u8; 4] = b"PK\x01\x02";
const HEADER_LENGTH: usize = 46;
const ZIP64_FIELD: u16 = 0x0001;
const UNICODE_PATH_FIELD: u16 = 0x7075;

/// Bit 11: the name is UTF-8.
const UTF8_FLAG: u16 = 1 << 11;
/// Bits 0, 6 and 13: something is encrypted.
const ENCRYPTED_FLAGS: u16 = 1 | 1 << 6 | 1 << 13;
/// Bit 3: sizes follow the content.
const DESCRIPTOR_FLAG: u16 = 1 << 3;

/// An entry as the directory tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct Entry {
    /// The name; folders end in a slash.
    pub(in crate::archive) name: String,
    /// Where the entry's own header starts.
    pub(in crate::archive) offset: u64,
    /// Packed size in bytes.
    pub(in crate::archive) compressed: u64,
    /// Unpacked size in bytes.
    pub(in crate::archive) size: u64,
    /// CRC-32 of the unpacked content.
    pub(in crate::archive) crc: u32,
    /// The compression method's number.
    pub(in crate::archive) method: u16,
    /// The Unix file mode, where one was stored.
    pub(in crate::archive) unix_mode: Option<u32>,
    flags: u16,
}

impl Entry {
    pub(in crate::archive) fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    pub(in crate::archive) fn is_symlink(&self) -> bool {
        self.unix_mode
            .is_some_and(|mode| mode & 0o170_000 == 0o120_000)
    }

    pub(in crate::archive) fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPTED_FLAGS != 0
    }

    /// Whether checksum and sizes stand behind the content.
    pub(super) fn has_descriptor(&self) -> bool {
        self.flags & DESCRIPTOR_FLAG != 0
    }
}

/// Reads the whole directory.
pub(in crate::archive) fn read_directory(
    bytes: &[u8],
    location: &DirectoryLocation,
    reading: Reading,
) -> Result<Vec<Entry>, ArchiveError> {
    let possible = (bytes.len() / HEADER_LENGTH) as u64;
    let count = usize::try_from(location.entries.min(possible)).unwrap_or_default();
    let mut entries = Vec::with_capacity(count);
    let mut rest = bytes;
    while !rest.is_empty() && entries.len() as u64 <= location.entries {
        let (entry, length) = read_header(rest, reading)?;
        let end = entry.offset.checked_add(entry.compressed);
        if end.is_none_or(|end| end > location.offset) {
            return Err(malformed(format!("the entry `{}` is outside", entry.name)));
        }
        entries.push(entry);
        rest = &rest[length..];
    }
    if entries.len() as u64 == location.entries {
        Ok(entries)
    } else {
        Err(malformed("its directory has another number of entries"))
    }
}

fn read_header(bytes: &[u8], reading: Reading) -> Result<(Entry, usize), ArchiveError> {
    let damaged = || malformed("its directory is damaged");
    if bytes.len() < HEADER_LENGTH || !bytes.starts_with(SIGNATURE) {
        return Err(damaged());
    }
    let name_end = HEADER_LENGTH + usize::from(u16_at(bytes, 28));
    let extra_end = name_end + usize::from(u16_at(bytes, 30));
    let length = extra_end + usize::from(u16_at(bytes, 32));
    if bytes.len() < length {
        return Err(damaged());
    }
    let raw_name = &bytes[HEADER_LENGTH..name_end];
    let flags = u16_at(bytes, 8);
    let is_unix = bytes[5] == 3;
    let mut entry = Entry {
        name: read_name(raw_name, flags, reading)?,
        offset: u32_at(bytes, 42).into(),
        compressed: u32_at(bytes, 20).into(),
        size: u32_at(bytes, 24).into(),
        crc: u32_at(bytes, 16),
        method: u16_at(bytes, 10),
        unix_mode: is_unix.then(|| u32_at(bytes, 38) >> 16),
        flags,
    };
    let mut zip64 = None;
    for (id, field) in extra_fields(&bytes[name_end..extra_end]) {
        match id {
            ZIP64_FIELD if zip64.is_some() => return Err(damaged()),
            ZIP64_FIELD => zip64 = Some(field),
            // Some readers take this name instead of the header's.
            UNICODE_PATH_FIELD
                if reading == Reading::Strict && field.get(5..) != Some(raw_name) =>
            {
                return Err(malformed(format!(
                    "the entry `{}` has two names",
                    entry.name
                )));
            }
            _ => {}
        }
    }
    let mut field = zip64.unwrap_or_default();
    for number in [&mut entry.size, &mut entry.compressed, &mut entry.offset] {
        if *number == u64::from(u32::MAX) {
            let (value, rest) = field.split_at_checked(8).ok_or_else(damaged)?;
            *number = u64_at(value, 0);
            field = rest;
        }
    }
    if u16_at(bytes, 34) != 0 && u16_at(bytes, 34) != u16::MAX {
        return Err(malformed("it is part of a set"));
    }
    Ok((entry, length))
}

/// Names are UTF-8. Without the flag only ASCII is clear: readers disagree
/// about the rest.
fn read_name(bytes: &[u8], flags: u16, reading: Reading) -> Result<String, ArchiveError> {
    let name = String::from_utf8_lossy(bytes).into_owned();
    let is_clear = bytes.is_ascii() || flags & UTF8_FLAG != 0 && name.as_bytes() == bytes;
    if is_clear || reading == Reading::Lenient {
        Ok(name)
    } else {
        Err(ArchiveError::UnsafeEntry(name))
    }
}

/// The extra fields of a header. A remainder too short for a field is
/// padding, which some tools leave.
pub(super) fn extra_fields(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, rest) = bytes.split_at_checked(4)?;
        let (field, rest) = rest.split_at_checked(usize::from(u16_at(header, 2)))?;
        bytes = rest;
        Some((u16_at(header, 0), field))
    })
}

/// Checks that every entry has a name of its own that stays inside.
pub(in crate::archive) fn check_names(entries: &[Entry]) -> Result<(), ArchiveError> {
    let mut seen = HashSet::with_capacity(entries.len());
    for entry in entries {
        let path = entry.name.strip_suffix('/').unwrap_or(&entry.name);
        // A backslash is a separator to some readers.
        if path.contains('\\') || check_path(path).is_err() {
            return Err(ArchiveError::UnsafeEntry(entry.name.clone()));
        }
        if !seen.insert(path) {
            return Err(malformed(format!("it has two entries `{path}`")));
        }
        if entry.is_encrypted() {
            return Err(malformed(format!("the entry `{path}` is encrypted")));
        }
    }
    Ok(())
}
