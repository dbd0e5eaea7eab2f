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
    /// Files and folders in an archive of documentation.
    pub max_documentation_entries: u64,
    /// Sum of the unpacked sizes of all files of an archive of documentation, in bytes. Such an
    /// archive is unpacked once, into nowhere, when it is uploaded.
    pub max_documentation_bytes: u64,
    /// The largest test result in bytes.
    pub max_test_result_bytes: u64,
    /// Test results that a file may have.
    pub max_test_results_per_file: usize,
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
            max_documentation_entries: 100_000,
            max_documentation_bytes: 2 << 30,
            max_test_result_bytes: 32 << 20,
            max_test_results_per_file: 1_000,
            archive: ArchiveLimits::default(),
        }
    }
}

impl PublishLimits {
    /// What reading an archive of documentation may cost.
    pub(crate) fn documentation_archive(&self) -> ArchiveLimits {
        ArchiveLimits {
            max_entries: self.max_documentation_entries,
            max_unpacked_bytes: self.max_documentation_bytes,
            ..self.archive
        }
    }

    /// Small limits, for tests that want to reach them.
    pub fn for_testing() -> Self {
        Self {
            max_file_bytes: 16 << 20,
            max_form_bytes: 1 << 20,
            max_documentation_bytes: 64 << 20,
            max_test_result_bytes: 64 << 10,
            max_test_results_per_file: 5,
            ..Self::default()
        }
    }
}
