//! One connection to either database, as the functions of this layer see it.

use super::DatabaseError;
use super::postgres::{self, PostgresSession};
use super::sqlite::SqliteSession;

/// A connection inside a transaction: what reading functions take.
///
/// A [`Reader`](super::Reader) and a [`Transaction`](super::Transaction) both dereference to
/// one.
#[derive(Debug)]
pub struct Connection {
    session: Session,
    /// After a failed statement PostgreSQL refuses all others of the same savepoint, SQLite
    /// does not. Both refuse here, so that no operation works on one database only.
    failed: bool,
}

#[derive(Debug)]
pub(crate) enum Session {
    Sqlite(SqliteSession),
    Postgres(PostgresSession),
}

impl Connection {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            failed: false,
        }
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn forget_failure(&mut self) {
        self.failed = false;
    }

    pub(crate) fn check(&self) -> Result<(), DatabaseError> {
        if self.failed {
            return Err(DatabaseError::Aborted);
        }
        Ok(())
    }

    pub(crate) fn note<T>(&mut self, result: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        self.failed |= result.is_err();
        result
    }

    /// Runs statements without parameters and results, in one round trip.
    pub(crate) async fn run_script(&mut self, script: String) -> Result<(), DatabaseError> {
        match &mut self.session {
            Session::Sqlite(session) => {
                session
                    .run(move |sqlite| Ok(sqlite.execute_batch(&script)?))
                    .await
            }
            Session::Postgres(session) => {
                let script = sqlx::raw_sql(sqlx::AssertSqlSafe(script));
                postgres::in_time(async {
                    script.execute(session.connection()).await?;
                    Ok(())
                })
                .await
            }
        }
    }
}
