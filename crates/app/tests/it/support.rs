//! An app on a database and a blob store of its own, and callers as values.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cheeseshop_app::auth::{Credentials, ThrottleSettings};
use cheeseshop_app::garbage::{GarbageOptions, GarbageReport};
use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
use cheeseshop_app::publish::{Published, Uploaded};
use cheeseshop_app::settings::{MirrorSettings, TriggerSettings};
use cheeseshop_app::{App, Error, Settings};
use cheeseshop_domain::{
    Caller, Clock, FixedClock, IndexName, JsonMap, RecordedEvent, Serial, UserName,
};
use cheeseshop_packaging::ProjectName;
use cheeseshop_storage::database::change_log;
use cheeseshop_storage::{BlobConfig, BlobStore, Database, DatabaseConfig, S3BlobConfig};
use cheeseshop_test_support::{BuiltFile, PostgresDatabase, postgres, s3};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The password of `root` in tests.
pub(crate) const ROOT_PASSWORD: &str = "root-secret";

/// An app for one test. `root` exists, indexes do not.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) database: Database,
    pub(crate) blobs: BlobStore,
    directory: TempDir,
    postgres: Option<PostgresDatabase>,
}

impl TestApp {
    /// On SQLite, with settings for testing.
    pub(crate) async fn start() -> Self {
        Self::with(settings()).await
    }

    /// On SQLite, with these settings.
    pub(crate) async fn with(settings: Settings) -> Self {
        let directory = TempDir::new().unwrap();
        let config = DatabaseConfig::sqlite(&directory.path().join("test.db"));
        Self::open(settings, &config, directory, None).await
    }

    /// On SQLite, with one connection for all readers, which they do not wait for longer than this many seconds.
    pub(crate) async fn with_one_reader(seconds: u64) -> Self {
        let directory = TempDir::new().unwrap();
        let config = DatabaseConfig {
            max_readers: 1,
            connect_timeout_seconds: seconds,
            ..DatabaseConfig::sqlite(&directory.path().join("test.db"))
        };
        Self::open(settings(), &config, directory, None).await
    }

    /// On PostgreSQL, with settings for testing.
    pub(crate) async fn on_postgres() -> Self {
        let postgres = postgres().await;
        let config = DatabaseConfig::for_url(postgres.url.as_str());
        let directory = TempDir::new().unwrap();
        Self::open(settings(), &config, directory, Some(postgres)).await
    }

    /// On both databases, one after the other.
    pub(crate) async fn on_each_database() -> [Self; 2] {
        [Self::start().await, Self::on_postgres().await]
    }

    /// On SQLite, with the files in a bucket.
    pub(crate) async fn on_s3() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let bucket = s3().await;
        let directory = TempDir::new().unwrap();
        let config = DatabaseConfig::sqlite(&directory.path().join("test.db"));
        let blobs = BlobConfig::S3(Box::new(S3BlobConfig {
            bucket: bucket.bucket,
            endpoint: Some(bucket.endpoint),
            access_key: Some(bucket.access_key),
            secret_key: Some(bucket.secret_key.into()),
            allow_http: true,
            spool_dir: Some(directory.path().join("spool")),
            ..S3BlobConfig::default()
        }));
        let test = Self::open_on(settings(), &config, &blobs, directory, None).await;
        test.app
            .ensure_root(&ROOT_PASSWORD.into(), None)
            .await
            .unwrap();
        test
    }

    /// On SQLite, without `root`: as on the very first start.
    pub(crate) async fn bare() -> Self {
        let directory = TempDir::new().unwrap();
        let config = DatabaseConfig::sqlite(&directory.path().join("test.db"));
        Self::open_bare(settings(), &config, directory, None).await
    }

    /// As [`TestApp::bare`], on PostgreSQL.
    pub(crate) async fn bare_on_postgres() -> Self {
        let postgres = postgres().await;
        let config = DatabaseConfig::for_url(postgres.url.as_str());
        let directory = TempDir::new().unwrap();
        Self::open_bare(settings(), &config, directory, Some(postgres)).await
    }

    async fn open(
        settings: Settings,
        config: &DatabaseConfig,
        directory: TempDir,
        postgres: Option<PostgresDatabase>,
    ) -> Self {
        let test = Self::open_bare(settings, config, directory, postgres).await;
        test.app
            .ensure_root(&ROOT_PASSWORD.into(), None)
            .await
            .unwrap();
        test
    }

    async fn open_bare(
        settings: Settings,
        config: &DatabaseConfig,
        directory: TempDir,
        postgres: Option<PostgresDatabase>,
    ) -> Self {
        // The only provider of TLS that is compiled in; another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let blobs = BlobConfig::Local {
            path: directory.path().join("blobs"),
        };
        Self::open_on(settings, config, &blobs, directory, postgres).await
    }

    async fn open_on(
        settings: Settings,
        config: &DatabaseConfig,
        blobs: &BlobConfig,
        directory: TempDir,
        postgres: Option<PostgresDatabase>,
    ) -> Self {
        let clock = Arc::new(FixedClock::new("2026-11-22T12:00:00Z".parse().unwrap()));
        let database = Database::open(config, Arc::clone(&clock) as Arc<dyn Clock>)
            .await
            .unwrap();
        let blobs = BlobStore::open(blobs).await.unwrap();
        let app = App::open(
            database.clone(),
            blobs.clone(),
            Arc::clone(&clock) as Arc<dyn Clock>,
            settings,
        )
        .await
        .unwrap();
        Self {
            app,
            clock,
            database,
            blobs,
            directory,
            postgres,
        }
    }

    /// Does something to the database on PostgreSQL, behind the program's back.
    pub(crate) async fn on_server(&self, statement: &str) {
        self.postgres.as_ref().unwrap().execute(statement).await;
    }

    /// A second app on the same database and blobs, as another node would be.
    pub(crate) async fn second_node(&self) -> App {
        let config = match &self.postgres {
            Some(postgres) => DatabaseConfig::for_url(postgres.url.as_str()),
            None => DatabaseConfig::sqlite(&self.directory.path().join("test.db")),
        };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let database = Database::open(&config, Arc::clone(&clock)).await.unwrap();
        App::open(database, self.blobs.clone(), clock, settings())
            .await
            .unwrap()
    }

    /// Makes a user with the password `NAME-secret`.
    pub(crate) async fn user(&self, name: &str) -> Caller {
        let body = object(json!({"password": format!("{name}-secret")}));
        self.app.create_user(&root(), name, &body).await.unwrap();
        caller(name)
    }

    /// Makes an index as root.
    pub(crate) async fn index(&self, name: &str, config: Value) -> IndexName {
        let name = index(name);
        self.app
            .create_index(&root(), &name, &object(config))
            .await
            .unwrap();
        name
    }

    /// Uploads a file as twine would.
    pub(crate) async fn upload(
        &self,
        caller: &Caller,
        index: &IndexName,
        file: &BuiltFile,
    ) -> Result<Published, Error> {
        upload(&self.app, caller, index, file).await
    }

    /// Sends a form with these fields, and a file when there is one.
    pub(crate) async fn send(
        &self,
        caller: &Caller,
        index: &IndexName,
        fields: &[(&str, &str)],
        content: Option<(&str, Bytes)>,
    ) -> Result<Uploaded, Error> {
        send(&self.app, caller, index, fields, content).await
    }

    /// The files on the JSON page of a project, as `filename`s.
    pub(crate) async fn files(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &str,
    ) -> Vec<String> {
        self.page(caller, index, project)
            .await
            .map(|page| {
                page["files"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|file| file["filename"].as_str().unwrap().to_owned())
                    .collect()
            })
            .unwrap_or_default()
    }

    /// The JSON page of a project.
    pub(crate) async fn page(
        &self,
        caller: &Caller,
        index: &IndexName,
        name: &str,
    ) -> Result<Value, Error> {
        let options = PageOptions {
            representation: Representation::Json,
            encoding: Encoding::Identity,
            absolute_base: None,
        };
        let page = self
            .app
            .project_page(caller, index, &project(name), &options)
            .await?;
        Ok(serde_json::from_slice(&page.body(Encoding::Identity)).unwrap())
    }

    /// All events so far.
    pub(crate) async fn events(&self) -> Vec<RecordedEvent> {
        let mut reader = self.database.reader().await.unwrap();
        change_log::list_after(&mut reader, Serial(0), 10_000)
            .await
            .unwrap()
    }

    /// The events after a serial, as `kind subject` lines.
    pub(crate) async fn events_since(&self, serial: Serial) -> Vec<String> {
        self.events()
            .await
            .iter()
            .filter(|event| event.serial > serial)
            .map(|event| format!("{} {}", event.event.kind, event.event.subject))
            .collect()
    }

    /// The newest serial.
    pub(crate) async fn head(&self) -> Serial {
        self.database.head().await.unwrap()
    }

    /// Collects garbage without grace: nothing else runs.
    pub(crate) async fn collect_garbage(&self) -> GarbageReport {
        self.app
            .collect_garbage(GarbageOptions {
                grace: std::time::Duration::ZERO,
                ..GarbageOptions::default()
            })
            .await
            .unwrap()
    }

    /// The file of a blob.
    pub(crate) fn blob_path(&self, sha256: &cheeseshop_packaging::Sha256) -> std::path::PathBuf {
        let name = sha256.to_string();
        let blobs = self.directory.path().join("blobs");
        blobs.join(&name[..2]).join(name)
    }

    /// How many blobs the store holds.
    pub(crate) async fn blob_count(&self) -> usize {
        let entries: Vec<_> = self.blobs.list().try_collect().await.unwrap();
        entries.len()
    }
}

/// As [`settings`], where nobody has to wait for having guessed too often.
pub(crate) fn forgiving_settings() -> Settings {
    let mut settings = settings();
    settings.auth.throttle = ThrottleSettings {
        failures_per_user: u32::MAX,
        failures_per_address: u32::MAX,
        ..ThrottleSettings::default()
    };
    settings
}

/// Settings with cheap hashes and small limits. Upstreams of tests are in this very process, which a
/// loaded machine may hold up for a while, and behind no proxy.
pub(crate) fn settings() -> Settings {
    Settings {
        mirror: MirrorSettings {
            request_timeout: Duration::from_mins(1),
            list_timeout: Duration::from_mins(1),
            proxy: "none".into(),
            ..MirrorSettings::default()
        },
        trigger: TriggerSettings {
            timeout: Duration::from_mins(1),
            ..TriggerSettings::default()
        },
        auth: cheeseshop_app::settings::AuthSettings::for_testing(),
        publish: cheeseshop_app::settings::PublishLimits::for_testing(),
        ..Settings::default()
    }
}

/// Uploads a file as twine would, to any app.
pub(crate) async fn upload(
    app: &App,
    caller: &Caller,
    index: &IndexName,
    file: &BuiltFile,
) -> Result<Published, Error> {
    let fields = [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("metadata_version", "2.4"),
        ("name", file.project.as_str()),
        ("version", file.version.as_str()),
        ("sha256_digest", file.sha256.as_str()),
    ];
    let content = Some((file.name.as_str(), file.bytes.clone()));
    match send(app, caller, index, &fields, content).await? {
        Uploaded::File(published) => Ok(published),
        other => panic!("a file was sent: {other:?}"),
    }
}

/// Sends a form to any app.
pub(crate) async fn send(
    app: &App,
    caller: &Caller,
    index: &IndexName,
    fields: &[(&str, &str)],
    content: Option<(&str, Bytes)>,
) -> Result<Uploaded, Error> {
    let mut upload = app.start_upload(caller, index).await?;
    for (name, value) in fields {
        upload.push_field(name, value)?;
    }
    if let Some((filename, bytes)) = content {
        upload.start_content(filename).await?;
        for chunk in bytes.chunks(64 * 1024) {
            upload.write(Bytes::copy_from_slice(chunk)).await?;
        }
    }
    upload.finish().await
}

pub(crate) fn root() -> Caller {
    caller("root")
}

pub(crate) fn anonymous() -> Caller {
    Caller::anonymous()
}

pub(crate) fn caller(name: &str) -> Caller {
    Caller::user(UserName::parse(name).unwrap())
}

pub(crate) fn credentials(user: &str, secret: &str) -> Credentials {
    Credentials {
        user: user.to_owned(),
        secret: secret.into(),
    }
}

pub(crate) fn index(name: &str) -> IndexName {
    IndexName::parse(name).unwrap()
}

pub(crate) fn project(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
}

pub(crate) fn object(value: Value) -> JsonMap {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// The kind and text of an error, for comparing.
pub(crate) fn told<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let kind = match &error {
                Error::NotFound(_) => "not found",
                Error::Gone(_) => "gone",
                Error::Forbidden(_) => "forbidden",
                Error::Unauthenticated(_) => "unauthenticated",
                Error::Invalid(_) => "invalid",
                Error::Conflict(_) => "conflict",
                Error::ReadOnly(_) => "read only",
                Error::TooLarge(_) => "too large",
                Error::Throttled { .. } => "throttled",
                Error::UpstreamFailed { .. } => "upstream failed",
                Error::Busy => "busy",
                Error::NoSpace => "no space",
                Error::Internal(source) => panic!("internal error: {source:?}"),
            };
            format!("{kind}: {error}")
        }
    }
}
