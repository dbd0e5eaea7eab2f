//! Where imported data comes from.

use cheeseshop_storage::ByteStream;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::model::{Index, Project, User};
use super::report::Report;

/// Another server's data: a dump, a directory, a running server.
///
/// Users and indexes are few and are read at once; contents come project by project, so that no more than one project
/// of a source sits in memory. What a source cannot read it writes into the report as skipped, and goes on; an error
/// means that going on makes no sense.
pub trait Source: Send + Sync {
    /// What it is, for people: `the export /srv/export`.
    fn describe(&self) -> String;

    /// All users.
    fn users<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<User>, SourceError>>;

    /// All indexes of any type, in any order.
    fn indexes<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<Index>, SourceError>>;

    /// How many projects an index has, for progress; `None` when that would cost a walk.
    fn count_projects(&self, index: &Index) -> Option<u64>;

    /// The projects of an index, one after the other, each once.
    fn projects<'a>(
        &'a self,
        index: &'a Index,
        report: &'a Report,
    ) -> BoxStream<'a, Result<Project, SourceError>>;

    /// Opens what [`super::model::Content::Remote`] names.
    ///
    /// # Errors
    /// The bytes cannot be had; that skips one item, not the import.
    fn open<'a>(&'a self, location: &'a str) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        Box::pin(async move { Err(SourceError::new(format!("{location} cannot be read"))) })
    }

    /// What has to be said once everything was read, such as files that belong to no project.
    fn finish(&self, _report: &Report) {}
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    message: String,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SourceError {
    /// An error with a text for the operator.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            cause: None,
        }
    }

    /// An error that another one caused.
    pub fn caused_by(
        message: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            cause: Some(cause.into()),
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
