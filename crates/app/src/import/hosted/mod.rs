//! Projects of hosted indexes.

mod attachments;
mod gone;
mod here;
mod metadata;
mod prepare;
mod write;

use std::sync::Arc;

use cheeseshop_domain::{FileId, JsonMap, LogEntry, ReleaseId, TestResultId};
use cheeseshop_packaging::{FileName, ProjectName, Sha256, Version, Yanked};
use cheeseshop_storage::StoredBlob;
use jiff::Timestamp;

pub(super) use self::metadata::{text, yanked};

use super::importer::Target;
use super::report::Entry;

/// Rows of one project that are about to be written.
pub(super) struct Ready {
    target: Arc<Target>,
    name: ProjectName,
    releases: Vec<ReadyRelease>,
    files: Vec<ReadyFile>,
    documentation: Vec<ReadyAttachment<Version>>,
    results: Vec<ReadyAttachment<FileName>>,
    /// What goes, where the source is followed.
    gone: Gone,
    /// What is reported once this is written.
    entries: Vec<Entry>,
}

/// A version with its metadata, new or other than before.
struct ReadyRelease {
    version: Version,
    metadata: JsonMap,
}

/// A file, new or with other bytes than before.
struct ReadyFile {
    name: FileName,
    version: Version,
    blob: StoredBlob,
    requires_python: Option<String>,
    yanked: Yanked,
    core_metadata: Option<StoredBlob>,
    uploaded: Timestamp,
    log: Vec<LogEntry>,
}

/// Documentation of a version, or a test result of a file.
struct ReadyAttachment<T> {
    /// What it belongs to.
    of: T,
    name: FileName,
    blob: StoredBlob,
    uploaded: Timestamp,
    log: Vec<LogEntry>,
}

/// What the source does not have any more.
#[derive(Default)]
struct Gone {
    /// Everything.
    project: bool,
    files: Vec<(FileId, FileName, Version, Sha256)>,
    documentation: Vec<(ReleaseId, Version)>,
    results: Vec<TestResultId>,
    releases: Vec<(ReleaseId, Version)>,
}

impl Gone {
    fn is_empty(&self) -> bool {
        !self.project
            && self.files.is_empty()
            && self.documentation.is_empty()
            && self.results.is_empty()
            && self.releases.is_empty()
    }
}

impl Ready {
    pub(super) fn weight(&self) -> usize {
        let text: usize = self
            .releases
            .iter()
            .map(|release| metadata::size(&release.metadata))
            .sum();
        1 + self.releases.len()
            + self.files.len() * 2
            + self.documentation.len()
            + self.results.len()
            + text / 4096
    }
}
