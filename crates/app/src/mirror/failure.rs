//! What a flight that went wrong tells each of those who waited for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::upstream::UpstreamError;
use crate::Error;

/// How long an upstream that failed is left alone.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause that an upstream can ask for (`Retry-After`).
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A failure that can be told to many. The texts are for clients.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The truth is unknown.
    Upstream {
        message: Arc<str>,
        timeout: bool,
        retry_after: Duration,
    },
    NotFound(Arc<str>),
    Conflict(Arc<str>),
    TooLarge(Arc<str>),
    Busy,
    NoSpace,
    Internal(Shared),
}

impl Failure {
    /// What an upstream did while `what` was wanted, such as "the listing of `flask`".
    pub(super) fn upstream(error: &UpstreamError, what: &str) -> Self {
        if let UpstreamError::TooLarge { limit } = error {
            return Self::TooLarge(
                format!("{what} has more than {limit} bytes at the upstream").into(),
            );
        }
        Self::Upstream {
            message: format!("{error} while getting {what}").into(),
            timeout: error.is_timeout(),
            retry_after: pause_after(error),
        }
    }

    pub(super) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Shared(Arc::from(error.into())))
    }

    /// A flight that ended without saying how: its task panicked or the runtime is stopping.
    pub(super) fn lost() -> Self {
        Self::internal("a flight ended without an answer")
    }

    /// The same failure told later: the pause has become shorter.
    pub(super) fn told_at(self, now: Timestamp, until: Timestamp) -> Self {
        match self {
            Self::Upstream {
                message, timeout, ..
            } => Self::Upstream {
                message,
                timeout,
                retry_after: Duration::try_from(until.duration_since(now))
                    .unwrap_or_default()
                    .max(Duration::from_secs(1)),
            },
            other => other,
        }
    }
}

/// How long to leave an upstream alone after this.
pub(super) fn pause_after(error: &UpstreamError) -> Duration {
    error
        .retry_after()
        .unwrap_or(RETRY_PAUSE)
        .clamp(RETRY_PAUSE, LONGEST_PAUSE)
}

/// A moment so much later than another; the end of time at most.
pub(super) fn later(moment: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| moment.saturating_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Upstream {
                message,
                timeout,
                retry_after,
            } => Self::UpstreamFailed {
                message: message.as_ref().to_owned(),
                timeout,
                retry_after,
            },
            Failure::NotFound(message) => Self::NotFound(message.as_ref().to_owned()),
            Failure::Conflict(message) => Self::Conflict(message.as_ref().to_owned()),
            Failure::TooLarge(message) => Self::TooLarge(message.as_ref().to_owned()),
            Failure::Busy => Self::Busy,
            Failure::NoSpace => Self::NoSpace,
            Failure::Internal(source) => Self::internal(source),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(message) => Self::NotFound(message.into()),
            Error::Conflict(message) => Self::Conflict(message.into()),
            Error::TooLarge(message) => Self::TooLarge(message.into()),
            Error::UpstreamFailed {
                message,
                timeout,
                retry_after,
            } => Self::Upstream {
                message: message.into(),
                timeout,
                retry_after,
            },
            Error::Busy => Self::Busy,
            Error::NoSpace => Self::NoSpace,
            Error::Internal(source) => Self::Internal(Shared(Arc::from(source))),
            other => Self::internal(other),
        }
    }
}

impl From<cheeseshop_storage::DatabaseError> for Failure {
    fn from(error: cheeseshop_storage::DatabaseError) -> Self {
        Error::from(error).into()
    }
}

impl From<cheeseshop_storage::BlobError> for Failure {
    fn from(error: cheeseshop_storage::BlobError) -> Self {
        Error::from(error).into()
    }
}

/// One error with several owners.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<dyn std::error::Error + Send + Sync>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
