//! A whole database at one moment: copied into a file, opened as such, counted.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::connection::{Connection, Session};
use super::dialect::Dialect;
use super::sqlite::{self, ReaderPool, SqliteSession};
use super::statement::sql;
use super::transaction::Reader;
use super::{DatabaseError, migrations, postgres};
use crate::config::DatabaseUrl;

/// Copies an SQLite database, as it is at this moment, into a file that does not exist yet.
///
/// The copy is one read snapshot: writers go on meanwhile, and only their log grows. It has no log of its
/// own, no free pages and so nothing of what was deleted. Blocks; when it comes back the copy is on the disk.
pub(crate) fn copy_file(source: &Path, target: &Path) -> Result<(), DatabaseError> {
    copy_through(&sqlite::open(source)?, target)
}

/// As [`copy_file`], of the database that a connection has open, outside of a transaction.
pub(crate) fn copy_through(
    connection: &rusqlite::Connection,
    target: &Path,
) -> Result<(), DatabaseError> {
    let name = target.to_str().ok_or_else(|| {
        DatabaseError::Configuration(format!("`{}` is no text", target.display()))
    })?;
    // SQLite fills an empty file as well; this one is for its owner alone.
    sqlite::create_private_file(target)?;
    connection.execute("VACUUM INTO ?1", [name])?;
    File::open(target)
        .and_then(|file| file.sync_all())
        .map_err(|source| DatabaseError::NotAccessible {
            path: target.to_owned(),
            source: Box::new(source),
        })
}

/// Opens a database file for reading alone, whatever its schema.
pub(crate) async fn open_file(path: &Path) -> Result<Reader, DatabaseError> {
    let pool = ReaderPool::new(path.to_owned(), 1, Duration::from_secs(5));
    let lease = pool.acquire().await?;
    Ok(Reader::new(Connection::new(Session::Sqlite(
        SqliteSession::There(lease),
    ))))
}

/// Begins a read snapshot on a database server, whatever its schema.
pub(crate) async fn open_postgres(
    url: &DatabaseUrl,
    timeout: Duration,
) -> Result<Reader, DatabaseError> {
    let pool = postgres::reader_pool(postgres::options(url)?, 1, timeout);
    let session = postgres::begin_reader(&pool).await?;
    Ok(Reader::new(Connection::new(Session::Postgres(session))))
}

/// The name under which other connections of PostgreSQL can see this snapshot, as long as it lives.
pub(crate) async fn export(connection: &mut Connection) -> Result<String, DatabaseError> {
    sql("SELECT pg_export_snapshot()")
        .fetch_one(connection, |row| Ok(row.text(0)?.to_owned()))
        .await
}

/// Whether an SQLite file is sound in itself; else what is wrong first.
pub(crate) async fn quick_check(
    connection: &mut Connection,
) -> Result<Option<String>, DatabaseError> {
    let said = sql("PRAGMA quick_check(1)")
        .fetch_one(connection, |row| Ok(row.text(0)?.to_owned()))
        .await?;
    Ok((said != "ok").then_some(said))
}

/// The names of the migrations that a database has seen, oldest first.
pub(crate) async fn applied_migrations(
    connection: &mut Connection,
) -> Result<Vec<String>, DatabaseError> {
    let dialect = match connection.session() {
        Session::Sqlite(_) => Dialect::Sqlite,
        Session::Postgres(_) => Dialect::Postgres,
    };
    migrations::list_applied(connection, dialect).await
}

/// Numbers of users, indexes, projects and files. Only tables that every schema has.
pub(crate) async fn counts(connection: &mut Connection) -> Result<[u64; 4], DatabaseError> {
    sql(
        "SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM indexes), \
         (SELECT COUNT(*) FROM projects), (SELECT COUNT(*) FROM files)",
    )
    .fetch_one(connection, |row| {
        Ok([row.size(0)?, row.size(1)?, row.size(2)?, row.size(3)?])
    })
    .await
}
