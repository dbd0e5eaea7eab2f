//! What can go wrong with blobs.

use std::fmt::Display;
use std::io;

use cheeseshop_packaging::hash::Sha256;

/// Why a blob could not be kept, read or removed.
///
/// The texts name places (paths, keys) and are for the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The file system or the quota is used up; nothing was kept.
    #[error("no space left at `{place}`")]
    Full {
        /// Path of the file or directory.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system forbids it: wrong owner, wrong mode or mounted read-only.
    #[error("not permitted to {action} `{place}`")]
    Denied {
        /// What was tried, as a verb.
        action: &'static str,
        /// Path of the file or directory.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file system failed otherwise.
    #[error("cannot {action} `{place}`")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Path of the file or directory.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// The object store failed, refused or was silent, also after repeating the request.
    #[error("the object store did not {action} `{place}`")]
    Remote {
        /// What was tried, as a verb.
        action: &'static str,
        /// Bucket or key.
        place: String,
        /// What the store or the connection said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The object store did not answer within the configured time.
    #[error("the object store took too long to {action} `{place}`")]
    Timeout {
        /// What was tried, as a verb.
        action: &'static str,
        /// Bucket or key.
        place: String,
    },
    /// What was read is not what the name says.
    #[error("`{place}` does not hold the bytes that its name promises (found {found})")]
    Corrupted {
        /// Path or key.
        place: String,
        /// The digest of the bytes that were found, or their number when that differs already.
        found: String,
    },
    /// The blobs lie where no released version put them and would not be found.
    #[error(
        "`{place}` lies two directories deep, an older layout of this store: move every \
         `ab/cd/<digest>` to `ab/<digest>` and remove what is empty then"
    )]
    OldLayout {
        /// Path or key of the first one found.
        place: String,
    },
    /// The settings contradict each other or do not suffice.
    #[error("blob settings: {0}")]
    Config(String),
}

impl BlobError {
    pub(super) fn io(action: &'static str, place: impl Display, source: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let place = place.to_string();
        match source.kind() {
            StorageFull | QuotaExceeded => Self::Full { place, source },
            PermissionDenied | ReadOnlyFilesystem => Self::Denied {
                action,
                place,
                source,
            },
            _ => Self::Io {
                action,
                place,
                source,
            },
        }
    }

    pub(super) fn remote(
        action: &'static str,
        place: impl Display,
        source: object_store::Error,
    ) -> Self {
        Self::Remote {
            action,
            place: place.to_string(),
            source: Box::new(source),
        }
    }

    pub(super) fn corrupted(place: impl Display, found: Sha256) -> Self {
        Self::Corrupted {
            place: place.to_string(),
            found: found.to_string(),
        }
    }

    pub(super) fn old_layout(place: impl Display) -> Self {
        Self::OldLayout {
            place: place.to_string(),
        }
    }

    /// A worker thread did not come back: the runtime is stopping, or a bug made it panic.
    pub(super) fn worker(action: &'static str, error: &tokio::task::JoinError) -> Self {
        Self::Io {
            action,
            place: "worker thread".to_owned(),
            source: io::Error::other(error.to_string()),
        }
    }
}
