//! The database: users, indexes, what they hold, and the change log.
//!
//! [`Database`] is SQLite or PostgreSQL, by its address; nobody above can tell which. Reading
//! functions take a [`Connection`], writing ones a [`Transaction`]; they live in one module per
//! noun and know no rules, only rows. Rules, and which functions make up one operation, are the
//! app's business:
//!
//! ```ignore
//! let committed = database.write(origin, move |tx| async move {
//!     let (project, created) = projects::find_or_create(tx, index, &name).await?;
//!     …
//!     tx.record(Event::of_project(…));
//!     Ok::<_, DatabaseError>(project)
//! }.boxed()).await?;
//! ```
//!
//! How statements are written, how a table is added, and why there are two drivers:
//! `docs/database.md`.

pub mod blobs;
pub mod change_log;
pub mod documentation;
pub mod files;
pub mod indexes;
pub mod inventory;
pub mod mirrors;
pub mod projects;
pub mod releases;
pub mod settings;
pub mod test_results;
pub mod tokens;
pub mod tombstones;
pub mod users;

pub(crate) mod before_migration;
mod connection;
mod dialect;
mod error;
mod migrations;
mod postgres;
mod removal_lock;
pub(crate) mod snapshot;
mod sqlite;
mod statement;
mod transaction;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use cheeseshop_domain::{Clock, RecordedEvent, Serial};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sqlx::postgres::PgPool;

pub use before_migration::newest_before as newest_before_migration;
pub use connection::Connection;
pub use error::DatabaseError;
pub use migrations::names as migration_names;
pub use removal_lock::{RemovalLock, Turn};
pub use transaction::{Committed, Origin, Reader, Transaction};
pub use writer::{Committer, Observer, WriteStatistics};

use crate::config::{Address, DatabaseConfig};
use connection::Session;
use removal_lock::LockPlace;
use sqlite::{ReaderPool, SqliteSession};
use writer::{WriteQueue, WriteTarget};

/// How often an SQLite file is looked at for the commits of another process.
const SQLITE_POLL: Duration = Duration::from_secs(1);

/// An open database. Clones share everything.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    readers: Readers,
    writer: WriteQueue,
    removals: LockPlace,
}

enum Readers {
    Sqlite(ReaderPool),
    Postgres(PgPool),
}

impl Database {
    /// Opens the database, makes it if it is an SQLite file that does not exist, and brings its
    /// schema up to date.
    ///
    /// # Errors
    /// A file or server that cannot be used, a damaged file, a schema that is newer than this
    /// program, or an older one when the configuration forbids to change it.
    pub async fn open(
        config: &DatabaseConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DatabaseError> {
        let timeout = config.connect_timeout();
        let (target, readers, removals) = match config.address()? {
            Address::Sqlite(path) => (
                WriteTarget::Sqlite(path.clone()),
                Readers::Sqlite(ReaderPool::new(path.clone(), config.max_readers, timeout)),
                LockPlace::Files(path),
            ),
            Address::Postgres(url) => {
                let options = Box::new(postgres::options(&url)?);
                let pool = postgres::reader_pool((*options).clone(), config.max_readers, timeout);
                let removals = LockPlace::Postgres(options.clone(), timeout);
                (
                    WriteTarget::Postgres { options, timeout },
                    Readers::Postgres(pool),
                    removals,
                )
            }
        };
        let policy = if config.migrate {
            migrations::Policy::Apply {
                backups: config.migration_backups()?,
            }
        } else {
            migrations::Policy::Refuse
        };
        let queue_timeout = config.queue_timeout();
        let writer =
            writer::start(target, policy, clock, config.queue_length, queue_timeout).await?;
        Ok(Self(Arc::new(Inner {
            readers,
            writer,
            removals,
        })))
    }

    /// A read snapshot. Waits only for a free connection, never for a writer.
    ///
    /// # Errors
    /// [`DatabaseError::Busy`] when no connection becomes free in time,
    /// [`DatabaseError::Unavailable`] when the server cannot be reached.
    pub async fn reader(&self) -> Result<Reader, DatabaseError> {
        let session = match &self.0.readers {
            Readers::Sqlite(pool) => Session::Sqlite(SqliteSession::There(pool.acquire().await?)),
            Readers::Postgres(pool) => Session::Postgres(postgres::begin_reader(pool).await?),
        };
        Ok(Reader::new(Connection::new(session)))
    }

    /// Runs `operation` in a transaction and answers when it is durable and all observers know.
    ///
    /// An operation that returns an error or panics leaves nothing behind. It must do nothing
    /// but call functions of this layer: everybody else's writes wait for it. After the failure
    /// of one of its statements it cannot do anything more. When the caller goes away before
    /// the operation's turn, it is not run.
    ///
    /// # Errors
    /// The operation's own error; otherwise, converted: [`DatabaseError::Busy`] when too many
    /// wait, [`DatabaseError::TransactionFailed`] when the transaction that the operation
    /// shared with others was lost.
    pub async fn write<T, E, F>(&self, origin: Origin, operation: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.0.writer.write(origin, operation).await
    }

    /// Has `observer` called with the events of every commit of this process, after the commit
    /// and before anybody is told of it. Events of other processes that this process meets when
    /// it writes come first. Serials are in order; after trouble some may come again, none is
    /// missed. The observer holds up all writers: it must be quick and must not block.
    pub fn observe(&self, observer: impl Fn(&[RecordedEvent], Committer) + Send + Sync + 'static) {
        self.0.writer.shared.observe(Box::new(observer));
    }

    /// The newest serial in the database, whoever wrote it.
    pub async fn head(&self) -> Result<Serial, DatabaseError> {
        match &self.0.readers {
            Readers::Sqlite(_) => change_log::head(&mut *self.reader().await?).await,
            Readers::Postgres(pool) => {
                // One statement needs no transaction, and no round trips for one.
                let serial = sqlx::query_scalar("SELECT serial FROM change_log_head")
                    .fetch_one(pool)
                    .await?;
                Ok(Serial(serial))
            }
        }
    }

    /// Whether other nodes may write at any time (PostgreSQL), so that whoever answers from a
    /// cache must ask for the [head](Self::head) first.
    pub fn is_shared(&self) -> bool {
        matches!(self.0.readers, Readers::Postgres(_))
    }

    /// Serials that others may have committed: hints to read the log. On PostgreSQL they come
    /// with the commits (LISTEN/NOTIFY), own ones included, and once at the beginning and after
    /// each lost connection. An SQLite file is looked at every second for commits of another
    /// process, such as `cheeseshop passwd`.
    pub fn listen(&self) -> BoxStream<'static, Serial> {
        match &self.0.readers {
            Readers::Postgres(pool) => postgres::listen(pool.clone()),
            Readers::Sqlite(_) => poll(Arc::downgrade(&self.0)),
        }
    }

    /// Takes the turn to remove blobs that no row refers to: as long as the result lives, no backup is made.
    ///
    /// # Errors
    /// [`DatabaseError::RemovalsHeld`] when backups take longer than the caller waits.
    pub async fn turn_to_remove(&self, turn: Turn) -> Result<RemovalLock, DatabaseError> {
        RemovalLock::remove(&self.0.removals, turn).await
    }

    /// Counts of what has been written since the start.
    pub fn write_statistics(&self) -> WriteStatistics {
        self.0.writer.shared.statistics()
    }

    /// Finishes the queued writes and closes all connections. Everything after fails with
    /// [`DatabaseError::Closed`].
    pub async fn close(&self) {
        match &self.0.readers {
            Readers::Sqlite(pool) => pool.close(),
            Readers::Postgres(pool) => pool.close().await,
        }
        self.0.writer.close().await;
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.0.readers {
            Readers::Sqlite(_) => "SQLite",
            Readers::Postgres(_) => "PostgreSQL",
        };
        formatter.debug_tuple("Database").field(&kind).finish()
    }
}

/// A limit as a parameter; more than the databases can count is no limit.
fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A size as a parameter. No file comes near the limit of nine exabytes.
fn size(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn poll(database: std::sync::Weak<Inner>) -> BoxStream<'static, Serial> {
    stream::unfold((database, Serial(0)), |(weak, told)| async move {
        loop {
            tokio::time::sleep(SQLITE_POLL).await;
            let database = Database(weak.upgrade()?);
            match database.head().await {
                Ok(head) if head > told.max(database.0.writer.shared.known()) => {
                    return Some((head, (weak, head)));
                }
                Ok(_) => {}
                Err(DatabaseError::Closed) => return None,
                Err(error) => tracing::debug!(%error, "the head cannot be read"),
            }
        }
    })
    .boxed()
}
