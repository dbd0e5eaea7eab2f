//! Small values that all nodes share: the node family's id, the key of login tokens.

use super::statement::sql;
use super::{Connection, DatabaseError, Transaction};

/// The value of a setting.
pub async fn get(connection: &mut Connection, name: &str) -> Result<Option<String>, DatabaseError> {
    sql("SELECT value FROM settings WHERE name = $1")
        .bind(name)
        .fetch_optional(connection, |row| Ok(row.text(0)?.to_owned()))
        .await
}

/// Sets a setting.
pub async fn set(tx: &mut Transaction, name: &str, value: &str) -> Result<(), DatabaseError> {
    sql("INSERT INTO settings (name, value) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value")
    .bind(name)
    .bind(value)
    .execute(tx)
    .await?;
    Ok(())
}
