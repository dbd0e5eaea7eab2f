//! Opening what every command works with: data directory, database, blobs, app.

use std::path::PathBuf;
use std::sync::Arc;

use cheeseshop_app::App;
use cheeseshop_app::auth::FirstStart;
use cheeseshop_app::mirror::{DefaultUpstream, UpstreamOrigin};
use cheeseshop_domain::{Clock, error_chain};
use cheeseshop_storage::backup::RESTORING;
use cheeseshop_storage::database::newest_before_migration;
use cheeseshop_storage::{BlobStore, Database, DatabaseError, LockFile};
use secrecy::SecretString;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_directory::DataDirectory;
use crate::failure::Failure;
use crate::root_password::{KeptPassword, RootPassword};
use crate::{output, upstream};

/// An open installation.
pub(crate) struct Node {
    pub(crate) app: App,
    pub(crate) directory: DataDirectory,
    db: Database,
    upstream: DefaultUpstream,
    root_password: RootPassword,
    /// Held until the end; the last field, so that it is dropped last.
    _lock: Option<LockFile>,
}

impl Node {
    /// Makes or opens everything and holds the data directory for this process alone.
    pub(crate) async fn open_exclusively(config: &Config, purpose: &str) -> Result<Self, Failure> {
        let directory = DataDirectory::open_or_create(&config.data_dir)?;
        let lock = directory.lock(purpose)?;
        Self::open(config, directory, Some(lock)).await
    }

    /// Opens what is there already, also beside a running server.
    pub(crate) async fn open_existing(config: &Config) -> Result<Self, Failure> {
        existing(config)?;
        let directory = DataDirectory::open_or_create(&config.data_dir)?;
        Self::open(config, directory, None).await
    }

    async fn open(
        config: &Config,
        directory: DataDirectory,
        lock: Option<LockFile>,
    ) -> Result<Self, Failure> {
        let upstream = upstream::of_root_pypi(config)?;
        refuse_half_restored(&directory)?;
        if lock.is_some() {
            refuse_lost_database(config)?;
        }
        // A timer's command after an upgrade must not change the schema under a server that still runs.
        let db = open_database(config, lock.is_some()).await?;
        let blobs = BlobStore::open(&config.blobs).await.map_err(|error| {
            Failure::caused_by("the store of files cannot be used", &error)
                .with_hint("check the section [blobs]; `cheeseshop config show` prints it")
        })?;
        let app = App::open(db.clone(), blobs, clock(), config.app.clone())
            .await
            .map_err(|error| {
                Failure::caused_by("cannot start", &error)
                    .with_hint("`cheeseshop config check` looks for problems in the settings")
            })?;
        Ok(Self {
            app,
            directory,
            db,
            upstream,
            root_password: RootPassword::of(config),
            _lock: lock,
        })
    }

    /// On an empty database makes `root` and `root/pypi`, and tells of the password. Says whether it did.
    pub(crate) async fn announce_first_start(&self) -> Result<bool, Failure> {
        if self.is_initialised() {
            return Ok(false);
        }
        let first = self.root_password.for_first_start(self.directory.path())?;
        let upstream = Some(self.upstream.url.expose());
        let made = self.app.ensure_root(first.password(), upstream).await;
        match made {
            Ok(FirstStart::Created) => {}
            Ok(FirstStart::AlreadyThere) => {
                // Another node was faster, and its password is the one.
                first.withdraw();
                return Ok(false);
            }
            Err(error) => {
                first.withdraw();
                return Err(Failure::caused_by("the user `root` cannot be made", &error));
            }
        }
        for line in first.announcement() {
            output::data(&line);
        }
        let found_in = match &self.upstream.origin {
            UpstreamOrigin::BuiltIn | UpstreamOrigin::Configuration => String::new(),
            // Nobody asked us to look there, so we say that we did.
            elsewhere => format!(" (from {elsewhere})"),
        };
        output::data(&format!(
            "Created the index root/pypi, a mirror of {}{found_in}",
            self.upstream.url.redacted()
        ));
        Ok(true)
    }

    /// The upstream for a new `root/pypi`.
    pub(crate) fn default_upstream(&self) -> &DefaultUpstream {
        &self.upstream
    }

    /// The password that the settings give to `root`, if they do.
    pub(crate) fn given_root_password(&self) -> Result<Option<SecretString>, Failure> {
        self.root_password.given()
    }

    /// Where a password that was made up for `root` may be.
    pub(crate) fn kept_root_password(&self) -> KeptPassword {
        self.root_password.kept(self.directory.path())
    }

    /// Whether the user `root` was made.
    pub(crate) fn is_initialised(&self) -> bool {
        self.app.directory().user("root").is_some()
    }

    /// The database, to look whether it answers.
    pub(crate) fn database(&self) -> Database {
        self.db.clone()
    }

    /// Ends all work on the database and waits until it is closed.
    pub(crate) async fn close(self) {
        self.db.close().await;
    }
}

/// Makes sure that there is something to open, so that a command with a mistyped directory does
/// not leave a new one behind.
pub(crate) fn existing(config: &Config) -> Result<(), Failure> {
    let Some(file) = config.embedded_database() else {
        // A database server says by itself what it does not have.
        return Ok(());
    };
    let mut missing = None;
    for path in [config.data_dir.as_path(), file] {
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => missing = missing.or(Some(path)),
            Err(error) => {
                return Err(Failure::could_not_try(format!(
                    "{} cannot be looked at: {error}",
                    path.display()
                ))
                .with_hint("check owner and mode, and run it as the user of the server"));
            }
        }
    }
    match missing {
        None => Ok(()),
        Some(path) => Err(Failure::could_not_try(format!(
            "there is nothing at {}",
            path.display()
        ))
        .with_hint(
            "`cheeseshop serve` or `cheeseshop init` makes a data directory; \
                 --data-dir names another one",
        )),
    }
}

/// What a restore has begun must not be taken for a whole installation, nor for an empty one.
fn refuse_half_restored(directory: &DataDirectory) -> Result<(), Failure> {
    let mark = directory.path().join(RESTORING);
    if !mark.exists() {
        return Ok(());
    }
    Err(Failure::could_not_try(format!(
        "a restore into {} did not come to its end",
        directory.path().display()
    ))
    .with_hint("start `cheeseshop backup restore` again; it goes on where it was"))
}

/// Beside files, or copies of a database, a database that is not there or empty was lost: on the way back to an older
/// release, say, or by a full disk. An empty one in its place would make garbage of every file.
fn refuse_lost_database(config: &Config) -> Result<(), Failure> {
    let Some(file) = config.embedded_database() else {
        return Ok(());
    };
    let is_there = file.metadata().is_ok_and(|found| found.len() > 0);
    if is_there {
        return Ok(());
    }
    let (copy, blob) = (newest_before_migration(file), config.blobs.any_local_blob());
    let Some(found) = copy.as_ref().or(blob.as_ref()) else {
        return Ok(());
    };
    Err(Failure::could_not_try(format!(
        "there is no database at {}, or an empty one, but there is {}",
        file.display(),
        found.display()
    ))
    .with_hint(
        "bring the database back: from a backup, or from a copy of before an upgrade \
         (docs/manual/upgrade.md); to begin anew, move what is there aside",
    ))
}

/// Opens the database, with each way in which that goes wrong in words of its own.
pub(crate) async fn open_database(config: &Config, migrate: bool) -> Result<Database, Failure> {
    let mut database = config.database.clone();
    database.migrate &= migrate;
    Database::open(&database, clock())
        .await
        .map_err(|error| database_failure(config, &error))
}

fn database_failure(config: &Config, error: &DatabaseError) -> Failure {
    let url = config
        .database
        .url
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let failure = Failure::could_not_try(format!("database {url}: {}", error_chain(error)));
    match error {
        DatabaseError::Corrupted(_) => match copy_of_before(config) {
            Some(copy) => failure.with_hint(format!(
                "nothing was changed; put a backup in its place, or {}, which is the database as it was before \
                 an upgrade: docs/manual/upgrade.md says how",
                copy.display()
            )),
            None => failure.with_hint(
                "nothing was changed; put a backup in its place, or name another database with \
                 --database-url",
            ),
        },
        DatabaseError::PendingMigrations(_) if config.database.migrate => failure.with_hint(
            "the server brings it up to date when it starts: restart it; without one, `cheeseshop init` does",
        ),
        DatabaseError::PendingMigrations(_) => failure.with_hint(
            "set `database.migrate`, or run `cheeseshop init --set database.migrate=true` once",
        ),
        DatabaseError::MigrationFailed { .. } => failure.with_hint(
            "nothing was changed; on PostgreSQL the role of `database.url` has to own the tables, and to be \
             allowed to make new ones",
        ),
        DatabaseError::BackupFailed { .. } => failure.with_hint(
            "nothing was changed; make room, or make a backup by other means and start once with \
             --set database.backup_before_migration=false",
        ),
        DatabaseError::NewerSchema { .. } => {
            match copy_of_before(config) {
                Some(copy) => failure.with_hint(format!(
                    "{} is the database as this release can use it, without what was done since: \
                     docs/manual/upgrade.md says how to go back to it",
                    copy.display()
                )),
                None => failure,
            }
        }
        DatabaseError::NotAccessible { .. } | DatabaseError::ReadOnly(_) => {
            failure.with_hint("check owner and mode, or choose another place with --data-dir")
        }
        DatabaseError::Unavailable(_) => {
            failure.with_hint("is the database server running, and is `database.url` right?")
        }
        DatabaseError::Full(_) => failure.with_hint("make room on the disk"),
        DatabaseError::Busy => failure.with_hint("another program holds the database; stop it"),
        _ => failure,
    }
}

/// The newest copy that was made before a migration, of those that this release can use.
fn copy_of_before(config: &Config) -> Option<PathBuf> {
    config.embedded_database().and_then(newest_before_migration)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
