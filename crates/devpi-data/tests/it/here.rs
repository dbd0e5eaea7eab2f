//! This side: an app on a database and a blob store of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cheeseshop_app::import::{ImportOptions, Outcome, Progress, Report, Source};
use cheeseshop_app::{App, Settings};
use cheeseshop_domain::Clock;
use cheeseshop_storage::{BlobConfig, BlobStore, Database, DatabaseConfig};
use cheeseshop_test_support::{PostgresDatabase, postgres};
use jiff::Timestamp;
use tempfile::TempDir;

/// The machine's time: a real server judges by it.
struct MachineClock;

impl Clock for MachineClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the devpi-server on the other side has no other clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The clock of tests with a real server.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(MachineClock)
}

/// An installation with the user `root` and nothing else.
pub(crate) struct Here {
    pub(crate) app: App,
    pub(crate) database: Database,
    directory: TempDir,
    _postgres: Option<PostgresDatabase>,
}

impl Here {
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let config = DatabaseConfig::sqlite(&directory.path().join("test.db"));
        Self::open(directory, &config, None).await
    }

    /// The same on PostgreSQL.
    pub(crate) async fn on_postgres() -> Self {
        let postgres = postgres().await;
        let config = DatabaseConfig::for_url(postgres.url.as_str());
        Self::open(TempDir::new().unwrap(), &config, Some(postgres)).await
    }

    async fn open(
        directory: TempDir,
        config: &DatabaseConfig,
        postgres: Option<PostgresDatabase>,
    ) -> Self {
        // The only provider of TLS that is compiled in; another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let database = Database::open(config, clock()).await.unwrap();
        let blobs = BlobConfig::Local {
            path: directory.path().join("blobs"),
        };
        let blobs = BlobStore::open(&blobs).await.unwrap();
        let app = App::open(database.clone(), blobs, clock(), Settings::default())
            .await
            .unwrap();
        app.ensure_root(&"unused".into(), None).await.unwrap();
        Self {
            app,
            database,
            directory,
            _postgres: postgres,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the blob of this digest lies.
    pub(crate) fn blob(&self, sha256: &str) -> PathBuf {
        let mut found = Vec::new();
        find(&self.path("blobs"), sha256, &mut found);
        found.pop().unwrap()
    }

    pub(crate) async fn import(&self, source: &dyn Source, options: ImportOptions) -> Outcome {
        let report = Report::new();
        self.app
            .import(source, options, &report, &Progress::new())
            .await
            .unwrap();
        report.outcome()
    }
}

fn find(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, name, found);
        } else if path.file_name().and_then(|found| found.to_str()) == Some(name) {
            found.push(path);
        }
    }
}
