//! Rows of indexes, with their configuration as one document.

use cheeseshop_domain::{Index, IndexConfig, IndexId, IndexName, UserId, UserName};
use jiff::Timestamp;

use super::statement::{Row, sql, unexpected};
use super::{Connection, DatabaseError, Transaction};

/// All indexes, by user and name.
pub async fn list(connection: &mut Connection) -> Result<Vec<Index>, DatabaseError> {
    sql(
        "SELECT indexes.id, users.name, indexes.name, indexes.config, indexes.created_at \
         FROM indexes JOIN users ON users.id = indexes.user_id \
         ORDER BY users.name, indexes.name",
    )
    .fetch_all(connection, index)
    .await
}

/// The index of this name.
pub async fn find(
    connection: &mut Connection,
    name: &IndexName,
) -> Result<Option<Index>, DatabaseError> {
    sql(
        "SELECT indexes.id, users.name, indexes.name, indexes.config, indexes.created_at \
         FROM indexes JOIN users ON users.id = indexes.user_id \
         WHERE users.name = $1 AND indexes.name = $2",
    )
    .bind(name.user.as_str())
    .bind(&*name.index)
    .fetch_optional(connection, index)
    .await
}

/// Makes an index that belongs to `owner`, the user in `name`.
///
/// # Errors
/// [`DatabaseError::AlreadyExists`] when the name is taken, [`DatabaseError::Referenced`] when
/// there is no such user.
pub async fn create(
    tx: &mut Transaction,
    owner: UserId,
    name: &IndexName,
    config: &IndexConfig,
    created: Timestamp,
) -> Result<Index, DatabaseError> {
    let id = sql("INSERT INTO indexes (user_id, name, config, created_at) \
                  VALUES ($1, $2, $3, $4) RETURNING id")
    .bind(owner.0)
    .bind(&*name.index)
    .bind(&config.to_stored())
    .bind(created)
    .fetch_one(tx, |row| row.integer(0))
    .await?;
    Ok(Index {
        id: IndexId(id),
        name: name.clone(),
        config: config.clone(),
        created,
    })
}

/// Replaces an index's configuration.
///
/// # Errors
/// [`DatabaseError::NotFound`] when there is no such index.
pub async fn update(
    tx: &mut Transaction,
    id: IndexId,
    config: &IndexConfig,
) -> Result<(), DatabaseError> {
    let changed = sql("UPDATE indexes SET config = $2 WHERE id = $1")
        .bind(id.0)
        .bind(&config.to_stored())
        .execute(tx)
        .await?;
    match changed {
        0 => Err(DatabaseError::NotFound),
        _ => Ok(()),
    }
}

/// Removes an index and all that it holds. False when there was none.
pub async fn remove(tx: &mut Transaction, id: IndexId) -> Result<bool, DatabaseError> {
    sql("DELETE FROM indexes WHERE id = $1")
        .bind(id.0)
        .changes_any(tx)
        .await
}

fn index(row: &Row<'_>) -> Result<Index, DatabaseError> {
    let owner = row.parsed(1, UserName::parse)?;
    let config =
        IndexConfig::from_stored(&owner, &row.json(3)?).map_err(|error| unexpected(3, error))?;
    Ok(Index {
        id: IndexId(row.integer(0)?),
        name: row.parsed(2, |name| IndexName::of(&owner, name))?,
        config,
        created: row.time(4)?,
    })
}
