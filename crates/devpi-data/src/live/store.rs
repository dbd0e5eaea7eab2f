//! Our own file: the followed server's keys and values, and what is still to be taken in.
//!
//! It holds password hashes, as the server's own database does, so it is for its owner only.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::FollowError;
use super::marks::{Subject, held_project, touched};
use crate::change_log::{Entry, Key, Limits, Value, decode, encode};
use crate::state::{HeldFile, Values};

/// The version of the tables; a file of another one is not touched.
const LAYOUT: i64 = 1;

/// Tries before nobody should wait any more.
const MOST_ATTEMPTS: u32 = 3;

const TABLES: &str = "
    CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE keys (
        key TEXT PRIMARY KEY,
        value BLOB NOT NULL,
        -- The project of a file whose bytes the server has.
        held TEXT
    ) STRICT;
    CREATE INDEX keys_held ON keys (held) WHERE held IS NOT NULL;
    CREATE TABLE pending (
        kind TEXT NOT NULL,
        item TEXT NOT NULL,
        -- How often it was tried since it last changed, and what came of the last time.
        attempts INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        PRIMARY KEY (kind, item)
    ) STRICT;
    PRAGMA user_version = 1;
";

/// The file. Cheap to clone.
#[derive(Clone)]
pub(super) struct Store(Arc<Inner>);

struct Inner {
    connection: Mutex<Connection>,
    path: PathBuf,
}

/// Whom the file is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// What we call ourselves towards the server.
    pub(super) replica: String,
    /// The followed server; `None` before the first contact.
    pub(super) primary: Option<String>,
    /// The next commit to ask for.
    pub(super) next: u64,
}

/// How much is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Not tried yet.
    pub(super) new: u64,
    /// Tried in vain.
    pub(super) failed: u64,
    /// Tried in vain so often that nobody should wait for it.
    pub(super) given_up: u64,
}

/// Which of the pending ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that were not tried yet.
    New,
    /// Those that failed before.
    Failed,
}

impl Store {
    /// Opens or makes the file. `replica` is our name in a new one.
    pub(super) async fn open(path: &Path, replica: String) -> Result<(Self, About), FollowError> {
        let path = path.to_owned();
        blocking(path.clone(), move || {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            let mut connection = Connection::open(&path)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "normal")?;
            // Two followers of one file would undo each other's work.
            connection.pragma_update(None, "locking_mode", "exclusive")?;
            let about = prepare(&mut connection, replica)?;
            let inner = Inner {
                connection: Mutex::new(connection),
                path,
            };
            Ok((Self(Arc::new(inner)), about))
        })
        .await
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Remembers the server's uuid.
    pub(super) async fn remember_primary(&self, uuid: String) -> Result<(), FollowError> {
        self.run(move |db| {
            db.execute(
                "INSERT OR REPLACE INTO about (name, value) VALUES ('primary', ?1)",
                [uuid],
            )?;
            Ok(())
        })
        .await
    }

    /// Applies commits that follow each other, the first being the one that was next, and marks
    /// what they touch: all or nothing.
    pub(super) async fn apply(&self, first: u64, entries: Vec<Entry>) -> Result<(), FollowError> {
        self.run(move |db| {
            let tx = db.transaction()?;
            let next = first + entries.len() as u64;
            for entry in entries {
                apply(&tx, entry)?;
            }
            tx.execute(
                "INSERT OR REPLACE INTO about (name, value) VALUES ('next', ?1)",
                [next.to_string()],
            )?;
            tx.commit()?;
            Ok(())
        })
        .await
    }

    /// Some of what is pending: removed indexes first, then users, then projects.
    pub(super) async fn pending(
        &self,
        which: Which,
        limit: usize,
    ) -> Result<Vec<Subject>, FollowError> {
        self.run(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT kind, item FROM pending WHERE (attempts > 0) = ?1 \
                 ORDER BY kind = 'project', kind = 'user', attempts, item LIMIT ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![which == Which::Failed, limit], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?))
            })?;
            let mut pending = Vec::new();
            for row in rows {
                let (kind, item) = row?;
                pending.extend(Subject::parse(&kind, item));
            }
            Ok(pending)
        })
        .await
    }

    /// How much is pending.
    pub(super) async fn count_pending(&self) -> Result<Counts, FollowError> {
        self.run(|db| {
            let mut statement = db.prepare_cached(
                "SELECT count(*) FILTER (WHERE attempts = 0), \
                 count(*) FILTER (WHERE attempts > 0), \
                 count(*) FILTER (WHERE attempts >= ?1) FROM pending",
            )?;
            let count = |row: &rusqlite::Row<'_>, column| {
                Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs())
            };
            Ok(statement.query_row([MOST_ATTEMPTS], |row| {
                Ok(Counts {
                    new: count(row, 0)?,
                    failed: count(row, 1)?,
                    given_up: count(row, 2)?,
                })
            })?)
        })
        .await
    }

    /// What failed and why, for people; the first of many.
    pub(super) async fn failures(
        &self,
        limit: usize,
    ) -> Result<Vec<(String, String)>, FollowError> {
        self.run(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT item, coalesce(reason, '') FROM pending WHERE attempts > 0 \
                 ORDER BY item LIMIT ?1",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Forgets marks: this much is taken in.
    pub(super) async fn clear(&self, done: Vec<Subject>) -> Result<(), FollowError> {
        self.run(move |db| {
            let tx = db.transaction()?;
            for subject in done {
                tx.prepare_cached("DELETE FROM pending WHERE kind = ?1 AND item = ?2")?
                    .execute([subject.kind(), &subject.item()])?;
            }
            tx.commit()?;
            Ok(())
        })
        .await
    }

    /// Remembers that something could not be taken in.
    pub(super) async fn note_failure(
        &self,
        subject: Subject,
        reason: String,
    ) -> Result<(), FollowError> {
        self.run(move |db| {
            db.prepare_cached(
                "UPDATE pending SET attempts = attempts + 1, reason = ?3 \
                 WHERE kind = ?1 AND item = ?2",
            )?
            .execute([subject.kind(), &subject.item(), &reason])?;
            Ok(())
        })
        .await
    }

    /// The values of these keys.
    pub(super) async fn values(&self, keys: Vec<String>) -> Result<Values, FollowError> {
        self.run(move |db| {
            let mut values = Values::default();
            for key in keys {
                match value(db, &key)? {
                    None => {}
                    Some(Ok(value)) => drop(values.found.insert(key, value)),
                    Some(Err(error)) => values.unreadable.push((key, error.to_string())),
                }
            }
            Ok(values)
        })
        .await
    }

    /// The files below `user/index` that the server has the bytes of.
    pub(super) async fn held_files(
        &self,
        index: String,
        project: Option<String>,
    ) -> Result<Vec<HeldFile>, FollowError> {
        self.run(move |db| {
            // `,` follows `+`, so this is the range of `user/index/+…`.
            let mut statement = db.prepare_cached(
                "SELECT key, held FROM keys WHERE key >= ?1 || '/+' AND key < ?1 || '/,' \
                 AND held IS NOT NULL AND (?2 IS NULL OR held = ?2)",
            )?;
            let rows = statement.query_map(params![index, project], |row| {
                Ok(HeldFile {
                    path: row.get(0)?,
                    project: row.get(1)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, FollowError> {
        let inner = Arc::clone(&self.0);
        blocking(self.0.path.clone(), move || {
            let mut connection = inner
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            act(&mut connection)
        })
        .await
    }
}

type StoreError = Box<dyn std::error::Error + Send + Sync>;

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    act: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, FollowError> {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|error| Err(error.into()))
        .map_err(|source| FollowError::Store { path, source })
}

fn prepare(connection: &mut Connection, replica: String) -> Result<About, StoreError> {
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let layout: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if layout == 0 {
        tx.execute_batch(TABLES)?;
        tx.execute("INSERT INTO about VALUES ('replica', ?1)", [replica])?;
    } else if layout != LAYOUT {
        return Err(format!("it was written by another version of this program ({layout})").into());
    }
    let read = |name: &str| -> rusqlite::Result<Option<String>> {
        tx.query_row("SELECT value FROM about WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()
    };
    let about = About {
        replica: read("replica")?.ok_or("it does not say who we are")?,
        primary: read("primary")?,
        next: match read("next")? {
            Some(next) => next.parse()?,
            None => 0,
        },
    };
    tx.commit()?;
    Ok(about)
}

fn apply(tx: &Transaction<'_>, entry: Entry) -> Result<(), StoreError> {
    for change in entry.changes {
        let key = Key::parse(&change.name, &change.key);
        let old = match key {
            // Nothing in these is compared with what was before.
            Key::Other | Key::Users | Key::Links(..) | Key::Versions(..) | Key::Release(..) => None,
            Key::User(_) | Key::Projects(..) | Key::File(..) => {
                value(tx, &change.key)?.transpose()?
            }
        };
        for subject in touched(&key, old.as_ref(), change.value.as_ref()) {
            mark(tx, &subject)?;
        }
        let held = match key {
            Key::File(..) => change.value.as_ref().and_then(held_project),
            _ => None,
        };
        // Of a mirror's files most are lines on a page; those without bytes are not kept.
        let is_kept = match key {
            Key::Other => false,
            Key::File(..) => held.is_some(),
            _ => true,
        };
        match change.value.as_ref().filter(|_| is_kept) {
            Some(value) => tx
                .prepare_cached(
                    "INSERT OR REPLACE INTO keys (key, value, held) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![change.key, encode(value), held])?,
            None => tx
                .prepare_cached("DELETE FROM keys WHERE key = ?1")?
                .execute([&change.key])?,
        };
    }
    Ok(())
}

fn mark(tx: &Transaction<'_>, subject: &Subject) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO pending (kind, item) VALUES (?1, ?2) \
         ON CONFLICT (kind, item) DO UPDATE SET attempts = 0, reason = NULL",
    )?
    .execute([subject.kind(), &subject.item()])?;
    Ok(())
}

type Decoded = Option<Result<Value, crate::change_log::DecodeError>>;

fn value(db: &Connection, key: &str) -> rusqlite::Result<Decoded> {
    db.prepare_cached("SELECT value FROM keys WHERE key = ?1")?
        .query_row([key], |row| {
            Ok(decode(row.get_ref(0)?.as_bytes()?, Limits::default()))
        })
        .optional()
}
