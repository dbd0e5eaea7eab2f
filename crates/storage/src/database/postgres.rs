//! PostgreSQL: how connections are opened, and the notices of other nodes' commits.

use std::str::FromStr as _;
use std::time::Duration;

use cheeseshop_domain::Serial;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, Postgres};

use super::DatabaseError;
use super::dialect::NOTICE_CHANNEL;
use crate::config::DatabaseUrl;

/// A node that vanished while it wrote must not hold the others back for longer.
const IDLE_IN_TRANSACTION: &str = "60s";
/// Waiting for another node's batch.
const LOCK_TIMEOUT: &str = "30s";

/// A server that says nothing for longer is taken for lost. Longer than [`LOCK_TIMEOUT`].
const PATIENCE: Duration = Duration::from_mins(1);

/// Prepared statements kept per connection; more than this crate has texts.
const STATEMENT_CACHE: usize = 200;

const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// A connection as a statement meets it.
#[derive(Debug)]
pub(crate) enum PostgresSession {
    /// The writer's own.
    Writer(Box<PgConnection>),
    /// A reader's snapshot; rolled back when dropped.
    Reader(sqlx::Transaction<'static, Postgres>),
}

impl PostgresSession {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Writer(connection) => connection,
            Self::Reader(transaction) => transaction,
        }
    }
}

pub(crate) fn options(url: &DatabaseUrl) -> Result<PgConnectOptions, DatabaseError> {
    let options = PgConnectOptions::from_str(url.expose())
        // The parser's message quotes no part of the address but the port.
        .map_err(|error| DatabaseError::Configuration(format!("`{url}`: {error}")))?;
    Ok(options
        .application_name("cheeseshop")
        .statement_cache_capacity(STATEMENT_CACHE)
        .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION)]))
}

/// Waits for the server, but not for ever: a network that swallows packets reports nothing.
pub(crate) async fn in_time<T>(
    work: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .map_err(|elapsed| DatabaseError::Unavailable(Box::new(elapsed)))?
}

/// Opens the connection that writes.
pub(crate) async fn open_writer(
    options: &PgConnectOptions,
    timeout: Duration,
) -> Result<PgConnection, DatabaseError> {
    let options = options.clone().options([("lock_timeout", LOCK_TIMEOUT)]);
    tokio::time::timeout(timeout, PgConnection::connect_with(&options))
        .await
        .map_err(|elapsed| DatabaseError::Unavailable(Box::new(elapsed)))?
        .map_err(Into::into)
}

/// The connections that readers share; none is opened yet.
pub(crate) fn reader_pool(options: PgConnectOptions, size: u32, timeout: Duration) -> PgPool {
    PgPoolOptions::new()
        // The one more is the listener's.
        .max_connections(size + 1)
        .acquire_timeout(timeout)
        // A ping would cost a round trip per reader; `begin_reader` tries again instead.
        .test_before_acquire(false)
        .connect_lazy_with(options.options([("default_transaction_read_only", "on")]))
}

/// Begins a read snapshot.
pub(crate) async fn begin_reader(pool: &PgPool) -> Result<PostgresSession, DatabaseError> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

    // After a restart of the server every idle connection is dead, and says so only when used.
    let mut attempts = pool.num_idle() + 1;
    loop {
        attempts -= 1;
        match pool.begin_with(BEGIN).await {
            Ok(transaction) => return Ok(PostgresSession::Reader(transaction)),
            Err(error) => {
                let error = DatabaseError::from(error);
                if attempts == 0 || !matches!(error, DatabaseError::Unavailable(_)) {
                    return Err(error);
                }
            }
        }
    }
}

/// Serials that some node has committed, newest last, as far as they become known: a hint to
/// read the log. After a lost connection a hint is given as soon as the server is back.
pub(crate) fn listen(pool: PgPool) -> BoxStream<'static, Serial> {
    stream::unfold(
        (pool, None::<PgListener>),
        |(pool, mut listener)| async move {
            loop {
                if pool.is_closed() {
                    return None;
                }
                let Some(active) = listener.as_mut() else {
                    match connect_listener(&pool).await {
                        Ok((connected, head)) => return Some((head, (pool, Some(connected)))),
                        Err(error) => {
                            tracing::warn!(%error, "cannot listen for other nodes; trying again");
                            tokio::time::sleep(RECONNECT_PAUSE).await;
                        }
                    }
                    continue;
                };
                match active.try_recv().await {
                    Ok(Some(notice)) => {
                        if let Ok(serial) = notice.payload().parse() {
                            return Some((Serial(serial), (pool, listener)));
                        }
                    }
                    // The connection was lost, and notices with it.
                    Ok(None) | Err(_) => listener = None,
                }
            }
        },
    )
    .boxed()
}

async fn connect_listener(pool: &PgPool) -> Result<(PgListener, Serial), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.ignore_pool_close_event(false);
    listener.listen(NOTICE_CHANNEL).await?;
    let head = sqlx::query_scalar("SELECT serial FROM change_log_head")
        .fetch_one(pool)
        .await?;
    Ok((listener, Serial(head)))
}
