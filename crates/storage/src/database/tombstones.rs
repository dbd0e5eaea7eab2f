//! Paths of files that were there once: they answer "gone" and not "never heard of".

use cheeseshop_domain::IndexId;

use super::statement::sql;
use super::{Connection, DatabaseError, Transaction};

/// Remembers that the file at `path` below an index has been removed.
pub async fn record(tx: &mut Transaction, index: IndexId, path: &str) -> Result<(), DatabaseError> {
    let now = tx.now();
    sql(
        "INSERT INTO tombstones (index_id, path, removed_at) VALUES ($1, $2, $3) \
         ON CONFLICT (index_id, path) DO UPDATE SET removed_at = excluded.removed_at",
    )
    .bind(index.0)
    .bind(path)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether a file at `path` has been removed from an index.
pub async fn exists(
    connection: &mut Connection,
    index: IndexId,
    path: &str,
) -> Result<bool, DatabaseError> {
    let found = sql("SELECT 1 FROM tombstones WHERE index_id = $1 AND path = $2")
        .bind(index.0)
        .bind(path)
        .fetch_optional(connection, |_| Ok(()))
        .await?;
    Ok(found.is_some())
}
