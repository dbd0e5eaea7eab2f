//! What can go wrong with the database, in the terms of those who act on it.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// A boxed cause, printed by whoever logs the chain.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// An error of the database layer. Its text is for operators, never for clients.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A row with the same unique key is there.
    #[error("already exists")]
    AlreadyExists,
    /// A row names another one that is not there, or is still named by one.
    #[error("a row that this one depends on is missing, or it is still in use")]
    Referenced,
    /// The row that a statement must find is not there.
    #[error("not found")]
    NotFound,
    /// Too many operations wait, or another process holds the database.
    #[error("the database is busy")]
    Busy,
    /// [`Database::close`](super::Database::close) has been called.
    #[error("the database is closed")]
    Closed,
    /// A newer release of the program has changed the schema.
    #[error(
        "the database was made by a newer cheeseshop (its migration `{migration}` is unknown \
         here); install that release again, or restore a backup"
    )]
    NewerSchema {
        /// The first migration that this program does not know.
        migration: String,
    },
    /// Migrations are needed and the configuration forbids them.
    #[error("the database needs {} migration(s), the first is `{}`", .0.len(), .0.first().map_or("", String::as_str))]
    PendingMigrations(Vec<String>),
    /// The copy that is made before a migration could not be; nothing was changed.
    #[error("the backup before the migration cannot be made in `{}`", path.display())]
    BackupFailed {
        /// The directory for it.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A migration failed; nothing of it was kept.
    #[error("migration `{name}` failed")]
    MigrationFailed {
        /// The name of the migration.
        name: String,
        /// Why.
        #[source]
        source: Box<DatabaseError>,
    },
    /// The file is damaged or is no database.
    #[error("the database file is damaged or is no SQLite database; restore a backup")]
    Corrupted(#[source] Cause),
    /// The file or its directory cannot be used.
    #[error("cannot use the database file `{}`", path.display())]
    NotAccessible {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The file or its directory is read-only.
    #[error("the database is read-only")]
    ReadOnly(#[source] Cause),
    /// The disk is full.
    #[error("no space is left for the database")]
    Full(#[source] Cause),
    /// The server cannot be reached or ended the connection.
    #[error("the database server is unavailable")]
    Unavailable(#[source] Cause),
    /// A backup is being made while garbage is to be collected, or the reverse.
    #[error("{under_way} by {by}; nothing was done after a wait of {waited} seconds")]
    RemovalsHeld {
        /// What the others do.
        under_way: &'static str,
        /// Who they are.
        by: String,
        /// How long they were waited for.
        waited: u64,
    },
    /// The connection that held the lock of removals has ended, and somebody else may have it.
    #[error(
        "the connection that keeps backups and garbage collections apart was lost, and another one \
         may have begun"
    )]
    RemovalsLost(#[source] Cause),
    /// The configuration makes no sense.
    #[error("{0}")]
    Configuration(String),
    /// A stored value cannot be read back.
    #[error("column {column} holds an unexpected value: {problem}")]
    InvalidValue {
        /// Position in the row, from 0.
        column: usize,
        /// What was found.
        problem: String,
    },
    /// The operation went on after one of its statements had failed.
    #[error("a statement failed earlier in this operation")]
    Aborted,
    /// The operation panicked; it was rolled back.
    #[error("the write operation panicked")]
    OperationPanicked,
    /// The operation waited for something foreign; it was rolled back.
    #[error("the write operation took too long")]
    OperationTimedOut,
    /// The transaction that held this operation and others could not be finished. None of
    /// them is stored.
    #[error("the transaction failed")]
    TransactionFailed(#[source] Arc<DatabaseError>),
    /// Anything else that the database says.
    #[error("the database reports an error")]
    Other(#[source] Cause),
}

impl DatabaseError {
    /// Whether the same request may succeed a little later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Busy | Self::Unavailable(_) | Self::OperationTimedOut => true,
            Self::TransactionFailed(error) => error.is_temporary(),
            _ => false,
        }
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full(_) => true,
            Self::TransactionFailed(error) => error.is_full(),
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        use rusqlite::ffi;

        let Some(failure) = error.sqlite_error() else {
            return Self::Other(Box::new(error));
        };
        match failure.code {
            ErrorCode::ConstraintViolation => match failure.extended_code {
                ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_ROWID => Self::AlreadyExists,
                ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Self::Referenced,
                _ => Self::Other(Box::new(error)),
            },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                Self::Corrupted(Box::new(error))
            }
            ErrorCode::ReadOnly => Self::ReadOnly(Box::new(error)),
            ErrorCode::DiskFull => Self::Full(Box::new(error)),
            _ => Self::Other(Box::new(error)),
        }
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        let Some(reported) = error.as_database_error() else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Self::Unavailable(Box::new(error)),
                sqlx::Error::Configuration(cause) => Self::Configuration(cause.to_string()),
                sqlx::Error::RowNotFound => Self::NotFound,
                _ => Self::Other(Box::new(error)),
            };
        };
        if reported.is_unique_violation() {
            return Self::AlreadyExists;
        }
        if reported.is_foreign_key_violation() {
            return Self::Referenced;
        }
        // Codes of appendix A of PostgreSQL's manual: class 08 = connection, 57P = operator
        // intervention (the server stops), 28 = refused login, 3D = no such database.
        let code = reported.code().unwrap_or_default().into_owned();
        match code.as_str() {
            "40001" | "40P01" | "55P03" => Self::Busy,
            "25006" => Self::ReadOnly(Box::new(error)),
            "53100" => Self::Full(Box::new(error)),
            "25P03" | "53300" => Self::Unavailable(Box::new(error)),
            other
                if ["08", "57", "28", "3D"]
                    .iter()
                    .any(|class| other.starts_with(class)) =>
            {
                Self::Unavailable(Box::new(error))
            }
            _ => Self::Other(Box::new(error)),
        }
    }
}
