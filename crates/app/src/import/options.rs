//! What an import may do, and how it fails.

use cheeseshop_storage::{BlobError, DatabaseError, Taking};

use super::source::SourceError;
use crate::Error;

/// How an import goes about its work.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// How files on this machine get into the store.
    pub taking: Taking,
    /// Read and check everything, keep nothing.
    pub dry_run: bool,
    /// What happens to things that are here and differ.
    pub differing: Differing,
    /// Types of indexes that are left out, with their contents.
    pub skipped_index_types: Vec<String>,
    /// Indexes (`user/index`) that are left out, with their contents.
    pub skipped_indexes: Vec<String>,
    /// How many files are read at once.
    pub files_at_once: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            taking: Taking::Copy,
            dry_run: false,
            differing: Differing::Leave,
            skipped_index_types: Vec::new(),
            skipped_indexes: Vec::new(),
            files_at_once: 8,
        }
    }
}

impl ImportOptions {
    /// Why an index (`user/index`) that is of this type in the source is left out, if that was asked for.
    pub(super) fn leaves_out(&self, index: &str, kind: &str) -> Option<String> {
        if self.skipped_indexes.iter().any(|skipped| skipped == index) {
            return Some("this index".to_owned());
        }
        let skipped = self
            .skipped_index_types
            .iter()
            .any(|skipped| skipped == kind);
        skipped.then(|| format!("all indexes of type `{kind}`"))
    }
}

/// What happens to something that is here already and differs from the source's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Differing {
    /// Ours stays, and the report says so. Only the user `root` and the index `root/pypi` of an installation that holds
    /// nothing else give way.
    #[default]
    Leave,
    /// The source is right, also about what is gone there: for following a server that is still in use.
    Follow,
}

/// Why an import ended early. What was kept until then stays, and the import can be started again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nothing can be kept.
    #[error("what was read cannot be kept")]
    Keeping(#[source] Error),
}

impl From<Error> for ImportError {
    fn from(error: Error) -> Self {
        Self::Keeping(error)
    }
}

impl From<BlobError> for ImportError {
    fn from(error: BlobError) -> Self {
        Self::Keeping(error.into())
    }
}

impl From<DatabaseError> for ImportError {
    fn from(error: DatabaseError) -> Self {
        Self::Keeping(error.into())
    }
}
