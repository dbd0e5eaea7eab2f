//! The one writer of this process: operations that wait together are committed together.
//!
//! A batch is one database transaction, in which each operation has a savepoint of its own. An
//! operation that fails or panics is rolled back to its savepoint and nobody else notices. The
//! events of the batch get their serials in the order of the operations and are appended in one
//! statement; one COMMIT, and with it one sync of the disk, serves everybody. Then observers
//! run, then all callers are answered. While a batch is being synced the next one gathers, so
//! that load makes batches larger, not queues longer.
//!
//! SQLite is called directly from the writer's own thread; PostgreSQL from a task.

mod queue;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cheeseshop_domain::{Clock, RecordedEvent, Serial};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::queue::WriteQueue;
pub use self::queue::{Committer, Observer, WriteStatistics};

use self::queue::{Fate, Message, Operation, Shared};
use super::change_log::{self, Head};
use super::connection::{Connection, Session};
use super::dialect::Dialect;
use super::postgres::PostgresSession;
use super::sqlite::SqliteSession;
use super::transaction::Transaction;
use super::{DatabaseError, migrations, postgres, sqlite};

/// A batch takes no further operations after this time: those at its head want their answers.
const BATCH_TIME: Duration = Duration::from_millis(50);

/// An operation does nothing but talk to the database. One that takes longer waits for
/// something that it must not wait for.
const OPERATION_TIMEOUT: Duration = Duration::from_mins(1);

/// Events of other processes are handed to observers in portions of this size.
const FOREIGN_EVENTS: usize = 1000;

/// How to get a connection that writes.
#[derive(Clone, Debug)]
pub(crate) enum WriteTarget {
    Sqlite(std::path::PathBuf),
    Postgres {
        options: Box<sqlx::postgres::PgConnectOptions>,
        timeout: Duration,
    },
}

impl WriteTarget {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres { .. } => Dialect::Postgres,
        }
    }

    async fn connect(&self) -> Result<Connection, DatabaseError> {
        let session = match self {
            Self::Sqlite(path) => {
                Session::Sqlite(SqliteSession::Here(Box::new(sqlite::open_writer(path)?)))
            }
            Self::Postgres { options, timeout } => {
                let connection = postgres::open_writer(options, *timeout).await?;
                Session::Postgres(PostgresSession::Writer(Box::new(connection)))
            }
        };
        Ok(Connection::new(session))
    }
}

/// Opens the database, brings its schema up to date and starts the writer.
pub(crate) async fn start(
    target: WriteTarget,
    migrations: migrations::Policy,
    clock: Arc<dyn Clock>,
    queue_length: usize,
    timeout: Duration,
) -> Result<WriteQueue, DatabaseError> {
    let (messages, queue) = mpsc::channel(queue_length.max(1));
    let (opened, is_open) = oneshot::channel();
    let shared = Arc::new(Shared::default());
    let dialect = target.dialect();
    let writer = Writer {
        target,
        clock,
        shared: Arc::clone(&shared),
        transaction: None,
    };
    let work = writer.serve(queue, migrations, opened);
    match dialect {
        Dialect::Postgres => {
            tokio::spawn(work);
        }
        Dialect::Sqlite => {
            let runtime = tokio::runtime::Handle::current();
            thread::Builder::new()
                .name("sqlite-writer".to_owned())
                .spawn(move || runtime.block_on(work))
                .map_err(|error| DatabaseError::Other(Box::new(error)))?;
        }
    }
    is_open.await.map_err(|_| DatabaseError::Closed)??;
    Ok(WriteQueue::new(messages, timeout, shared))
}

struct Writer {
    target: WriteTarget,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    /// `None` after the connection failed, until the next batch makes another.
    transaction: Option<Transaction>,
}

/// An operation that has been run inside a batch that is not yet committed.
struct Ran {
    operation: Box<dyn Operation>,
    serial: Serial,
    /// Set when it failed in a way that its own result does not tell.
    error: Option<DatabaseError>,
    succeeded: bool,
}

/// A batch while it is being filled.
struct Batch {
    ran: Vec<Ran>,
    events: Vec<RecordedEvent>,
    /// Where the log stood at the beginning, and where it stands with this batch.
    first_head: Head,
    head: Head,
    savepoint: Savepoint,
}

/// What the connection's savepoint holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    /// There is none: the batch has one operation, whose failure fails the transaction.
    Unused,
    /// Not made yet.
    None,
    /// Made, and nothing has been done since.
    Clean,
    /// Holds an operation that succeeded.
    Used,
}

impl Writer {
    async fn serve(
        mut self,
        mut queue: mpsc::Receiver<Message>,
        migrations: migrations::Policy,
        opened: oneshot::Sender<Result<(), DatabaseError>>,
    ) {
        let result = self.open(migrations).await;
        let failed = result.is_err();
        if opened.send(result).is_err() || failed {
            return;
        }
        let limit = self.target.dialect().batch_limit();
        let mut waiting = VecDeque::new();
        let mut closing = None;
        while closing.is_none() {
            if waiting.is_empty() {
                match queue.recv().await {
                    Some(Message::Run(operation)) => waiting.push_back(operation),
                    Some(Message::Close(closed)) => closing = Some(closed),
                    None => break,
                }
            }
            while waiting.len() < limit && closing.is_none() {
                match queue.try_recv() {
                    Ok(Message::Run(operation)) => waiting.push_back(operation),
                    Ok(Message::Close(closed)) => closing = Some(closed),
                    Err(_) => break,
                }
            }
            while !waiting.is_empty() {
                self.run_batch(&mut waiting).await;
                if closing.is_none() {
                    break;
                }
            }
        }
        drop(queue);
        self.disconnect().await;
        if let Some(closed) = closing {
            let _ = closed.send(());
        }
    }

    async fn open(&mut self, policy: migrations::Policy) -> Result<(), DatabaseError> {
        let mut connection = self.target.connect().await?;
        let dialect = self.target.dialect();
        migrations::apply(&mut connection, dialect, &policy, self.now()).await?;
        let head = change_log::read_head(&mut connection).await?;
        self.shared.note(head.serial);
        self.transaction = Some(Transaction::new(connection));
        Ok(())
    }

    async fn disconnect(&mut self) {
        if let Some(mut transaction) = self.transaction.take()
            && self.target.dialect() == Dialect::Sqlite
        {
            // Leaves a database of one file behind. Fails when somebody still reads, and then
            // the log file simply stays.
            let script = "PRAGMA wal_checkpoint(TRUNCATE)".to_owned();
            let _ = transaction.run_script(script).await;
        }
    }

    /// Whole microseconds, since that is what the database keeps and the hash chain covers.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Takes operations from `waiting`, commits them and answers their callers.
    async fn run_batch(&mut self, waiting: &mut VecDeque<Box<dyn Operation>>) {
        waiting.retain(|operation| !operation.is_abandoned());
        if waiting.is_empty() {
            return;
        }
        let (mut transaction, head) = match self.begin().await {
            Ok(begun) => begun,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot write");
                let error = Arc::new(error);
                for operation in waiting.drain(..) {
                    let error = DatabaseError::TransactionFailed(Arc::clone(&error));
                    operation.answer(Fate::Failed(error));
                }
                return;
            }
        };
        let mut batch = Batch {
            ran: Vec::with_capacity(waiting.len()),
            events: Vec::new(),
            first_head: head,
            head,
            savepoint: match waiting.len() {
                1 => Savepoint::Unused,
                _ => Savepoint::None,
            },
        };
        let started = Instant::now();
        let mut result = Ok(());
        while result.is_ok() && started.elapsed() < BATCH_TIME {
            let Some(operation) = waiting.pop_front() else {
                break;
            };
            result = self.run_one(&mut transaction, &mut batch, operation).await;
        }
        match result {
            Ok(()) => self.finish(transaction, batch).await,
            Err(error) => self.fail(batch, error),
        }
    }

    /// Begins a transaction, on a new connection if the old one has died.
    async fn begin(&mut self) -> Result<(Transaction, Head), DatabaseError> {
        let begin = self.target.dialect().begin_write();
        if let Some(mut transaction) = self.transaction.take() {
            match begin_on(&mut transaction, begin.clone()).await {
                Ok(head) => return Ok((transaction, head)),
                Err(error @ (DatabaseError::Busy | DatabaseError::Corrupted(_))) => {
                    self.transaction = None;
                    return Err(error);
                }
                Err(error) => {
                    tracing::info!(
                        error = &error as &dyn std::error::Error,
                        "the writer connects again"
                    );
                }
            }
        }
        let mut transaction = Transaction::new(self.target.connect().await?);
        let head = begin_on(&mut transaction, begin).await?;
        Ok((transaction, head))
    }

    /// Runs one operation. An error means that the whole transaction is lost.
    async fn run_one(
        &mut self,
        transaction: &mut Transaction,
        batch: &mut Batch,
        mut operation: Box<dyn Operation>,
    ) -> Result<(), DatabaseError> {
        transaction.start_operation(operation.origin(), self.now());
        let savepoint = match batch.savepoint {
            Savepoint::Unused | Savepoint::Clean => None,
            Savepoint::None => Some("SAVEPOINT operation"),
            Savepoint::Used => Some("RELEASE SAVEPOINT operation; SAVEPOINT operation"),
        };
        let mut ran = Ran {
            operation,
            serial: batch.head.serial,
            error: None,
            succeeded: false,
        };
        if let Some(script) = savepoint {
            if let Err(error) = transaction.run_script(script.to_owned()).await {
                batch.ran.push(ran);
                return Err(error);
            }
            batch.savepoint = Savepoint::Clean;
        }
        let work = AssertUnwindSafe(ran.operation.run(transaction)).catch_unwind();
        match tokio::time::timeout(OPERATION_TIMEOUT, work).await {
            Ok(Ok(succeeded)) => ran.succeeded = succeeded,
            Ok(Err(_panic)) => ran.error = Some(DatabaseError::OperationPanicked),
            Err(_elapsed) => ran.error = Some(DatabaseError::OperationTimedOut),
        }
        if ran.succeeded && transaction.has_failed() {
            ran.succeeded = false;
            ran.error = Some(DatabaseError::Aborted);
        }
        let events = transaction.take_events();
        if ran.succeeded {
            if batch.savepoint == Savepoint::Clean {
                batch.savepoint = Savepoint::Used;
            }
            for event in events {
                let recorded =
                    change_log::chain(batch.head, transaction.now(), transaction.origin(), event);
                batch.head = Head {
                    serial: recorded.serial,
                    hash: recorded.hash,
                };
                batch.events.push(recorded);
            }
            ran.serial = batch.head.serial;
        }
        let failed = !ran.succeeded;
        batch.ran.push(ran);
        if failed && batch.savepoint == Savepoint::Clean {
            transaction.forget_failure();
            let script = "ROLLBACK TO SAVEPOINT operation".to_owned();
            return transaction.run_script(script).await;
        }
        Ok(())
    }

    /// Appends the events, commits, runs the observers and answers.
    async fn finish(&mut self, mut transaction: Transaction, batch: Batch) {
        let succeeded = batch.ran.iter().filter(|ran| ran.succeeded).count();
        if succeeded == 0 {
            // Nothing to commit; the errors are true as long as what they saw was.
            let rollback = transaction.run_script("ROLLBACK".to_owned()).await;
            if rollback.is_ok() {
                self.transaction = Some(transaction);
            }
            self.answer(batch);
            return;
        }
        transaction.forget_failure();
        let appended = if batch.events.is_empty() {
            Ok(())
        } else {
            change_log::append(&mut transaction, &batch.events, batch.head).await
        };
        if let Err(error) = appended {
            self.fail(batch, error);
            return;
        }
        let logged = (!batch.events.is_empty()).then_some(batch.head.serial.0);
        let commit = self.target.dialect().commit(logged);
        match transaction.run_script(commit).await {
            Ok(()) => self.transaction = Some(transaction),
            Err(error) => {
                drop(transaction);
                if !self.was_committed(batch.head, &batch.events).await {
                    self.fail(batch, error);
                    return;
                }
            }
        }
        self.shared.count_commit(succeeded);
        self.announce(batch.first_head, &batch.events).await;
        self.answer(batch);
    }

    /// Whether a COMMIT whose answer was lost has happened all the same. Waits for the old
    /// connection's transaction to end, by beginning one.
    async fn was_committed(&mut self, head: Head, events: &[RecordedEvent]) -> bool {
        if events.is_empty() {
            return false;
        }
        let Ok((mut transaction, _)) = self.begin().await else {
            return false;
        };
        let hash = change_log::hash_of(&mut transaction, head.serial).await;
        if transaction.run_script("ROLLBACK".to_owned()).await.is_ok() {
            self.transaction = Some(transaction);
        }
        matches!(hash, Ok(Some(hash)) if hash == head.hash)
    }

    /// Gives observers this batch's events, and before them those of other processes that have
    /// come in since the last batch. On failure they get some again, later, but never miss one.
    async fn announce(&mut self, before: Head, own: &[RecordedEvent]) {
        let mut known = self.shared.known();
        while known < before.serial {
            let Some(transaction) = self.transaction.as_mut() else {
                break;
            };
            let foreign = change_log::list_after(transaction, known, FOREIGN_EVENTS).await;
            match foreign.as_deref() {
                Ok([]) => break,
                Ok(events) => {
                    let foreign = events.partition_point(|event| event.serial <= before.serial);
                    self.shared.notify(&events[..foreign], Committer::Another);
                    // Later ones may be of others: they come with the next batch.
                    known = events[events.len() - 1].serial.min(before.serial);
                }
                Err(error) => {
                    tracing::warn!(%error, "events of other processes cannot be read");
                    // Whatever is wrong with it, the next batch gets a new one.
                    self.transaction = None;
                }
            }
        }
        if !own.is_empty() {
            self.shared.notify(own, Committer::ThisProcess);
        }
        if known >= before.serial {
            known = own.last().map_or(known, |last| last.serial.max(known));
        }
        self.shared.note(known);
    }

    fn answer(&self, batch: Batch) {
        for ran in batch.ran {
            if !ran.succeeded {
                self.shared.count_failure();
            }
            ran.operation.answer(match ran.error {
                Some(error) => Fate::Failed(error),
                None => Fate::Committed(ran.serial),
            });
        }
    }

    /// The transaction is lost, and with it what every operation has done or believed.
    fn fail(&mut self, batch: Batch, error: DatabaseError) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a write transaction failed"
        );
        // A new connection cannot inherit a half-done transaction.
        self.transaction = None;
        let error = Arc::new(error);
        for ran in batch.ran {
            self.shared.count_failure();
            let error = DatabaseError::TransactionFailed(Arc::clone(&error));
            ran.operation.answer(Fate::Failed(error));
        }
    }
}

async fn begin_on(transaction: &mut Transaction, begin: String) -> Result<Head, DatabaseError> {
    transaction.forget_failure();
    transaction.run_script(begin).await?;
    change_log::read_head(transaction).await
}
