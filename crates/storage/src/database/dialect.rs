//! All that the two databases spell differently, apart from the migrations.

/// The channel on which PostgreSQL nodes tell each other of commits.
pub(crate) const NOTICE_CHANNEL: &str = "cheeseshop_serial";

/// Names the advisory lock of writers (any number, but always the same one): "cheese".
const WRITER_LOCK: i64 = 0x0063_6865_6573_6500;

/// Which database a connection talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Begins a transaction that writes, after every other writer has finished.
    ///
    /// PostgreSQL's isolation is READ COMMITTED: each statement sees what was committed before
    /// it, therefore everything that earlier holders of the lock have done.
    pub(crate) fn begin_write(self) -> String {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE".to_owned(),
            Self::Postgres => format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
                 SELECT pg_advisory_xact_lock({WRITER_LOCK})"
            ),
        }
    }

    /// Ends the transaction, telling the other nodes of `head` if something was logged.
    pub(crate) fn commit(self, head: Option<i64>) -> String {
        match (self, head) {
            (Self::Postgres, Some(head)) => format!("NOTIFY {NOTICE_CHANNEL}, '{head}'; COMMIT"),
            _ => "COMMIT".to_owned(),
        }
    }

    /// A statement that finds the table named by its parameter.
    pub(crate) fn find_table(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
            Self::Postgres => {
                "SELECT 1 FROM information_schema.tables \
                 WHERE table_schema = current_schema() AND table_name = $1"
            }
        }
    }

    /// Operations in one transaction at most. PostgreSQL tracks 64 savepoints of a transaction
    /// cheaply, more make every reader slower.
    pub(crate) fn batch_limit(self) -> usize {
        match self {
            Self::Sqlite => 256,
            Self::Postgres => 60,
        }
    }
}
