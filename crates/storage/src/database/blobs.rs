//! Rows of blobs: which bytes the store must have. The bytes themselves are in [`crate::blobs`].

use cheeseshop_packaging::hash::Sha256;

use super::statement::{composed_sql, placeholders, sql};
use super::{Connection, DatabaseError, Transaction};

/// Whether any row refers to the blob at hand.
const IS_REFERENCED: &str = "(EXISTS (SELECT 1 FROM files WHERE files.sha256 = blobs.sha256) \
    OR EXISTS (SELECT 1 FROM files WHERE files.core_metadata = blobs.sha256) \
    OR EXISTS (SELECT 1 FROM documentation WHERE documentation.sha256 = blobs.sha256) \
    OR EXISTS (SELECT 1 FROM test_results WHERE test_results.sha256 = blobs.sha256) \
    OR EXISTS (SELECT 1 FROM mirror_files WHERE mirror_files.sha256 = blobs.sha256) \
    OR EXISTS (SELECT 1 FROM mirror_core_metadata WHERE mirror_core_metadata.sha256 = blobs.sha256))";

/// Digests per statement. SQLite would allow 32,766 parameters.
const CHUNK: usize = 500;

/// Notes that the store has these bytes; only then may a row refer to them.
pub async fn register(
    tx: &mut Transaction,
    sha256: Sha256,
    size: u64,
) -> Result<(), DatabaseError> {
    let now = tx.now();
    sql(
        "INSERT INTO blobs (sha256, size, registered_at) VALUES ($1, $2, $3) \
         ON CONFLICT (sha256) DO NOTHING",
    )
    .bind(sha256)
    .bind(super::size(size))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// The size of a registered blob.
pub async fn find(
    connection: &mut Connection,
    sha256: &Sha256,
) -> Result<Option<u64>, DatabaseError> {
    sql("SELECT size FROM blobs WHERE sha256 = $1")
        .bind(*sha256)
        .fetch_optional(connection, |row| row.size(0))
        .await
}

/// Those of `digests` that are registered.
pub async fn list_registered(
    connection: &mut Connection,
    digests: &[Sha256],
) -> Result<Vec<Sha256>, DatabaseError> {
    for_each_chunk(connection, digests, |list| {
        format!("SELECT sha256 FROM blobs WHERE sha256 IN {list}")
    })
    .await
}

/// Those of `digests` that some row refers to.
pub async fn list_referenced(
    connection: &mut Connection,
    digests: &[Sha256],
) -> Result<Vec<Sha256>, DatabaseError> {
    for_each_chunk(connection, digests, |list| {
        format!("SELECT sha256 FROM blobs WHERE sha256 IN {list} AND {IS_REFERENCED}")
    })
    .await
}

/// Forgets those of `digests` that no row refers to (any more), and returns them: their bytes
/// may be removed, once this is committed.
pub async fn remove(
    tx: &mut Transaction,
    digests: &[Sha256],
) -> Result<Vec<Sha256>, DatabaseError> {
    for_each_chunk(tx, digests, |list| {
        format!("DELETE FROM blobs WHERE sha256 IN {list} AND NOT {IS_REFERENCED} RETURNING sha256")
    })
    .await
}

/// Runs a statement that returns digests for as many of `digests` at a time as fit.
async fn for_each_chunk(
    connection: &mut Connection,
    digests: &[Sha256],
    text: impl Fn(&str) -> String,
) -> Result<Vec<Sha256>, DatabaseError> {
    let mut found = Vec::new();
    for chunk in digests.chunks(CHUNK) {
        let mut statement = composed_sql(text(&placeholders(1, chunk.len())));
        for sha256 in chunk {
            statement = statement.bind(*sha256);
        }
        found.extend(statement.fetch_all(connection, |row| row.digest(0)).await?);
    }
    Ok(found)
}
