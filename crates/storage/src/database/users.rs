//! Rows of users.

use cheeseshop_domain::{JsonMap, User, UserId, UserName, UserProfile};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::statement::{Row, sql, unexpected};
use super::{Connection, DatabaseError, Transaction};

/// All users, by name.
pub async fn list(connection: &mut Connection) -> Result<Vec<User>, DatabaseError> {
    sql(
        "SELECT id, name, password_hash, profile, created_at, modified_at \
         FROM users ORDER BY name",
    )
    .fetch_all(connection, user)
    .await
}

/// The user of this name.
pub async fn find(connection: &mut Connection, name: &str) -> Result<Option<User>, DatabaseError> {
    sql(
        "SELECT id, name, password_hash, profile, created_at, modified_at \
         FROM users WHERE name = $1",
    )
    .bind(name)
    .fetch_optional(connection, user)
    .await
}

/// Makes a user.
///
/// # Errors
/// [`DatabaseError::AlreadyExists`] when the name is taken.
pub async fn create(
    tx: &mut Transaction,
    name: &UserName,
    password_hash: Option<&str>,
    profile: &UserProfile,
    created: Timestamp,
) -> Result<User, DatabaseError> {
    sql(
        "INSERT INTO users (name, password_hash, profile, created_at) \
         VALUES ($1, $2, $3, $4) \
         RETURNING id, name, password_hash, profile, created_at, modified_at",
    )
    .bind(name.as_str())
    .bind(password_hash)
    .bind(&Json::Object(profile.to_json()))
    .bind(created)
    .fetch_one(tx, user)
    .await
}

/// Writes password, profile and times of the user with this id.
///
/// # Errors
/// [`DatabaseError::NotFound`] when there is no such user.
pub async fn update(tx: &mut Transaction, user: &User) -> Result<(), DatabaseError> {
    let changed = sql(
        "UPDATE users SET password_hash = $2, profile = $3, modified_at = $4, created_at = $5 \
         WHERE id = $1",
    )
    .bind(user.id.0)
    .bind(user.password_hash.as_deref())
    .bind(&Json::Object(user.profile.to_json()))
    .bind(user.modified)
    .bind(user.created)
    .execute(tx)
    .await?;
    match changed {
        0 => Err(DatabaseError::NotFound),
        _ => Ok(()),
    }
}

/// Removes a user with their indexes and all that these hold. False when there was none.
pub async fn remove(tx: &mut Transaction, id: UserId) -> Result<bool, DatabaseError> {
    sql("DELETE FROM users WHERE id = $1")
        .bind(id.0)
        .changes_any(tx)
        .await
}

fn user(row: &Row<'_>) -> Result<User, DatabaseError> {
    Ok(User {
        id: UserId(row.integer(0)?),
        name: row.parsed(1, UserName::parse)?,
        password_hash: row.optional_text(2)?.map(str::to_owned),
        profile: UserProfile::from_json(&object(row, 3)?),
        created: row.time(4)?,
        modified: row.optional_time(5)?,
    })
}

pub(super) fn object(row: &Row<'_>, column: usize) -> Result<JsonMap, DatabaseError> {
    match row.json(column)? {
        Json::Object(map) => Ok(map),
        other => Err(unexpected(column, format!("`{other}` is no object"))),
    }
}
