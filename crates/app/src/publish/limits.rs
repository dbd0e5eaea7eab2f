//! The limits of an upload.

use cheeseshop_packaging::archive::ArchiveLimits;
use serde::Deserialize;

/// What an upload may cost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublishLimits {
    /// The largest file in bytes. devpi: 1 GiB.
    pub max_file_bytes: u64,
    /// All form fields together, in bytes, without the file.
    pub max_form_bytes: u64,
    /// Whether wheels and sdists are looked into: entries, RECORD, metadata.
    /// `.egg`, `.exe`, `.rpm` and other legacy formats never are.
    pub verify_archives: bool,
    /// How many archives are read at once.
    pub concurrent_inspections: usize,
    /// What reading an archive may cost.
    #[serde(skip)]
    pub archive: ArchiveLimits,
}

impl Default for PublishLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 1 << 30,
            max_form_bytes: 8 << 20,
            verify_archives: true,
            concurrent_inspections: 4,
            archive: ArchiveLimits::default(),
        }
    }
}

impl PublishLimits {
    /// Small limits, for tests that want to reach them.
    pub fn for_testing() -> Self {
        Self {
            max_file_bytes: 16 << 20,
            max_form_bytes: 1 << 20,
            ..Self::default()
        }
    }
}
