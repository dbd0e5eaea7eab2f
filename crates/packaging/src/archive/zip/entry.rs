//! One entry of a ZIP file: its own header and its content.

use std::io::Read;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::directory::extra_fields;
use super::{DEFLATED, Entry, STORED, malformed, u16_at, u32_at, u64_at};
use crate::archive::ArchiveError;

/// How an entry's own header begins.
pub(in crate::archive) const LOCAL_HEADER_SIGNATURE: &[u8; 4] = b"PK\x03\x04";

/// The length of an entry's own header without name and extra fields.
pub(in crate::archive) const LOCAL_HEADER_LENGTH: usize = 30;

/// Checks an entry's own header, which must start `bytes` and be whole,
/// against the directory. Answers where the content starts.
pub(super) fn check_header(bytes: &[u8], entry: &Entry) -> Result<usize, ArchiveError> {
    let differs = || {
        malformed(format!(
            "the header of `{}` differs from the directory",
            entry.name
        ))
    };
    if bytes.len() < LOCAL_HEADER_LENGTH || !bytes.starts_with(LOCAL_HEADER_SIGNATURE) {
        return Err(differs());
    }
    let name_end = LOCAL_HEADER_LENGTH + usize::from(u16_at(bytes, 26));
    let content_start = name_end + usize::from(u16_at(bytes, 28));
    let name = bytes.get(LOCAL_HEADER_LENGTH..name_end);
    let extra = bytes.get(name_end..content_start).ok_or_else(differs)?;
    let descriptor = u16_at(bytes, 6) & 1 << 3 != 0;
    let same = name == Some(entry.name.as_bytes())
        && u16_at(bytes, 8) == entry.method
        && descriptor == entry.has_descriptor();
    if !same {
        return Err(differs());
    }
    let crc = u32_at(bytes, 14);
    let (compressed, size) = sizes(bytes, extra).ok_or_else(differs)?;
    let equal = (crc, compressed, size) == (entry.crc, entry.compressed, entry.size);
    // With a descriptor the header may leave these open.
    let open = descriptor && crc == 0 && compressed == 0 && size == 0;
    if equal || open {
        Ok(content_start)
    } else {
        Err(differs())
    }
}

fn sizes(header: &[u8], extra: &[u8]) -> Option<(u64, u64)> {
    let (compressed, size) = (u32_at(header, 18), u32_at(header, 22));
    if compressed != u32::MAX && size != u32::MAX {
        return Some((compressed.into(), size.into()));
    }
    let (_, field) = extra_fields(extra).find(|(id, _)| *id == 1)?;
    // Here, unlike in the directory, both numbers must be present.
    (field.len() >= 16).then(|| (u64_at(field, 8), u64_at(field, 0)))
}

/// Unpacks an entry. `bytes` starts with the entry's own header and holds at
/// least the whole content.
pub(in crate::archive) fn extract(
    bytes: &[u8],
    entry: &Entry,
    max_size: u64,
) -> Result<Vec<u8>, ArchiveError> {
    if entry.is_encrypted() {
        return Err(malformed(format!(
            "the entry `{}` is encrypted",
            entry.name
        )));
    }
    if entry.size > max_size {
        return Err(ArchiveError::LimitExceeded(format!(
            "`{}` takes {} bytes, {max_size} are allowed",
            entry.name, entry.size
        )));
    }
    let damaged = || malformed(format!("the content of `{}` is damaged", entry.name));
    let start = check_header(bytes, entry)?;
    let packed = usize::try_from(entry.compressed)
        .ok()
        .and_then(|length| bytes[start..].get(..length))
        .ok_or_else(damaged)?;
    let content = match entry.method {
        STORED => packed.to_vec(),
        DEFLATED => inflate(packed, entry.size).ok_or_else(damaged)?,
        other => {
            let name = &entry.name;
            return Err(malformed(format!(
                "`{name}` is packed with the unsupported method {other}"
            )));
        }
    };
    let mut crc = Crc::new();
    crc.update(&content);
    if content.len() as u64 == entry.size && crc.sum() == entry.crc {
        Ok(content)
    } else {
        Err(damaged())
    }
}

/// Inflates to exactly `size` bytes, reading exactly what there is.
fn inflate(packed: &[u8], size: u64) -> Option<Vec<u8>> {
    let mut rest = packed;
    let mut content = Vec::new();
    // One byte more than promised is enough to notice a lie.
    DeflateDecoder::new(&mut rest)
        .take(size.saturating_add(1))
        .read_to_end(&mut content)
        .ok()?;
    (content.len() as u64 == size && rest.is_empty()).then_some(content)
}
