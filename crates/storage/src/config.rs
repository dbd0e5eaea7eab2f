//! The `[database]` section of the configuration.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::database::DatabaseError;

/// Where the database is and how it is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:///absolute/path.db` or `postgres://user:password@host/name`.
    /// Absent: the program puts an SQLite file into its data directory.
    pub url: Option<DatabaseUrl>,
    /// A file whose first line is the URL; keeps the password out of the configuration.
    pub url_file: Option<PathBuf>,
    /// Bring the schema up to date at start. When off, pending migrations stop the start.
    pub migrate: bool,
    /// Copy an embedded database into `backups` beside it before its schema is changed. When the copy
    /// cannot be made, the schema is not changed and the start fails.
    pub backup_before_migration: bool,
    /// Connections for readers. SQLite makes each a thread, started when first needed.
    pub max_readers: u32,
    /// Seconds to wait for a connection to PostgreSQL, and for a free reader.
    pub connect_timeout_seconds: u64,
    /// Write operations that may wait before callers are held back.
    pub queue_length: usize,
    /// Seconds that a caller is held back by a full queue before it is told "busy".
    pub queue_timeout_seconds: u64,
}

/// A database address. It may hold a password: `Debug` and `Display` hide it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

/// Which database an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Sqlite(PathBuf),
    Postgres(DatabaseUrl),
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            migrate: true,
            backup_before_migration: true,
            max_readers: 8,
            connect_timeout_seconds: 5,
            queue_length: 1024,
            queue_timeout_seconds: 30,
        }
    }
}

impl DatabaseConfig {
    /// A configuration for the SQLite file at `path`, everything else as by default.
    pub fn sqlite(path: &Path) -> Self {
        Self {
            url: Some(DatabaseUrl::sqlite(path)),
            ..Self::default()
        }
    }

    /// A configuration for the database at `url`, everything else as by default.
    pub fn for_url(url: impl Into<DatabaseUrl>) -> Self {
        Self {
            url: Some(url.into()),
            ..Self::default()
        }
    }

    /// What is wrong with this section, one sentence each; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.url.is_some() && self.url_file.is_some() {
            problems.push("`url` and `url_file` exclude each other".to_owned());
        }
        if let Some(url) = &self.url
            && let Err(error) = url.address()
        {
            problems.push(format!("`url`: {error}"));
        }
        if self.max_readers == 0 {
            problems.push("`max_readers` must be at least 1".to_owned());
        }
        if self.queue_length == 0 {
            problems.push("`queue_length` must be at least 1".to_owned());
        }
        problems
    }

    pub(crate) fn address(&self) -> Result<Address, DatabaseError> {
        match (&self.url, &self.url_file) {
            (Some(_), Some(_)) => Err(DatabaseError::Configuration(
                "`url` and `url_file` exclude each other".to_owned(),
            )),
            (Some(url), None) => url.address(),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).map_err(|source| {
                    DatabaseError::NotAccessible {
                        path: file.clone(),
                        source: Box::new(source),
                    }
                })?;
                DatabaseUrl(text.lines().next().unwrap_or_default().trim().to_owned()).address()
            }
            (None, None) => Err(DatabaseError::Configuration(
                "no database address is configured".to_owned(),
            )),
        }
    }

    /// Where an embedded database is copied to before a migration; `None` when it is not.
    pub(crate) fn migration_backups(&self) -> Result<Option<PathBuf>, DatabaseError> {
        match self.address()? {
            Address::Sqlite(path) if self.backup_before_migration => {
                Ok(Some(crate::database::before_migration::directory_of(&path)))
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    pub(crate) fn queue_timeout(&self) -> Duration {
        Duration::from_secs(self.queue_timeout_seconds)
    }
}

impl DatabaseUrl {
    /// The address of the SQLite file at `path`.
    pub fn sqlite(path: &Path) -> Self {
        Self(format!("sqlite://{}", path.display()))
    }

    /// The address as written, password included. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SQLite paths are taken literally (nothing is percent-decoded), relative ones from the
    /// working directory.
    fn address(&self) -> Result<Address, DatabaseError> {
        let text = self.0.as_str();
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Address::Postgres(self.clone()));
        }
        let Some(path) = text
            .strip_prefix("sqlite://")
            .or_else(|| text.strip_prefix("sqlite:"))
        else {
            return Err(DatabaseError::Configuration(format!(
                "`{self}` is not a database address: it must begin with `sqlite://` or \
                 `postgres://`"
            )));
        };
        if path.is_empty() || path == ":memory:" || path.contains('?') {
            return Err(DatabaseError::Configuration(format!(
                "`{self}` does not name a file: write `sqlite:///absolute/path.db`"
            )));
        }
        Ok(Address::Sqlite(PathBuf::from(path)))
    }
}

impl<T: Into<String>> From<T> for DatabaseUrl {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return formatter.write_str(&self.0);
        };
        // `postgres://host/name?password=…` is legal as well.
        let (rest, query) = match rest.split_once('?') {
            Some((rest, _)) => (rest, "?…"),
            None => (rest, ""),
        };
        match rest.rsplit_once('@') {
            Some((credentials, rest)) => {
                let user = credentials.split(':').next().unwrap_or_default();
                write!(formatter, "{scheme}://{user}:***@{rest}{query}")
            }
            None => write!(formatter, "{scheme}://{rest}{query}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_printed() {
        for (url, shown) in [
            ("postgres://me:se@cret@db/name", "postgres://me:***@db/name"),
            ("postgres://db/name?password=x", "postgres://db/name?…"),
            ("sqlite:///a/b.db", "sqlite:///a/b.db"),
        ] {
            let url = DatabaseUrl::from(url);
            assert_eq!(url.to_string(), shown);
            let config = DatabaseConfig::for_url(url.expose());
            assert!(!format!("{config:?}").contains("cret"));
            assert!(!format!("{config:?}").contains("password=x"));
        }
    }

    #[test]
    fn addresses_are_recognised() {
        let address = |text: &str| DatabaseUrl::from(text).address();
        assert_eq!(
            address("sqlite:///a/b.db").unwrap(),
            Address::Sqlite("/a/b.db".into())
        );
        assert_eq!(
            address("sqlite:b.db").unwrap(),
            Address::Sqlite("b.db".into())
        );
        assert!(matches!(
            address("postgresql://x/y"),
            Ok(Address::Postgres(_))
        ));
        for wrong in [
            "mysql://x",
            "b.db",
            "",
            "sqlite:",
            "sqlite::memory:",
            "sqlite://a?mode=ro",
        ] {
            assert!(
                matches!(address(wrong), Err(DatabaseError::Configuration(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn problems_name_the_key() {
        let config = DatabaseConfig {
            url: Some("mysql://me:secret@x".into()),
            max_readers: 0,
            ..DatabaseConfig::default()
        };
        let problems = config.problems();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("`url`") && !problems[0].contains("secret"));
        assert!(problems[1].contains("max_readers"));
        assert!(DatabaseConfig::default().problems().is_empty());
    }

    #[test]
    fn a_missing_url_file_is_named() {
        let config = DatabaseConfig {
            url_file: Some("/nowhere/url".into()),
            ..DatabaseConfig::default()
        };
        let error = config.address().unwrap_err().to_string();
        assert!(error.contains("/nowhere/url"), "{error}");
    }
}
