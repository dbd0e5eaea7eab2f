//! What can go wrong in a use-case, told once for all faces.
//!
//! Each face spells these in its own way (status, envelope, reason phrase) with one
//! exhaustive `match`. A new variant needs a caller that acts on it.

use std::time::Duration;

use cheeseshop_storage::{BlobError, DatabaseError};

/// Why a use-case did not do what was asked.
///
/// The texts are meant for clients: they name the thing and the rule, never a secret and
/// never internal state. Only [`Error::Internal`] carries something that must stay here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thing does not exist, or is none of this caller's business.
    #[error("{0}")]
    NotFound(String),
    /// The thing existed and was removed later.
    #[error("{0}")]
    Gone(String),
    /// The caller is known (or identity would not help) and is not allowed to.
    #[error("{0}")]
    Forbidden(String),
    /// The caller is anonymous and credentials would help.
    #[error("{0}")]
    Unauthenticated(String),
    /// The request contradicts itself or a rule.
    #[error("{0}")]
    Invalid(String),
    /// The request contradicts what is already there.
    #[error("{0}")]
    Conflict(String),
    /// The index or the server does not take changes of this kind.
    #[error("{0}")]
    ReadOnly(String),
    /// Over a limit of size.
    #[error("{0}")]
    TooLarge(String),
    /// Too many failed attempts to log in.
    #[error("too many failed logins, try again in {} seconds", retry_after.as_secs().max(1))]
    Throttled {
        /// When the next attempt will be looked at.
        retry_after: Duration,
    },
    /// The upstream of a mirror did not answer, or not usably, and nothing is held that could
    /// stand in. The truth is unknown, so this is never spelled as "not found".
    #[error("{message}")]
    UpstreamFailed {
        /// What happened, without credentials.
        message: String,
        /// The upstream did not answer in time (504 rather than 502).
        timeout: bool,
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// More work is waiting than the server accepts, or the database or the store of files is
    /// away for a moment.
    #[error("the server is busy, try again")]
    Busy,
    /// The disk, or what was granted of it, is used up. Nothing of the request was kept.
    #[error("the server has no space left; nothing was changed, and its operator has to make room")]
    NoSpace,
    /// Something of ours failed. The source goes to the log, never to a client.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps a failure that clients must not see.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl From<DatabaseError> for Error {
    fn from(error: DatabaseError) -> Self {
        if error.is_full() {
            no_space(&error)
        } else if error.is_temporary() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the database does not answer for the moment"
            );
            Self::Busy
        } else {
            Self::internal(error)
        }
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full { .. } => no_space(&error),
            BlobError::Remote { .. } | BlobError::Timeout { .. } => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the store of files does not answer for the moment"
                );
                Self::Busy
            }
            other => Self::internal(other),
        }
    }
}

/// Tells the operator where, which is none of the client's business.
fn no_space(error: &(dyn std::error::Error + 'static)) -> Error {
    tracing::error!(error, "no space is left");
    Error::NoSpace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_away_is_no_failure_of_ours() {
        let place = || "key".to_owned();
        for (error, busy) in [
            (
                BlobError::Remote {
                    action: "read",
                    place: place(),
                    source: "503".into(),
                },
                true,
            ),
            (
                BlobError::Timeout {
                    action: "read",
                    place: place(),
                },
                true,
            ),
            (
                BlobError::Corrupted {
                    place: place(),
                    found: String::new(),
                },
                false,
            ),
        ] {
            let text = error.to_string();
            assert_eq!(matches!(Error::from(error), Error::Busy), busy, "{text}");
        }
    }
}
