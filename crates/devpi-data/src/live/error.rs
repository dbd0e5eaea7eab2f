//! Why following ends.

use std::path::PathBuf;

use cheeseshop_app::import::ImportError;

use crate::change_log::EntryError;

/// Why a running devpi-server cannot be followed (any further). What was taken in stays, and
/// following can be started again, unless the text says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The address is not usable.
    #[error("{0}")]
    Url(&'static str),
    /// The secret is not one of devpi-server's.
    #[error(
        "the secret has less than 32 bytes, so it is not the content of devpi-server's secret file"
    )]
    ShortSecret,
    /// Deriving the key failed.
    #[error("no key can be made of the secret: {0}")]
    Key(String),
    /// What answers is not devpi-server.
    #[error("{url} is no devpi-server: its answer has no X-DEVPI-PRIMARY-UUID")]
    NotDevpi {
        /// The address.
        url: String,
    },
    /// What answers is a replica.
    #[error("{url} is a replica: follow its primary instead")]
    Replica {
        /// The address.
        url: String,
    },
    /// The endpoints are off.
    #[error(
        "{url} does not let itself be followed: restart it with `--role primary` and \
         `--secretfile FILE`, and give us the same file"
    )]
    NotPrimary {
        /// The address.
        url: String,
    },
    /// It does not believe us.
    #[error(
        "{url} does not accept our secret ({reason}): give us the very file that it was started \
         with as `--secretfile` (without that option it makes up a secret at every start), and \
         the same --argon2-… options if it was given any"
    )]
    WrongSecret {
        /// The address.
        url: String,
        /// What it said.
        reason: String,
    },
    /// It finds our proof too old.
    #[error(
        "{url} says that our proof of identity has expired: the clocks of the two machines differ"
    )]
    Clock {
        /// The address.
        url: String,
    },
    /// Another server's state is in our file.
    #[error(
        "{url} is not the server that was followed until now (it is {found}, that was {known}): \
         to begin anew with it, remove {}", state.display()
    )]
    AnotherServer {
        /// The address.
        url: String,
        /// The uuid that answers.
        found: String,
        /// The uuid that was followed.
        known: String,
        /// Our file.
        state: PathBuf,
    },
    /// The server was set back to an earlier state.
    #[error(
        "{url} ends at commit {head}, but was followed up to commit {serial} already: it was \
         restored from a backup. To begin anew with it, remove {}", state.display()
    )]
    SetBack {
        /// The address.
        url: String,
        /// Its last commit.
        head: u64,
        /// Ours.
        serial: u64,
        /// Our file.
        state: PathBuf,
    },
    /// The server refuses in another way.
    #[error("{url} answers {status}: {text}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// The text, shortened.
        text: String,
    },
    /// The server cannot be reached, or stopped in the middle of an answer. Worth another try.
    #[error("{url} cannot be asked: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// An entry of the change log cannot be understood.
    #[error("commit {serial} of the devpi-server cannot be understood")]
    Entry {
        /// The commit.
        serial: u64,
        /// What is wrong with it.
        source: EntryError,
    },
    /// Our file cannot be used.
    #[error("{} cannot be used", path.display())]
    Store {
        /// Our file.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was read cannot be kept.
    #[error(transparent)]
    Import(#[from] ImportError),
}

impl FollowError {
    /// Whether the same request may well succeed later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }
}
