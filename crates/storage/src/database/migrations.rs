//! The schema and its changes, embedded into the program.
//!
//! Each migration is a file of the same name in `migrations/sqlite` and `migrations/postgres`.
//! All pending ones are applied in one transaction. A migration is never edited after a release;
//! it only adds, so that the release before still works on the new schema, and what nobody reads
//! any more is removed by a later one.

use std::path::PathBuf;

use jiff::Timestamp;

use super::connection::{Connection, Session};
use super::dialect::Dialect;
use super::statement::sql;
use super::{DatabaseError, before_migration};

/// Whether pending migrations are applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Yes; an embedded database is copied into this directory first.
    Apply { backups: Option<PathBuf> },
    /// No, the start is refused.
    Refuse,
}

struct Migration {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[$(Migration {
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }),*]
    };
}

/// In the order in which they are applied.
const MIGRATIONS: &[Migration] = migrations![
    "20261122000000_initial",
    "20261122180000_documentation_test_results_tokens",
];

/// The names of all migrations that this program knows, oldest first.
pub fn names() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.name)
}

/// Brings the schema up to date, or refuses.
pub(crate) async fn apply(
    connection: &mut Connection,
    dialect: Dialect,
    policy: &Policy,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    // Without a transaction first: the ordinary start neither writes nor waits for a writer.
    let pending = find_pending(connection, dialect).await?;
    if pending.is_empty() {
        return Ok(());
    }
    if *policy == Policy::Refuse {
        let names = pending.iter().map(|migration| migration.name.to_owned());
        return Err(DatabaseError::PendingMigrations(names.collect()));
    }
    let applied = MIGRATIONS.len() - pending.len();
    if applied > 0 {
        save(connection, (applied, MIGRATIONS.len()), policy, now).await?;
    }
    connection.run_script(dialect.begin_write()).await?;
    // Another node may have been quicker.
    let pending = find_pending(connection, dialect).await?;
    for migration in pending {
        let script = match dialect {
            Dialect::Sqlite => migration.sqlite,
            Dialect::Postgres => migration.postgres,
        };
        let mut result = connection.run_script(script.to_owned()).await;
        if result.is_ok() {
            result = sql("INSERT INTO schema_migrations (name, applied_at) VALUES ($1, $2)")
                .bind(migration.name)
                .bind(now)
                .execute(connection)
                .await
                .map(|_| ());
        }
        result.map_err(|error| DatabaseError::MigrationFailed {
            name: migration.name.to_owned(),
            source: Box::new(error),
        })?;
        tracing::info!(
            migration = migration.name,
            "the database schema was changed"
        );
    }
    connection.run_script(dialect.commit(None)).await
}

/// The names of the migrations that were applied, oldest first.
pub(crate) async fn list_applied(
    connection: &mut Connection,
    dialect: Dialect,
) -> Result<Vec<String>, DatabaseError> {
    let has_table = sql(dialect.find_table())
        .bind("schema_migrations")
        .fetch_optional(connection, |_| Ok(()))
        .await?;
    match has_table {
        None => Ok(Vec::new()),
        Some(()) => {
            sql("SELECT name FROM schema_migrations ORDER BY name")
                .fetch_all(connection, |row| Ok(row.text(0)?.to_owned()))
                .await
        }
    }
}

/// Sees to it that the database as it is can be had back.
async fn save(
    connection: &mut Connection,
    (from, to): (usize, usize),
    policy: &Policy,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let Session::Sqlite(session) = connection.session() else {
        tracing::warn!(
            "the schema of the database is about to be changed; a backup of a PostgreSQL database \
             is made by pg_dump (`cheeseshop backup create` runs it), not by the server"
        );
        return Ok(());
    };
    let Policy::Apply {
        backups: Some(directory),
    } = policy
    else {
        return Ok(());
    };
    let directory = directory.clone();
    session
        .run(move |sqlite| before_migration::save(sqlite, &directory, (from, to), now))
        .await
}

async fn find_pending(
    connection: &mut Connection,
    dialect: Dialect,
) -> Result<Vec<&'static Migration>, DatabaseError> {
    let applied = list_applied(connection, dialect).await?;
    let is_known = |name: &String| MIGRATIONS.iter().any(|migration| migration.name == *name);
    if let Some(unknown) = applied.iter().find(|name| !is_known(name)) {
        return Err(DatabaseError::NewerSchema {
            migration: unknown.clone(),
        });
    }
    Ok(MIGRATIONS
        .iter()
        .filter(|migration| !applied.iter().any(|name| name == migration.name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files_in(folder: &str) -> Vec<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("migrations")
            .join(folder);
        let mut names: Vec<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn both_folders_hold_exactly_the_embedded_migrations() {
        let expected: Vec<String> = names().map(|name| format!("{name}.sql")).collect();
        let mut sorted = expected.clone();
        sorted.sort();
        assert_eq!(
            expected, sorted,
            "migrations are in the order of their names"
        );
        assert_eq!(files_in("sqlite"), expected);
        assert_eq!(files_in("postgres"), expected);
    }
}
