//! What is inside distribution files, as far as an index looks: the core
//! metadata, and whether the archive is one that every reader reads alike.
//!
//! Archives are hostile until shown otherwise. Nothing is unpacked to disk;
//! every size is limited before memory is taken.

pub mod documentation;
pub mod ranged;
pub mod sdist;
pub mod wheel;

mod record;
mod tarball;
mod zip;

use std::io;

use crate::shown::shown;

pub use self::tarball::{TarContent, TarPacking, read_tarball};

/// How much an archive may ask of us. All sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Entries (files and folders) in the archive.
    pub max_entries: u64,
    /// Sum of the unpacked sizes of all entries.
    pub max_unpacked_bytes: u64,
    /// Unpacked size of one metadata document (`METADATA`, `PKG-INFO`).
    pub max_metadata_bytes: u64,
    /// Unpacked size divided by packed size, asked only of archives that
    /// unpack to more than 64 MiB (the rule of PyPI).
    pub max_ratio: u64,
}

impl Default for ArchiveLimits {
    /// 100,000 entries, 16 GiB unpacked, 10 MiB of metadata, ratio 50.
    fn default() -> Self {
        Self {
            max_entries: 100_000,
            max_unpacked_bytes: 16 << 30,
            max_metadata_bytes: 10 << 20,
            max_ratio: 50,
        }
    }
}

/// Why an archive was refused or could not be read.
///
/// The texts are for whoever uploads the file; what they repeat of it is cut
/// to one short line.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes do not make an archive of the announced kind, or make one
    /// that different readers read differently.
    #[error("the archive is damaged or ambiguous: {}", shown(.0))]
    Malformed(String),
    /// An entry's name would leave the archive, or is no name.
    #[error("the archive contains the unsafe entry `{}`", shown(.0))]
    UnsafeEntry(String),
    /// A limit of [`ArchiveLimits`] is exceeded.
    #[error("the archive exceeds a limit: {}", shown(.0))]
    LimitExceeded(String),
    /// `RECORD` and the archive's entries differ.
    #[error("the wheel does not match its RECORD: {}", shown(.0))]
    RecordMismatch(String),
    /// The metadata is absent or not where it belongs.
    #[error("no core metadata: {}", shown(.0))]
    NoMetadata(String),
    /// The bytes could not be read. Not the uploader's fault.
    #[error("the archive could not be read")]
    Io(#[source] io::Error),
}

/// Archives that unpack to less than this may be packed as well as they like.
const RATIO_MATTERS_FROM: u64 = 64 << 20;

/// Checks the size of all content against the limits.
fn check_unpacked(unpacked: u64, packed: u64, limits: &ArchiveLimits) -> Result<(), ArchiveError> {
    if unpacked > limits.max_unpacked_bytes {
        return Err(ArchiveError::LimitExceeded(format!(
            "it unpacks to more than {} bytes",
            limits.max_unpacked_bytes
        )));
    }
    if unpacked > RATIO_MATTERS_FROM && unpacked > packed.saturating_mul(limits.max_ratio) {
        return Err(ArchiveError::LimitExceeded(format!(
            "it unpacks to more than {} times its size",
            limits.max_ratio
        )));
    }
    Ok(())
}

/// Whether an entry may be unpacked at this path: a relative one that stays in its folder.
pub fn is_safe_path(path: &str) -> bool {
    check_path(path).is_ok()
}

/// A path that would leave the folder it is unpacked in, or is no path.
struct UnsafePath;

/// Checks a relative path with slashes between its parts.
fn check_path(path: &str) -> Result<(), UnsafePath> {
    let has_drive =
        path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    let is_safe = !has_drive
        && !path.contains(char::is_control)
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_safe { Ok(()) } else { Err(UnsafePath) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_inside_are_safe() {
        for path in ["a", "a/b", "a/.b", "a/..b", "a b/ü", "...", "c/d:e"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in [
            "", "/", "/a", "a/", "a//b", ".", "./a", "..", "../a", "a/..", "a/../b", "c:", "C:/a",
            "a\0b", "a\nb",
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn limits_hold_for_size_and_ratio() {
        let limits = ArchiveLimits {
            max_unpacked_bytes: 1 << 30,
            max_ratio: 50,
            ..ArchiveLimits::default()
        };
        for (unpacked, packed, fits) in [
            (0, 0, true),
            (RATIO_MATTERS_FROM, 1, true),
            (RATIO_MATTERS_FROM + 1, 1, false),
            (100 << 20, 2 << 20, true),
            (101 << 20, 2 << 20, false),
            (1 << 30, 1 << 30, true),
            ((1 << 30) + 1, 1 << 30, false),
            (u64::MAX, u64::MAX, false),
        ] {
            let result = check_unpacked(unpacked, packed, &limits);
            assert_eq!(result.is_ok(), fits, "{unpacked} {packed}");
        }
    }
}
