//! Test results: what `devpi test` (tox) said of a file.
//!
//! A result belongs to one file and stands in that file's directory. Its bytes are kept as they
//! were sent; [`TestReport`] reads what a person wants to know of them.

mod read;
mod report;

use cheeseshop_packaging::{
    filename::{FileName, FileNameError},
    hash::Sha256,
};
use jiff::Timestamp;

use crate::{FileId, FilePath, IndexId, LogEntry, TestResultId};

pub use report::{
    TestCommand, TestEnvironment, TestOutcome, TestPhase, TestReport, TestReportError,
};

/// What stands between the name of a file and the time of a result.
const MARK: &str = ".toxresult-";

/// A test result of a file on a hosted index; not its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResult {
    /// Its identity; later results have larger ones.
    pub id: TestResultId,
    /// The file that was tested.
    pub file: FileId,
    /// The digest of that file, in whose directory the result stands.
    pub file_sha256: Sha256,
    /// The index.
    pub index: IndexId,
    /// Its base name, see [`TestResult::name_for`].
    pub name: FileName,
    /// The digest of its own bytes, which names the blob.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// When it came to this index, or to the index that it was pushed from.
    pub uploaded: Timestamp,
    /// How it came here, oldest first.
    pub log: Vec<LogEntry>,
}

impl TestResult {
    /// devpi's name for a result: `<file>.toxresult-<YYYYMMDDHHMMSS>-<n>`, the time in UTC, `n` the
    /// number of results that the file has already.
    ///
    /// # Errors
    /// A name that is longer than a file name may be.
    pub fn name_for(
        file: &FileName,
        when: Timestamp,
        number: usize,
    ) -> Result<FileName, FileNameError> {
        let when = when.strftime("%Y%m%d%H%M%S");
        FileName::parse(&format!("{file}{MARK}{when}-{number}"))
    }

    /// Whether a file of this name may be a test result.
    pub fn may_be_called(name: &FileName) -> bool {
        name.as_str().contains(MARK)
    }

    /// Where the result stands below its index: beside the file that it belongs to.
    pub fn path(&self) -> FilePath {
        FilePath::of_sha256(&self.file_sha256, self.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_named_after_file_time_and_number() {
        let file = FileName::parse("pkg-1.0.tar.gz").unwrap();
        let when: Timestamp = "2026-11-22T11:40:06.9Z".parse().unwrap();
        let name = TestResult::name_for(&file, when, 3).unwrap();
        assert_eq!(name.as_str(), "pkg-1.0.tar.gz.toxresult-20261122114006-3");
        assert!(TestResult::may_be_called(&name));
        assert!(!TestResult::may_be_called(&file));
        let long = FileName::parse(&"x".repeat(255)).unwrap();
        assert!(TestResult::name_for(&long, when, 0).is_err());
    }
}
