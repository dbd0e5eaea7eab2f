//! What can go wrong with backups.

use std::io;
use std::path::{Path, PathBuf};

use crate::{BlobError, DatabaseError};

/// Why a backup could not be made, looked at or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file system is used up.
    #[error("no space left at `{}`", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system failed or forbids it.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// File or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process makes or removes backups in this directory.
    #[error("`{}` is in use by {by}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who works in it.
        by: String,
    },
    /// There is no backup where one was looked for.
    #[error("`{}` holds no backup", .0.display())]
    NoBackup(PathBuf),
    /// The manifest cannot be understood.
    #[error("`{}` cannot be read as the manifest of a backup: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A newer release has made it.
    #[error(
        "the backup was made by a newer cheeseshop ({version}): {reason}; install that release and \
         restore with it"
    )]
    Newer {
        /// The release that made it.
        version: String,
        /// What is unknown here.
        reason: String,
    },
    /// Something in the backup is not as it was written.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// The place to restore to has something in it.
    #[error("`{}` is not empty (it has `{found}`)", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One thing in it.
        found: String,
    },
    /// Backup and settings do not go together.
    #[error("{0}")]
    Mismatch(String),
    /// A program of PostgreSQL is missing.
    #[error("`{program}` is not there: {source}")]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A program of PostgreSQL failed.
    #[error("`{program}` failed: {message}")]
    ProgramFailed {
        /// Its name.
        program: &'static str,
        /// What it said last, without secrets.
        message: String,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The store of blobs.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

impl BackupError {
    /// An error of the file system, in terms of what was tried.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source }
            }
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    /// A thread that did not come back.
    pub(super) fn worker(error: &tokio::task::JoinError) -> Self {
        Self::Io {
            action: "work on",
            path: PathBuf::from("worker thread"),
            source: io::Error::other(error.to_string()),
        }
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Blobs(BlobError::Full { .. }) => true,
            Self::Database(error) => error.is_full(),
            _ => false,
        }
    }
}
