//! Wheels: the core metadata, and whether archive and `RECORD` agree.

use std::io::{Read, Seek};

use super::ranged::{RangedMetadata, RangedReader};
use super::zip::{self, Entry, ReadSeek};
use super::{ArchiveError, ArchiveLimits, record};
use crate::filename::{self, FileName};
use crate::name::ProjectName;
use crate::version::Version;

/// The largest `RECORD` read, in bytes: a hundred for each entry that the
/// default limits allow, and some.
const MAX_RECORD_LENGTH: u64 = 32 << 20;

/// What was found in a wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WheelContents {
    /// The `METADATA` document, exactly as it is in the wheel.
    pub metadata: Vec<u8>,
}

/// Checks a whole wheel and takes the metadata out of it.
///
/// Strict, for uploads. The file must be a ZIP file of one piece that all
/// readers read alike: no gaps, no second directory, no trailing data, own
/// headers as in the directory, no two entries of one name, no paths that
/// leave the folder. It must have exactly one `.dist-info` folder, the one
/// that the file name announces, with `METADATA`, and `RECORD` must list what
/// is there. Content other than those two is not unpacked.
pub fn inspect(
    mut reader: impl Read + Seek,
    name: &FileName,
    limits: &ArchiveLimits,
) -> Result<WheelContents, ArchiveError> {
    inspect_dyn(&mut reader, name, limits)
}

fn inspect_dyn(
    reader: &mut dyn ReadSeek,
    name: &FileName,
    limits: &ArchiveLimits,
) -> Result<WheelContents, ArchiveError> {
    let archive = zip::open(reader, limits)?;
    let announced = Announced::by(name)?;
    let folder = announced.only_folder(&archive.entries)?;
    let mut read = |file: &str, max_size: u64| {
        let path = format!("{folder}/{file}");
        match archive.entries.iter().find(|entry| entry.name == path) {
            None => Err(ArchiveError::NoMetadata(format!("there is no `{path}`"))),
            Some(entry) => zip::read_entry(reader, entry, archive.directory_start, max_size),
        }
    };
    let listed = read("RECORD", MAX_RECORD_LENGTH)?;
    let metadata = read("METADATA", limits.max_metadata_bytes)?;
    record::check(&listed, &format!("{folder}/RECORD"), &archive.entries)?;
    Ok(WheelContents { metadata })
}

/// Takes the metadata out of a wheel that was published elsewhere.
///
/// Lenient, for mirrors: whatever installers read is read, see
/// [`RangedReader`].
pub fn read_metadata(
    mut reader: impl Read + Seek,
    name: &FileName,
    limits: &ArchiveLimits,
) -> Result<Vec<u8>, ArchiveError> {
    let reader: &mut dyn ReadSeek = &mut reader;
    let total = zip::length(reader)?;
    let (mut ranged, mut range) = RangedReader::begin(total, name, limits)?;
    loop {
        let bytes = zip::read_range(reader, range.start, range.end - range.start)?;
        match ranged.feed(&bytes)? {
            RangedMetadata::Need(next) => range = next,
            RangedMetadata::Done(metadata) => return Ok(metadata),
        }
    }
}

/// What a wheel's file name says of its `.dist-info` folder.
pub(super) struct Announced {
    project: ProjectName,
    version: Version,
}

impl Announced {
    pub(super) fn by(name: &FileName) -> Result<Self, ArchiveError> {
        let (project, version) = name.guess().ok_or_else(|| {
            ArchiveError::NoMetadata(format!("`{name}` does not name a project and a version"))
        })?;
        Ok(Self { project, version })
    }

    /// The one `.dist-info` folder, without a slash. Installers refuse wheels
    /// with several.
    fn only_folder<'a>(&self, entries: &'a [Entry]) -> Result<&'a str, ArchiveError> {
        let mut folders: Vec<&str> = entries.iter().filter_map(folder).collect();
        folders.sort_unstable();
        folders.dedup();
        match folders[..] {
            [folder] if self.is_for(folder) => Ok(folder),
            [folder] => Err(ArchiveError::NoMetadata(format!(
                "`{folder}` does not belong to {} {}",
                self.project, self.version
            ))),
            [] => Err(ArchiveError::NoMetadata(
                "there is no `.dist-info` folder".into(),
            )),
            _ => Err(ArchiveError::NoMetadata(
                "there are several `.dist-info` folders".into(),
            )),
        }
    }

    /// The entry of `METADATA`: in the folder that the name announces, else
    /// in the only one.
    pub(super) fn metadata_entry<'a>(
        &self,
        entries: &'a [Entry],
    ) -> Result<&'a Entry, ArchiveError> {
        let candidates: Vec<(&str, &Entry)> = entries
            .iter()
            .filter_map(|entry| {
                let folder = entry.name.strip_suffix("/METADATA")?;
                (folder.ends_with(".dist-info") && !folder.contains('/')).then_some((folder, entry))
            })
            .collect();
        let announced = candidates.iter().find(|(folder, _)| self.is_for(folder));
        match (announced, &candidates[..]) {
            (Some((_, entry)), _) | (None, [(_, entry)]) => Ok(entry),
            (None, []) => Err(ArchiveError::NoMetadata("there is no `METADATA`".into())),
            (None, _) => Err(ArchiveError::NoMetadata(
                "there are several `METADATA`, none for this project".into(),
            )),
        }
    }

    fn is_for(&self, folder: &str) -> bool {
        let stem = folder.strip_suffix(".dist-info").unwrap_or(folder);
        filename::folder_version(stem, self.project.normalized())
            .is_some_and(|version| version.is_equivalent(&self.version))
    }
}

/// The `.dist-info` folder that an entry lies in.
fn folder(entry: &Entry) -> Option<&str> {
    let (folder, _) = entry.name.split_once('/')?;
    folder.ends_with(".dist-info").then_some(folder)
}
