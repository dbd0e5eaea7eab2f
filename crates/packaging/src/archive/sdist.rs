//! Sdists: `PKG-INFO`, and whether the archive is safe to unpack.

use std::io::{Read, Seek};

use super::zip::{self, ReadSeek};
use super::{ArchiveError, ArchiveLimits, tarball};
use crate::filename::FileName;

/// What was found in an sdist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdistContents {
    /// The `PKG-INFO` of the top folder. Old sdists have none.
    pub metadata: Option<Vec<u8>>,
}

/// Checks an sdist (`.tar.gz`, `.tgz` or `.zip`) and takes the metadata out
/// of it. Other kinds are not looked into and give no metadata.
///
/// No entry may leave the folder it is unpacked in, be it by its path or as
/// a link; devices and the like are refused. A `.tar.gz` is unpacked (to
/// nowhere) up to its end, so a truncated one is noticed.
pub fn inspect(
    mut reader: impl Read + Seek,
    name: &FileName,
    limits: &ArchiveLimits,
) -> Result<SdistContents, ArchiveError> {
    let reader: &mut dyn ReadSeek = &mut reader;
    let found = if name.has_suffix(".zip") {
        inspect_zip(reader, limits)?
    } else if name.has_suffix(".tar.gz") || name.has_suffix(".tgz") {
        tarball::inspect(reader, limits)?
    } else {
        return Ok(SdistContents { metadata: None });
    };
    Ok(SdistContents {
        metadata: choose(found, name),
    })
}

/// A `PKG-INFO` document and the top folder that it lies in.
pub(super) struct Found {
    pub(super) folder: String,
    pub(super) document: Vec<u8>,
}

/// The folder of an entry that is a top folder's `PKG-INFO`.
pub(super) fn folder_of(path: &str) -> Option<&str> {
    path.strip_suffix("/PKG-INFO")
        .filter(|folder| !folder.is_empty() && !folder.contains('/'))
}

/// More top folders than this with a `PKG-INFO` are refused.
pub(super) const MAX_FOUND: usize = 16;

/// The document of the folder named like the file, else the only one.
fn choose(mut found: Vec<Found>, name: &FileName) -> Option<Vec<u8>> {
    let named = found
        .iter()
        .position(|found| name.as_str().starts_with(&format!("{}.", found.folder)));
    match named {
        Some(position) => Some(found.swap_remove(position).document),
        None if found.len() == 1 => found.pop().map(|found| found.document),
        None => None,
    }
}

fn inspect_zip(
    reader: &mut dyn ReadSeek,
    limits: &ArchiveLimits,
) -> Result<Vec<Found>, ArchiveError> {
    let archive = zip::open(reader, limits)?;
    let mut found = Vec::new();
    for entry in &archive.entries {
        if entry.is_symlink() {
            return Err(ArchiveError::UnsafeEntry(entry.name.clone()));
        }
        let Some(folder) = folder_of(&entry.name) else {
            continue;
        };
        check_count(found.len())?;
        let max_size = limits.max_metadata_bytes;
        found.push(Found {
            folder: folder.to_owned(),
            document: zip::read_entry(reader, entry, archive.directory_start, max_size)?,
        });
    }
    Ok(found)
}

/// Refuses the seventeenth document.
pub(super) fn check_count(count: usize) -> Result<(), ArchiveError> {
    if count < MAX_FOUND {
        Ok(())
    } else {
        Err(ArchiveError::LimitExceeded(format!(
            "it has more than {MAX_FOUND} top folders with a `PKG-INFO`"
        )))
    }
}
