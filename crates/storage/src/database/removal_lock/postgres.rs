//! The lock on PostgreSQL: an advisory lock, which belongs to a connection and ends with it.
//!
//! A process that dies closes its connection. For a machine that vanishes, the server is asked to look after a minute,
//! and not after the two hours that systems wait by default. Who holds it stands in the connection's name.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::{mpsc, oneshot};

use super::{Attempt, Claim};
use crate::database::{DatabaseError, postgres};
use crate::holder::Holder;

/// How often somebody who waits looks again.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// Names the lock (any number, but always the same one): "removals".
const REMOVALS: i64 = 0x7265_6d6f_7661_6c73;

/// By these the server finds out within a minute that the other end is gone.
const KEEPALIVES: [(&str, &str); 3] = [
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];

/// How often the connection is used, so that nothing in between takes it for idle.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Opens the connection that is to hold the lock.
pub(super) async fn connect(
    options: &PgConnectOptions,
    timeout: Duration,
) -> Result<PgConnection, DatabaseError> {
    postgres::open_writer(&options.clone().options(KEEPALIVES), timeout).await
}

/// Takes the lock, or says who has it.
pub(super) async fn try_take(
    connection: &mut PgConnection,
    claim: Claim,
    holder: &Holder,
) -> Attempt<()> {
    let attempt = match claim {
        Claim::Forbid => "SELECT pg_try_advisory_lock_shared($1)",
        Claim::Remove => "SELECT pg_try_advisory_lock($1)",
    };
    postgres::in_time(async {
        let taken: bool = sqlx::query_scalar(attempt)
            .bind(REMOVALS)
            .fetch_one(&mut *connection)
            .await?;
        if taken {
            sqlx::query("SELECT set_config('application_name', $1, false)")
                .bind(holder.line())
                .execute(&mut *connection)
                .await?;
            return Ok(Ok(()));
        }
        let names: Vec<Option<String>> = sqlx::query_scalar(
            "SELECT a.application_name FROM pg_locks l \
             JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND (l.classid::bigint << 32 | l.objid::bigint) = $1 \
             ORDER BY a.backend_start",
        )
        .bind(REMOVALS)
        .fetch_all(&mut *connection)
        .await?;
        let holders = names
            .iter()
            .flatten()
            .filter_map(|name| Holder::parse(name));
        Ok(Err(holders.collect()))
    })
    .await
}

/// Keeps the connection, and with it the lock.
#[derive(Debug)]
pub(super) struct Keeper {
    questions: mpsc::Sender<oneshot::Sender<Result<(), DatabaseError>>>,
    work: tokio::task::JoinHandle<()>,
}

impl Keeper {
    pub(super) fn start(mut connection: PgConnection) -> Self {
        let (questions, mut asked) = mpsc::channel::<oneshot::Sender<_>>(1);
        let work = tokio::spawn(async move {
            loop {
                tokio::select! {
                    question = asked.recv() => match question {
                        Some(answer) => drop(answer.send(ping(&mut connection).await)),
                        None => break,
                    },
                    () = tokio::time::sleep(HEARTBEAT) => {
                        if let Err(error) = ping(&mut connection).await {
                            tracing::debug!(
                                error = &error as &dyn std::error::Error,
                                "the lock of removals is lost"
                            );
                        }
                    }
                }
            }
            // Lost already, it cannot be closed and need not be.
            let _ = connection.close().await;
        });
        Self { questions, work }
    }

    /// Whether the lock is held still.
    pub(super) async fn check(&mut self) -> Result<(), DatabaseError> {
        let gone = || DatabaseError::RemovalsLost("nobody keeps it".into());
        let (answer, answered) = oneshot::channel();
        self.questions.send(answer).await.map_err(|_| gone())?;
        answered
            .await
            .map_err(|_| gone())?
            .map_err(|error| DatabaseError::RemovalsLost(Box::new(error)))
    }

    /// Lets go of the lock, and waits until the server was told.
    pub(super) async fn close(self) {
        drop(self.questions);
        let _ = self.work.await;
    }
}

async fn ping(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    postgres::in_time(async { Ok(connection.ping().await?) }).await
}
