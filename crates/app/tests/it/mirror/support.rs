//! Mirrors over a fresh SQLite database and blob directory, and a fake upstream.

use std::sync::Arc;
use std::time::Duration;

use cheeseshop_app::Error;
use cheeseshop_app::file_handle::FileHandle;
use cheeseshop_app::mirror::{ListingState, MirrorSettings, Mirrors};
use cheeseshop_domain::{FixedClock, Index, IndexConfig, IndexName, UserName, UserProfile};
use cheeseshop_packaging::ProjectName;
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_storage::database::mirrors::MirrorFile;
use cheeseshop_storage::database::{change_log, indexes, mirrors, users};
use cheeseshop_storage::{
    BlobConfig, BlobStore, ByteStream, Database, DatabaseConfig, DatabaseError, Origin,
};
use cheeseshop_test_support::Upstream;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for a loaded machine; only tests that wait for time-outs set it lower.
const PATIENT: Duration = Duration::from_mins(1);

/// Short enough to wait for.
pub(super) const IMPATIENT: Duration = Duration::from_secs(3);

/// A server's mirrors, its stores and its clock.
pub(super) struct Bench {
    pub(super) mirrors: Mirrors,
    pub(super) db: Database,
    pub(super) blobs: BlobStore,
    pub(super) clock: Arc<FixedClock>,
    pub(super) folder: TempDir,
}

/// Settings that depend on nothing outside of the test.
pub(super) fn settings() -> MirrorSettings {
    MirrorSettings {
        request_timeout: PATIENT,
        list_timeout: PATIENT,
        proxy: "none".into(),
        ..MirrorSettings::default()
    }
}

/// Settings for tests in which the upstream does not answer.
pub(super) fn impatient() -> MirrorSettings {
    MirrorSettings {
        request_timeout: IMPATIENT,
        ..settings()
    }
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(super) async fn with(settings: MirrorSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let clock = Arc::new(FixedClock::new(now));
        Self::open(folder, clock, settings).await
    }

    async fn open(folder: TempDir, clock: Arc<FixedClock>, settings: MirrorSettings) -> Self {
        let config = DatabaseConfig::sqlite(&folder.path().join("db.sqlite"));
        let db = Database::open(&config, clock.clone()).await.unwrap();
        let path = folder.path().join("blobs");
        let blobs = BlobStore::open(&BlobConfig::Local { path }).await.unwrap();
        let mirrors = Mirrors::new(settings, db.clone(), blobs.clone(), clock.clone()).unwrap();
        let observer = mirrors.clone();
        db.observe(move |events, _| {
            for event in events {
                observer.on_own_commit(event);
            }
        });
        Self {
            mirrors,
            db,
            blobs,
            clock,
            folder,
        }
    }

    /// The same data, another process.
    pub(super) async fn restart(self, settings: MirrorSettings) -> Self {
        self.mirrors.settle().await;
        let Self {
            mirrors,
            db,
            blobs,
            clock,
            folder,
        } = self;
        db.close().await;
        drop((mirrors, db, blobs));
        Self::open(folder, clock, settings).await
    }

    /// A mirror `root/NAME` of this upstream with these further keys.
    pub(super) async fn mirror(&self, name: &str, url: &str, keys: Value) -> Arc<Index> {
        let root = UserName::root();
        let name = IndexName::of(&root, name).unwrap();
        let mut body = json!({"type": "mirror", "mirror_url": url});
        let keys = keys.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(keys);
        let config = IndexConfig::create(&root, body.as_object().unwrap(), &|_| true).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let index = self
            .db
            .write(Origin::new("test"), move |tx| {
                async move {
                    let profile = UserProfile::default();
                    let owner = match users::find(tx, root.as_str()).await? {
                        Some(user) => user.id,
                        None => users::create(tx, &root, None, &profile, now).await?.id,
                    };
                    let index = indexes::create(tx, owner, &name, &config, now).await?;
                    Ok::<_, DatabaseError>(index)
                }
                .boxed()
            })
            .await
            .unwrap();
        Arc::new(index.value)
    }

    /// The mirror `root/pypi` of an upstream.
    pub(super) async fn pypi(&self, upstream: &Upstream) -> Arc<Index> {
        self.mirror("pypi", &upstream.url(), json!({})).await
    }

    pub(super) fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub(super) async fn listing(
        &self,
        index: &Arc<Index>,
        project: &str,
    ) -> Result<Option<ListingState>, Error> {
        let project = ProjectName::parse(project).unwrap();
        self.mirrors.listing(index, &project).await
    }

    /// The listing of a project that is there.
    pub(super) async fn listed(&self, index: &Arc<Index>, project: &str) -> ListingState {
        self.listing(index, project).await.unwrap().unwrap()
    }

    /// The entry of a listed file.
    pub(super) async fn entry(
        &self,
        index: &Arc<Index>,
        project: &str,
        filename: &str,
    ) -> PageFile {
        let state = self.listed(index, project).await;
        let files = &state.listing.page.files;
        let found = files.iter().find(|file| file.filename == filename);
        found.unwrap().clone()
    }

    pub(super) async fn open_file(
        &self,
        index: &Arc<Index>,
        file: &PageFile,
    ) -> Result<FileHandle, Error> {
        self.mirrors.open_file(index, &flask(), file).await
    }

    pub(super) async fn open_metadata(
        &self,
        index: &Arc<Index>,
        file: &PageFile,
    ) -> Result<FileHandle, Error> {
        self.mirrors.open_core_metadata(index, &flask(), file).await
    }

    /// The row of a held file of `flask`.
    pub(super) async fn row(&self, index: &Index, filename: &str) -> Option<MirrorFile> {
        let mut reader = self.db.reader().await.unwrap();
        mirrors::find_file(&mut reader, index.id, "flask", filename)
            .await
            .unwrap()
    }

    /// How many blobs are kept.
    pub(super) async fn blob_count(&self) -> usize {
        self.blobs
            .list()
            .try_collect::<Vec<_>>()
            .await
            .unwrap()
            .len()
    }

    /// The kinds of all events so far.
    pub(super) async fn events(&self) -> Vec<String> {
        let mut reader = self.db.reader().await.unwrap();
        let events = change_log::list_after(&mut reader, cheeseshop_domain::Serial(0), 1000)
            .await
            .unwrap();
        events
            .iter()
            .map(|event| event.event.kind.to_string())
            .collect()
    }
}

pub(super) fn flask() -> ProjectName {
    ProjectName::parse("flask").unwrap()
}

/// Everything that a stream gives.
pub(super) async fn collect(mut stream: ByteStream) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all)
}

/// What a stream gives before its error, and whether there was one.
pub(super) async fn collect_until_error(mut stream: ByteStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(&chunk),
            Err(_) => return (all, true),
        }
    }
    (all, false)
}
