//! Rows of users' tokens. Of its secret only a digest is kept.

use cheeseshop_domain::UserId;
use cheeseshop_packaging::hash::Sha256;
use jiff::Timestamp;
use serde_json::Value as Json;

use super::statement::{Row, sql, unexpected};
use super::{Connection, DatabaseError, Transaction};

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its public name, unique among the tokens of all users.
    pub id: String,
    /// Whose it is.
    pub user: UserId,
    /// The digest of its secret.
    pub secret: Sha256,
    /// What was written into it, as `key=value`, for its user to look at.
    pub restrictions: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops to hold; `None`: never, or in a time that no calendar knows.
    pub expires: Option<Timestamp>,
}

/// The token of this id.
pub async fn find(
    connection: &mut Connection,
    id: &str,
) -> Result<Option<TokenRow>, DatabaseError> {
    sql(
        "SELECT id, user_id, secret_sha256, restrictions, created_at, expires_at \
         FROM tokens WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(connection, token)
    .await
}

/// A user's tokens, by id.
pub async fn list_of_user(
    connection: &mut Connection,
    user: UserId,
) -> Result<Vec<TokenRow>, DatabaseError> {
    sql(
        "SELECT id, user_id, secret_sha256, restrictions, created_at, expires_at \
         FROM tokens WHERE user_id = $1 ORDER BY id",
    )
    .bind(user.0)
    .fetch_all(connection, token)
    .await
}

/// Keeps a token.
///
/// # Errors
/// [`DatabaseError::AlreadyExists`] when the id is taken, [`DatabaseError::Referenced`] when there is
/// no such user.
pub async fn create(tx: &mut Transaction, token: &TokenRow) -> Result<(), DatabaseError> {
    let restrictions = Json::from(token.restrictions.clone());
    sql(
        "INSERT INTO tokens (id, user_id, secret_sha256, restrictions, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(token.id.as_str())
    .bind(token.user.0)
    .bind(token.secret)
    .bind(&restrictions)
    .bind(token.created)
    .bind(token.expires)
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes a token of this user. False when they have none of that id.
pub async fn remove(tx: &mut Transaction, user: UserId, id: &str) -> Result<bool, DatabaseError> {
    sql("DELETE FROM tokens WHERE user_id = $1 AND id = $2")
        .bind(user.0)
        .bind(id)
        .changes_any(tx)
        .await
}

fn token(row: &Row<'_>) -> Result<TokenRow, DatabaseError> {
    let restrictions = row.json(3)?;
    let restrictions = restrictions
        .as_array()
        .and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect()
        })
        .ok_or_else(|| unexpected(3, "no list of texts"))?;
    Ok(TokenRow {
        id: row.text(0)?.to_owned(),
        user: UserId(row.integer(1)?),
        secret: row.digest(2)?,
        restrictions,
        created: row.time(4)?,
        expires: row.optional_time(5)?,
    })
}
