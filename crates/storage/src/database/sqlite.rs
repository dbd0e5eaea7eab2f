//! SQLite: how connections are opened, and the threads that readers run on.
//!
//! SQLite's calls block. The writer owns a thread (see [`super::writer`]) and calls SQLite
//! directly on it. A reader sends each of its statements to the thread of its connection and
//! waits for all rows at once, so that no thread of the runtime ever waits for a disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::DatabaseError;

/// Another process that writes (`cheeseshop passwd`) is waited for this long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Prepared statements kept per connection; more than this crate has texts.
const STATEMENT_CACHE: usize = 200;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A connection as a statement meets it.
#[derive(Debug)]
pub(crate) enum SqliteSession {
    /// The writer's: the caller is on the connection's own thread. Boxed for its size.
    Here(Box<Connection>),
    /// A reader's: on its own thread.
    There(ReaderLease),
}

/// The connections that readers share.
#[derive(Debug)]
pub(crate) struct ReaderPool {
    path: PathBuf,
    free: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<ReaderThread>>>,
    timeout: Duration,
}

#[derive(Debug)]
struct ReaderThread {
    jobs: mpsc::Sender<Job>,
}

/// A reader's hold on one connection: a read snapshot that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ReaderLease {
    /// Only `None` while being dropped.
    thread: Option<ReaderThread>,
    idle: Arc<Mutex<Vec<ReaderThread>>>,
    has_snapshot: bool,
    permit: OwnedSemaphorePermit,
}

/// Opens the connection that writes, making the file and its directory if needed.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, DatabaseError> {
    create_private_file(path)?;
    let connection = open(path)?;
    // FULL syncs the log at every commit: what was acknowledged survives a power cut.
    // The undo journals of savepoints and statements stay in memory: an upload in a batch wrote 23
    // pages to temporary files. They are as large as the pages that one operation changes, most
    // for the removal of an index, and need no writable `/var/tmp` any more.
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
        .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", 64 << 20))
        .and_then(|()| connection.pragma_update(None, "temp_store", "MEMORY"))
        .map_err(|error| opening_failed(path, error))?;
    Ok(connection)
}

fn open_reader(path: &Path) -> Result<Connection, DatabaseError> {
    let connection = open(path)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|error| opening_failed(path, error))?;
    Ok(connection)
}

pub(crate) fn open(path: &Path) -> Result<Connection, DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // Makes SQLite read the file's header: a damaged one is reported here.
            connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |_| Ok(()))?;
            Ok(connection)
        })
        .map_err(|error| opening_failed(path, error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(connection)
}

/// The file holds password hashes, so only its owner may read it. SQLite gives its log files
/// the same permissions.
pub(crate) fn create_private_file(path: &Path) -> Result<(), DatabaseError> {
    let not_accessible = |source: io::Error| DatabaseError::NotAccessible {
        path: path.to_owned(),
        source: Box::new(source),
    };
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(parent).map_err(not_accessible)?;
    }
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let exists = path.exists();
    options.open(path).map_err(not_accessible)?;
    if !exists && let Some(parent) = path.parent() {
        // SQLite syncs the directory for files that it has made itself; this one is ours.
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        fs::File::open(parent)
            .and_then(|directory| directory.sync_all())
            .map_err(not_accessible)?;
    }
    Ok(())
}

fn opening_failed(path: &Path, error: rusqlite::Error) -> DatabaseError {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            DatabaseError::NotAccessible {
                path: path.to_owned(),
                source: Box::new(error),
            }
        }
        _ => error.into(),
    }
}

impl SqliteSession {
    /// Runs `job` on the thread of the connection.
    pub(crate) async fn run<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        match self {
            Self::Here(connection) => job(connection),
            Self::There(lease) => lease.run(job).await,
        }
    }
}

impl ReaderPool {
    pub(crate) fn new(path: PathBuf, size: u32, timeout: Duration) -> Self {
        Self {
            path,
            free: Arc::new(Semaphore::new(size.max(1) as usize)),
            idle: Arc::default(),
            timeout,
        }
    }

    pub(crate) async fn acquire(&self) -> Result<ReaderLease, DatabaseError> {
        let permit = tokio::time::timeout(self.timeout, Arc::clone(&self.free).acquire_owned())
            .await
            .map_err(|_| DatabaseError::Busy)?
            .map_err(|_| DatabaseError::Closed)?;
        let idle = lock(&self.idle).pop();
        let thread = match idle {
            Some(thread) => thread,
            None => ReaderThread::start(self.path.clone()).await?,
        };
        Ok(ReaderLease {
            thread: Some(thread),
            idle: Arc::clone(&self.idle),
            has_snapshot: false,
            permit,
        })
    }

    /// Refuses new readers and ends the threads of those that are done.
    pub(crate) fn close(&self) {
        self.free.close();
        lock(&self.idle).clear();
    }
}

impl ReaderThread {
    async fn start(path: PathBuf) -> Result<Self, DatabaseError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (opened, is_open) = oneshot::channel();
        thread::Builder::new()
            .name("sqlite-reader".to_owned())
            .spawn(move || {
                let connection = match open_reader(&path) {
                    Ok(connection) => connection,
                    Err(error) => {
                        let _ = opened.send(Err(error));
                        return;
                    }
                };
                let _ = opened.send(Ok(()));
                // Ends when the last sender, the pool's or a lease's, is gone.
                for job in queue {
                    job(&connection);
                }
            })
            .map_err(|error| DatabaseError::Other(Box::new(error)))?;
        is_open.await.map_err(|_| DatabaseError::Closed)??;
        Ok(Self { jobs })
    }
}

impl ReaderLease {
    async fn run<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let begin = !self.has_snapshot;
        self.has_snapshot = true;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = if begin {
                connection
                    .execute_batch("BEGIN")
                    .map_err(Into::into)
                    .and_then(|()| job(connection))
            } else {
                job(connection)
            };
            let _ = answer.send(result);
        });
        let thread = self.thread.as_ref().ok_or(DatabaseError::Closed)?;
        thread.jobs.send(job).map_err(|_| DatabaseError::Closed)?;
        // A panicking conversion ends the thread, and this with it.
        answered.await.map_err(|_| DatabaseError::Closed)?
    }
}

impl Drop for ReaderLease {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if self.has_snapshot {
            let end: Job = Box::new(|connection| {
                if let Err(error) = connection.execute_batch("ROLLBACK") {
                    // Nothing was begun when the first statement failed.
                    tracing::debug!(%error, "a read snapshot could not be ended");
                }
            });
            if thread.jobs.send(end).is_err() {
                return;
            }
        }
        if !self.permit.semaphore().is_closed() {
            lock(&self.idle).push(thread);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
