//! How a command ends that did not do what was asked.

use crate::Error;

/// Why a command stops, in one clear message, and with which exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What to tell; empty when all is told already.
    pub message: String,
    /// The exit code: 1 the answer is no (devpi-client's only one), 2 could not try.
    pub code: u8,
}

impl Failure {
    /// devpi-client's way to stop: a message and exit code 1.
    pub(crate) fn fatal(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    /// The command line makes no sense: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
        }
    }

    /// All is told already; only the exit code is left to give.
    pub(crate) fn told() -> Self {
        Self::fatal("")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::fatal(error.chain())
    }
}
