//! Garbage collection and backups exclude each other.
//!
//! A backup copies what a snapshot of the database names. A blob whose last row went after that snapshot
//! is garbage to everybody else, and as old as its upload: no grace period saves it. So whoever copies
//! forbids removals, and whoever removes waits.
//!
//! The lock is the database's, for that is what all processes and machines of an installation share,
//! wherever its blobs are. On PostgreSQL it is an advisory lock of a connection of its own ([`postgres`]); beside an
//! SQLite file it is a directory with a locked file for every holder ([`files`]). Both end with the process that
//! holds them, however that ends. Neither needs a table, so a backup can be made of any schema.

mod files;
mod postgres;

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::time::Instant;

use super::{DatabaseError, postgres as server};
use crate::config::{Address, DatabaseConfig};
use crate::holder::{Holder, named};

/// What the lock is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Nothing may be removed. Any number may want that at once.
    Forbid,
    /// Removing, alone.
    Remove,
}

/// Who wants the lock, and for how long they wait for it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The command, as others are told who wait.
    pub purpose: &'static str,
    /// The moment.
    pub now: Timestamp,
    /// How long to wait at most.
    pub wait: Duration,
}

/// Where the lock is.
#[derive(Clone, Debug)]
pub(super) enum LockPlace {
    /// Beside an SQLite file.
    Files(PathBuf),
    /// On a database server.
    Postgres(Box<PgConnectOptions>, Duration),
}

/// Removals are forbidden, or this process's turn, for as long as this lives.
#[derive(Debug)]
pub struct RemovalLock(Held);

#[derive(Debug)]
enum Held {
    Files { _hold: Option<files::Hold> },
    Postgres(postgres::Keeper),
}

impl RemovalLock {
    /// Forbids removals from the store of a database. Any number may do so at once. The end of a collection
    /// that is under way is waited for.
    ///
    /// # Errors
    /// [`DatabaseError::RemovalsHeld`] when it takes longer than the caller waits; a lock that cannot be
    /// had for another reason.
    pub async fn forbid(config: &DatabaseConfig, turn: Turn) -> Result<Self, DatabaseError> {
        let place = match config.address()? {
            Address::Sqlite(path) => LockPlace::Files(path),
            Address::Postgres(url) => {
                LockPlace::Postgres(Box::new(server::options(&url)?), config.connect_timeout())
            }
        };
        take(&place, Claim::Forbid, turn).await
    }

    /// Takes the turn to remove: as long as the result lives, no backup is made. The end of those that are under
    /// way is waited for.
    pub(super) async fn remove(place: &LockPlace, turn: Turn) -> Result<Self, DatabaseError> {
        take(place, Claim::Remove, turn).await
    }

    /// Makes sure that it is held still: a database server that was restarted has forgotten it.
    ///
    /// # Errors
    /// [`DatabaseError::RemovalsLost`] when it is not.
    pub async fn check(&mut self) -> Result<(), DatabaseError> {
        match &mut self.0 {
            Held::Files { .. } => Ok(()),
            Held::Postgres(keeper) => keeper.check().await,
        }
    }

    /// Lets go; when this comes back others can have it. Dropping it does the same a little later.
    pub async fn release(self) {
        match self.0 {
            Held::Files { .. } => {}
            Held::Postgres(keeper) => keeper.close().await,
        }
    }
}

/// One attempt: the lock, or who has it.
type Attempt<T> = Result<Result<T, Vec<Holder>>, DatabaseError>;

/// Where attempts are made.
enum Door {
    Files(PathBuf),
    Postgres(PgConnection),
}

impl Door {
    async fn of(place: &LockPlace) -> Result<Self, DatabaseError> {
        Ok(match place {
            LockPlace::Files(database) => Self::Files(database.clone()),
            LockPlace::Postgres(options, timeout) => {
                Self::Postgres(postgres::connect(options, *timeout).await?)
            }
        })
    }

    /// How long to wait between attempts.
    fn pause(&self) -> Duration {
        match self {
            Self::Files(_) => files::POLL,
            Self::Postgres(_) => postgres::POLL,
        }
    }

    /// The files that are held, if it is files; the connection holds for itself.
    async fn attempt(&mut self, claim: Claim, holder: Holder) -> Attempt<Option<files::Hold>> {
        match self {
            Self::Files(database) => {
                let database = database.clone();
                let taken =
                    tokio::task::spawn_blocking(move || files::try_take(&database, claim, &holder))
                        .await
                        .map_err(|error| DatabaseError::Other(Box::new(error)))??;
                Ok(taken.map(Some))
            }
            Self::Postgres(connection) => {
                let taken = postgres::try_take(connection, claim, &holder).await?;
                Ok(taken.map(|()| None))
            }
        }
    }
}

async fn take(place: &LockPlace, claim: Claim, turn: Turn) -> Result<RemovalLock, DatabaseError> {
    let began = Instant::now();
    let under_way = match claim {
        Claim::Forbid => "garbage is being collected",
        Claim::Remove => "a backup is being made",
    };
    let mut door = Door::of(place).await?;
    let mut told = None;
    loop {
        let waited = began.elapsed();
        let now = SignedDuration::try_from(waited)
            .ok()
            .and_then(|waited| turn.now.checked_add(waited).ok())
            .unwrap_or(turn.now);
        let holder = Holder::this(turn.purpose, now);
        let holders = match door.attempt(claim, holder).await? {
            Ok(hold) => {
                return Ok(RemovalLock(match door {
                    Door::Files(_) => Held::Files { _hold: hold },
                    Door::Postgres(connection) => {
                        Held::Postgres(postgres::Keeper::start(connection))
                    }
                }));
            }
            Err(holders) => holders,
        };
        let rest = turn.wait.saturating_sub(waited);
        if rest.is_zero() {
            return Err(DatabaseError::RemovalsHeld {
                under_way,
                by: named(&holders),
                waited: waited.as_secs(),
            });
        }
        if told.as_ref() != Some(&holders) {
            let (by, limit) = (named(&holders), turn.wait.as_secs());
            tracing::info!(
                by,
                limit_seconds = limit,
                "{under_way}; its end is waited for"
            );
            told = Some(holders);
        }
        tokio::time::sleep(door.pause().min(rest)).await;
    }
}
