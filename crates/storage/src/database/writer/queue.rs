//! The queue of write operations, and what their callers share with the writer.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cheeseshop_domain::{RecordedEvent, Serial};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::database::DatabaseError;
use crate::database::transaction::{Committed, Origin, Transaction};

/// Runs after a commit and before anybody is told of it.
pub type Observer = Box<dyn Fn(&[RecordedEvent], Committer) + Send + Sync>;

/// Whose commit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committer {
    /// This process's own.
    ThisProcess,
    /// Another process's or node's.
    Another,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteStatistics {
    /// Transactions committed.
    pub commits: u64,
    /// Operations that these transactions hold.
    pub operations: u64,
    /// Operations that failed, each rolled back alone.
    pub failures: u64,
}

/// What the callers and the writer share.
#[derive(Default)]
pub(crate) struct Shared {
    observers: RwLock<Vec<Observer>>,
    commits: AtomicU64,
    operations: AtomicU64,
    failures: AtomicU64,
    /// The newest serial that this process has read or written.
    known: AtomicI64,
}

/// The callers' end of the queue.
#[derive(Clone)]
pub(crate) struct WriteQueue {
    messages: mpsc::Sender<Message>,
    timeout: Duration,
    pub(crate) shared: Arc<Shared>,
}

pub(super) enum Message {
    Run(Box<dyn Operation>),
    Close(oneshot::Sender<()>),
}

/// A queued operation, its types erased.
pub(super) trait Operation: Send {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
    fn origin(&mut self) -> Origin;
    /// Runs it; true when it succeeded.
    fn run<'t>(&'t mut self, transaction: &'t mut Transaction) -> BoxFuture<'t, bool>;
    /// Answers the caller.
    fn answer(self: Box<Self>, fate: Fate);
}

pub(super) enum Fate {
    /// Its batch is committed. An operation that had failed reports its own error.
    Committed(Serial),
    Failed(DatabaseError),
}

struct Queued<T, E, F> {
    origin: Option<Origin>,
    operation: Option<F>,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<Committed<T>, E>>,
}

impl<T, E, F> Operation for Queued<T, E, F>
where
    F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<DatabaseError> + Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    fn origin(&mut self) -> Origin {
        self.origin.take().unwrap_or_else(|| Origin::new(""))
    }

    fn run<'t>(&'t mut self, transaction: &'t mut Transaction) -> BoxFuture<'t, bool> {
        async move {
            let operation = self.operation.take();
            let operation = operation.expect("an operation is run once");
            let result = operation(transaction).await;
            self.result.insert(result).is_ok()
        }
        .boxed()
    }

    fn answer(self: Box<Self>, fate: Fate) {
        let answer = match (fate, self.result) {
            (Fate::Committed(serial), Some(Ok(value))) => Ok(Committed { value, serial }),
            (Fate::Committed(_), Some(Err(error))) => Err(error),
            (Fate::Committed(_), None) => Err(DatabaseError::OperationPanicked.into()),
            (Fate::Failed(error), _) => Err(error.into()),
        };
        // The caller may have gone; what is done stays done.
        let _ = self.caller.send(answer);
    }
}

impl WriteQueue {
    pub(super) fn new(
        messages: mpsc::Sender<Message>,
        timeout: Duration,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            messages,
            timeout,
            shared,
        }
    }

    /// Queues `operation` and waits until it is on the disk.
    pub(crate) async fn write<T, E, F>(
        &self,
        origin: Origin,
        operation: F,
    ) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let queued = Box::new(Queued {
            origin: Some(origin),
            operation: Some(operation),
            result: None,
            caller,
        });
        self.messages
            .send_timeout(Message::Run(queued), self.timeout)
            .await
            .map_err(|error| match error {
                mpsc::error::SendTimeoutError::Timeout(_) => DatabaseError::Busy,
                mpsc::error::SendTimeoutError::Closed(_) => DatabaseError::Closed,
            })?;
        answer.await.map_err(|_| DatabaseError::Closed)?
    }

    /// Finishes what is queued, closes the connection and waits for that.
    pub(crate) async fn close(&self) {
        let (closed, is_closed) = oneshot::channel();
        if self.messages.send(Message::Close(closed)).await.is_ok() {
            let _ = is_closed.await;
        }
    }
}

impl Shared {
    pub(crate) fn observe(&self, observer: Observer) {
        let mut observers = self
            .observers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        observers.push(observer);
    }

    pub(crate) fn statistics(&self) -> WriteStatistics {
        WriteStatistics {
            commits: self.commits.load(Ordering::Relaxed),
            operations: self.operations.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// The newest serial that this process has committed or met while writing.
    pub(crate) fn known(&self) -> Serial {
        Serial(self.known.load(Ordering::Acquire))
    }

    pub(super) fn count_commit(&self, operations: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.operations
            .fetch_add(operations as u64, Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that every event up to `serial` has been met.
    pub(super) fn note(&self, serial: Serial) {
        self.known.fetch_max(serial.0, Ordering::AcqRel);
    }

    pub(super) fn notify(&self, events: &[RecordedEvent], committer: Committer) {
        let observers = self
            .observers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for observer in observers.iter() {
            // A faulty observer must not keep callers from their answers.
            if std::panic::catch_unwind(AssertUnwindSafe(|| observer(events, committer))).is_err() {
                tracing::error!("an observer of the change log panicked");
            }
        }
    }
}
