//! Opening the database.

use std::sync::Arc;

use cheeseshop_app::import::Source;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use super::state::PostgresState;
use crate::state::StateSource;

/// Why a database cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The address. It may hold a password, so it is not shown.
    #[error("this is no address of a PostgreSQL database; write postgres://USER@HOST/DATABASE")]
    Url,
    /// It cannot be reached, or not be read.
    #[error("the PostgreSQL database {place} cannot be read")]
    Database {
        /// Host and name, without credentials.
        place: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// It holds something else.
    #[error("the PostgreSQL database {place} is not one of devpi-postgresql: it has no `{table}`")]
    NotOne {
        /// Host and name, without credentials.
        place: String,
        /// What is missing in it.
        table: &'static str,
    },
}

/// Whether a text is an address for [`open`].
pub fn is_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

/// Opens devpi's database for reading. A password that is not in the address may come from
/// `PGPASSWORD` or the password file, as everywhere.
///
/// # Errors
/// [`PostgresError`].
pub async fn open(url: &SecretString) -> Result<Arc<dyn Source>, PostgresError> {
    let options = Some(url.expose_secret())
        .filter(|url| is_url(url))
        .and_then(|url| url.parse::<PgConnectOptions>().ok())
        .ok_or(PostgresError::Url)?;
    let place = format!(
        "{}/{}",
        options.get_host(),
        options.get_database().unwrap_or_default()
    );
    let failed = |source| PostgresError::Database {
        place: place.clone(),
        source,
    };
    let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    for table in ["changelog", "kv", "files"] {
        let found: Option<String> = sqlx::query_scalar("SELECT to_regclass($1)::text")
            .bind(table)
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        if found.is_none() {
            return Err(PostgresError::NotOne { place, table });
        }
    }
    let state = PostgresState::new(place, connection);
    Ok(Arc::new(StateSource::new(state)))
}
