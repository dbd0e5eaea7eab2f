//! Garbage collection and backups exclude each other, also between machines, and nobody who is dead.

use std::sync::Arc;
use std::time::Duration;

use cheeseshop_domain::Clock;
use cheeseshop_storage::backup::{self, BackupError, CreateOptions, Progress};
use cheeseshop_storage::{BlobConfig, BlobStore, Database, DatabaseError, RemovalLock, Turn};
use jiff::Timestamp;

use crate::support::{Kind, TestDatabase, for_each_database, time};

fn turn(purpose: &'static str, wait: u64) -> Turn {
    Turn {
        purpose,
        now: time(1_700_000_000),
        wait: Duration::from_secs(wait),
    }
}

async fn backup(test: &TestDatabase, wait: u64) -> Result<RemovalLock, DatabaseError> {
    RemovalLock::forbid(&test.config, turn("a backup", wait)).await
}

async fn collect(database: &Database, wait: u64) -> Result<RemovalLock, DatabaseError> {
    database.turn_to_remove(turn("a gc", wait)).await
}

/// Ends the connection that holds the lock for this purpose.
fn ending(purpose: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name LIKE '% {purpose}'"
    )
}

/// The lock was refused, with words about who has it.
fn assert_held(result: Result<RemovalLock, DatabaseError>, words: &[&str]) {
    let error = result.unwrap_err();
    assert!(
        matches!(error, DatabaseError::RemovalsHeld { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_share_and_a_collection_is_alone() {
    for_each_database(async |test| {
        let database = test.open().await;
        let mut one = backup(&test, 0).await.unwrap();
        let other = backup(&test, 0).await.unwrap();
        one.check().await.unwrap();
        let process = format!("(process {} on ", std::process::id());
        let who = [
            "a backup is being made by `a backup` ",
            &process,
            "since 2023-11-14T22:13:20Z)",
        ];
        assert_held(collect(&database, 0).await, &who);
        one.release().await;
        assert_held(collect(&database, 0).await, &who);
        other.release().await;
        let mut alone = collect(&database, 0).await.unwrap();
        let who = ["garbage is being collected by `a gc` ", &process];
        assert_held(backup(&test, 0).await, &who);
        assert_held(collect(&database, 0).await, &["`a gc`"]);
        alone.check().await.unwrap();
        alone.release().await;
        backup(&test, 0).await.unwrap().release().await;
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_has_its_turn_once_the_other_has_ended() {
    for_each_database(async |test| {
        let database = test.open().await;
        let lock = backup(&test, 0).await.unwrap();
        // Waits in vain, and says for how long.
        assert_held(collect(&database, 1).await, &["after a wait of 1 seconds"]);
        let waiting = tokio::spawn({
            let database = database.clone();
            async move { collect(&database, 60).await }
        });
        // Dropped, and not released: nobody else is told.
        drop(lock);
        let lock = waiting.await.unwrap().unwrap();
        drop(lock);
        backup(&test, 60).await.unwrap().release().await;
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_the_server_has_forgotten_is_noticed() {
    let test = TestDatabase::new(Kind::Postgres).await;
    let database = test.open().await;
    let mut collecting = collect(&database, 0).await.unwrap();
    collecting.check().await.unwrap();
    test.tamper_same(&ending("a gc")).await;
    // Whoever comes next may have it, so the first must stop.
    let lock = backup(&test, 60).await.unwrap();
    let error = collecting.check().await.unwrap_err();
    assert!(matches!(error, DatabaseError::RemovalsLost(_)), "{error:?}");
    drop(collecting);
    lock.release().await;
    database.close().await;
}

/// Whoever asks it for the time ends the connection by which a backup holds the lock, once there is one.
struct EndingClock(Arc<TestDatabase>);

impl Clock for EndingClock {
    fn now(&self) -> Timestamp {
        let statement = ending("cheeseshop backup create");
        let ended = self.0.tamper_same(&statement);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(ended));
        time(1_700_000_000)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_none_if_garbage_may_have_gone_while_it_was_made() {
    let test = Arc::new(TestDatabase::new(Kind::Postgres).await);
    test.open().await.close().await;
    let blobs = BlobConfig::Local {
        path: test.directory.path().join("blobs"),
    };
    BlobStore::open(&blobs).await.unwrap();
    let target = test.directory.path().join("backups");
    let create = async |clock: Arc<dyn Clock>| {
        let from = (&test.config, &blobs);
        let progress = Progress::new();
        backup::create(from, &target, CreateOptions::default(), clock, &progress).await
    };
    let lost = create(Arc::new(EndingClock(test.clone()))).await;
    let error = lost.unwrap_err();
    assert!(
        matches!(error, BackupError::Database(DatabaseError::RemovalsLost(_))),
        "{error:?}"
    );
    assert!(backup::list(&target).unwrap().is_empty());
    create(test.clock.clone()).await.unwrap();
    assert_eq!(backup::list(&target).unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_is_stopped_while_it_looks_does_not_stop_others_for_ever() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    backup(&test, 0).await.unwrap().release().await;
    let common = test.directory.path().join("cheeseshop.db.removals/.lock");
    let common = std::fs::File::open(common).unwrap();
    common.lock().unwrap();
    assert_held(backup(&test, 0).await, &["by another process"]);
    drop(common);
    backup(&test, 0).await.unwrap().release().await;
}

#[tokio::test]
async fn what_a_dead_process_left_holds_nobody_up() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let database = test.open().await;
    let directory = test.directory.path().join("cheeseshop.db.removals");
    let lock = backup(&test, 0).await.unwrap();
    let name = |prefix: &str| {
        let names = std::fs::read_dir(&directory).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.find(|name| name.starts_with(prefix))
    };
    let held = name("keep-").unwrap();
    // Nobody has these locked.
    std::fs::write(directory.join("keep-0"), "elsewhere 1 0 a backup").unwrap();
    std::fs::write(directory.join("remove-0"), "half a li").unwrap();
    let error = collect(&database, 0).await.unwrap_err().to_string();
    assert!(!error.contains("elsewhere"), "{error}");
    assert_eq!(name("remove-"), None);
    assert_eq!(name("keep-"), Some(held));
    lock.release().await;
    let lock = collect(&database, 0).await.unwrap();
    lock.release().await;
    assert_eq!((name("keep-"), name("remove-")), (None, None));
    database.close().await;
}
