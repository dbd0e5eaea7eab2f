//! Archives of documentation: whether they are safe, and their pages one by
//! one, straight out of the archive.
//!
//! An archive is checked as a whole when it is uploaded ([`inspect`]). To
//! serve it, a [`DirectoryReader`] finds out what pages there are and a
//! [`PageReader`] unpacks one of them as its bytes arrive; both say which bytes
//! they want and are fed with them, so that nothing is ever unpacked to disk and
//! the archive may lie anywhere.

mod directory;
mod page;

use std::io::{Read, Seek, SeekFrom};

use super::zip::{self, Entry, ReadSeek};
use super::{ArchiveError, ArchiveLimits};

pub use self::directory::{DirectoryReader, DocumentationPages, RangedDirectory};
pub use self::page::{Page, PageReader, Unpacked};

/// Bytes per read while an archive is checked.
const CHUNK: usize = 64 << 10;

/// The parts of a Unix mode that tell the type, and the two types accepted.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// Checks a whole archive of documentation.
///
/// Strict, for uploads. The file must be a ZIP file of one piece that all
/// readers read alike, without links, devices, encrypted entries, two entries
/// of one name or paths that leave the folder it is unpacked in. Every entry is
/// unpacked once, into nowhere, and must have the size and checksum that the
/// directory tells: an archive that passes can be served to its last page.
///
/// Takes as long as unpacking, and memory for the directory.
pub fn inspect(
    mut reader: impl Read + Seek,
    limits: &ArchiveLimits,
) -> Result<DocumentationPages, ArchiveError> {
    inspect_dyn(&mut reader, limits)
}

fn inspect_dyn(
    reader: &mut dyn ReadSeek,
    limits: &ArchiveLimits,
) -> Result<DocumentationPages, ArchiveError> {
    let archive = zip::open(reader, limits)?;
    for entry in &archive.entries {
        check_type(entry)?;
    }
    let mut buffers = Buffers::new();
    for (entry, page) in directory::with_pages(&archive.entries, archive.directory_start) {
        let page = page.ok_or_else(|| {
            ArchiveError::Malformed(format!(
                "`{}` is packed with the unsupported method {}",
                entry.name, entry.method
            ))
        })?;
        check_content(reader, &page, &mut buffers).map_err(|error| named(error, &entry.name))?;
    }
    Ok(DocumentationPages::of(
        &archive.entries,
        archive.directory_start,
    ))
}

fn check_type(entry: &Entry) -> Result<(), ArchiveError> {
    let mode = entry.unix_mode.unwrap_or_default();
    match mode & TYPE {
        0 | REGULAR | FOLDER => Ok(()),
        // Where a link would lead is up to whoever unpacks it.
        _ => Err(ArchiveError::UnsafeEntry(entry.name.clone())),
    }
}

/// Room for packed and for unpacked bytes, used for one page after the other.
struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Buffers {
    fn new() -> Self {
        Self {
            input: vec![0; CHUNK],
            output: vec![0; CHUNK],
        }
    }
}

/// Unpacks a page and throws it away.
fn check_content(
    reader: &mut dyn ReadSeek,
    page: &Page,
    Buffers { input, output }: &mut Buffers,
) -> Result<(), ArchiveError> {
    let range = page.range();
    reader
        .seek(SeekFrom::Start(range.start))
        .map_err(ArchiveError::Io)?;
    let mut packed = reader.take(range.end - range.start);
    let mut unpacking = PageReader::new(page);
    while !unpacking.is_finished() {
        let read = packed.read(input).map_err(ArchiveError::Io)?;
        let mut rest = &input[..read];
        loop {
            let unpacked = unpacking.unpack(rest, output)?;
            rest = &rest[unpacked.consumed..];
            if unpacking.is_finished() || (rest.is_empty() && unpacked.produced == 0) {
                break;
            }
        }
        if read == 0 && !unpacking.is_finished() {
            return Err(ArchiveError::Malformed("it ends too early".into()));
        }
    }
    Ok(())
}

fn named(error: ArchiveError, name: &str) -> ArchiveError {
    match error {
        ArchiveError::Malformed(reason) => ArchiveError::Malformed(format!("`{name}`: {reason}")),
        other => other,
    }
}
