//! Fresh databases of both kinds, and shortcuts to fill them.

use std::sync::Arc;

use cheeseshop_domain::{
    Event, EventKind, File, FixedClock, Index, IndexConfig, IndexName, JsonMap, Project, Release,
    Serial, UserName, UserProfile,
};
use cheeseshop_packaging::filename::FileName;
use cheeseshop_packaging::hash::Sha256;
use cheeseshop_packaging::name::ProjectName;
use cheeseshop_packaging::simple::Yanked;
use cheeseshop_packaging::version::Version;
use cheeseshop_storage::database::{blobs, files, indexes, projects, releases, users};
use cheeseshop_storage::{Committed, Database, DatabaseConfig, DatabaseError, Origin, Transaction};
use cheeseshop_test_support::PostgresDatabase;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;

pub(crate) type Write<T> = Result<Committed<T>, DatabaseError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// An empty database that nobody else uses, gone at the end of the test.
pub(crate) struct TestDatabase {
    pub(crate) kind: Kind,
    pub(crate) config: DatabaseConfig,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) directory: tempfile::TempDir,
    _postgres: Option<PostgresDatabase>,
}

/// Runs a test on SQLite, then on PostgreSQL.
pub(crate) async fn for_each_database(test: impl AsyncFn(TestDatabase)) {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        // Shown when the test fails.
        eprintln!("on {kind:?}");
        test(TestDatabase::new(kind).await).await;
    }
}

impl TestDatabase {
    pub(crate) async fn new(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let postgres = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(cheeseshop_test_support::postgres().await),
        };
        let config = match &postgres {
            None => DatabaseConfig::sqlite(&directory.path().join("cheeseshop.db")),
            Some(postgres) => DatabaseConfig::for_url(postgres.url.as_str()),
        };
        Self {
            kind,
            config,
            clock: Arc::new(FixedClock::new(time(1_700_000_000))),
            directory,
            _postgres: postgres,
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.config.url.as_ref().unwrap().expose()
    }

    pub(crate) async fn open(&self) -> Database {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Database, DatabaseError> {
        Database::open(&self.config, self.clock.clone()).await
    }

    /// Does something to the database behind the program's back.
    pub(crate) async fn tamper(&self, sqlite: &str, postgres: &str) {
        match self.kind {
            Kind::Sqlite => {
                let path = self.url().strip_prefix("sqlite://").unwrap();
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch(sqlite).unwrap();
            }
            Kind::Postgres => {
                use sqlx::{AssertSqlSafe, Connection as _};
                let mut connection = sqlx::PgConnection::connect(self.url()).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(postgres.to_owned()))
                    .execute(&mut connection)
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    pub(crate) async fn tamper_same(&self, sql: &str) {
        self.tamper(sql, sql).await;
    }
}

pub(crate) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn origin() -> Origin {
    Origin {
        actor: "bob".to_owned(),
        address: Some("192.0.2.7".parse().unwrap()),
    }
}

pub(crate) fn event(subject: &str) -> Event {
    Event {
        kind: EventKind::FilePublished,
        subject: subject.to_owned(),
        detail: json!({"version": "1.0", "quote": "it's \"ü\""}),
    }
}

pub(crate) fn digest(number: u64) -> Sha256 {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Sha256(bytes)
}

pub(crate) fn metadata(summary: &str) -> JsonMap {
    let mut map = JsonMap::new();
    map.insert("name".to_owned(), json!("pkg"));
    map.insert("summary".to_owned(), json!(summary));
    map
}

/// Writes as [`origin`].
pub(crate) async fn write<T, F>(database: &Database, operation: F) -> Write<T>
where
    F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, DatabaseError>>
        + Send
        + 'static,
    T: Send + 'static,
{
    database.write(origin(), operation).await
}

/// Records an event and nothing else.
pub(crate) async fn record(database: &Database, subject: &str) -> Serial {
    let event = event(subject);
    let committed: Write<()> = write(database, move |tx| {
        Box::pin(async move {
            tx.record(event);
            Ok(())
        })
    })
    .await;
    committed.unwrap().serial
}

/// A setting that an operation may set to leave a trace.
pub(crate) async fn setting(database: &Database, name: &str) -> Option<String> {
    let mut reader = database.reader().await.unwrap();
    cheeseshop_storage::database::settings::get(&mut reader, name)
        .await
        .unwrap()
}

pub(crate) fn project_name(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// Makes `user/index`, with the user if need be.
pub(crate) async fn create_index(tx: &mut Transaction, name: &str) -> Result<Index, DatabaseError> {
    let name = IndexName::parse(name).unwrap();
    let now = tx.now();
    let owner = match users::find(tx, name.user.as_str()).await? {
        Some(user) => user,
        None => users::create(tx, &name.user, None, &UserProfile::default(), now).await?,
    };
    indexes::create(tx, owner.id, &name, &config(&name.user), now).await
}

pub(crate) fn config(owner: &UserName) -> IndexConfig {
    IndexConfig::from_stored(owner, &json!({"type": "stage", "volatile": true})).unwrap()
}

/// What a publish does to the database, less the event.
pub(crate) async fn publish(
    tx: &mut Transaction,
    index: &Index,
    project: &str,
    version_text: &str,
    sha256: Sha256,
) -> Result<(Project, Release, File), DatabaseError> {
    let name = project_name(project);
    let (project, _) = projects::find_or_create(tx, index.id, &name).await?;
    let version = version(version_text);
    let release = releases::save(tx, project.id, &version, &metadata("first")).await?;
    let new = new_file(tx, &project, &release, sha256);
    blobs::register(tx, sha256, new.size).await?;
    let file = files::insert(tx, new).await?;
    Ok((project, release, file))
}

pub(crate) fn new_file(
    tx: &Transaction,
    project: &Project,
    release: &Release,
    sha256: Sha256,
) -> files::NewFile {
    let name = project.name.normalized();
    let filename = format!("{name}-{}.tar.gz", release.version.as_str());
    files::NewFile {
        index: project.index,
        project: project.id,
        release: release.id,
        name: FileName::parse(&filename).unwrap(),
        version: release.version.clone(),
        sha256,
        size: 5_000_000_000,
        requires_python: Some(">=3.8".to_owned()),
        yanked: Yanked::No,
        core_metadata: None,
        uploaded: tx.now(),
        log: Vec::new(),
    }
}
