//! Opening, reopening, and everything that can be wrong with a database.

use std::time::Duration;

use cheeseshop_domain::Serial;
use cheeseshop_storage::database::{change_log, settings};
use cheeseshop_storage::{Database, DatabaseConfig, DatabaseError};
use futures_util::StreamExt as _;

use crate::support::{Kind, TestDatabase, Write, event, for_each_database, record, setting, write};

/// The chain of an error, as an operator reads it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn reopening_finds_everything() {
    for_each_database(async |test| {
        let database = test.open().await;
        record(&database, "x").await;
        database.close().await;
        let database = test.open().await;
        assert_eq!(database.head().await.unwrap(), Serial(1));
        assert_eq!(record(&database, "y").await, Serial(2));
        assert_eq!(change_log::verify(&database).await.unwrap().broken, None);
        assert_eq!(database.is_shared(), test.kind == Kind::Postgres);
    })
    .await;
}

#[tokio::test]
async fn directories_are_made_and_the_file_is_private() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let path = test.directory.path().join("a/b/c.db");
    let config = DatabaseConfig::sqlite(&path);
    let database = Database::open(&config, test.clock.clone()).await.unwrap();
    record(&database, "x").await;
    #[cfg(unix)]
    for name in ["c.db", "c.db-wal", "c.db-shm"] {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = std::fs::metadata(path.with_file_name(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    database.close().await;
    assert!(
        !path.with_file_name("c.db-wal").exists(),
        "closing leaves one file"
    );
}

#[tokio::test]
async fn two_nodes_may_open_a_new_database_at_once() {
    for_each_database(async |test| {
        let opened = futures_util::future::join_all((0..4).map(|_| test.try_open())).await;
        for database in opened {
            record(&database.unwrap(), "x").await;
        }
        assert_eq!(test.open().await.head().await.unwrap(), Serial(4));
    })
    .await;
}

#[tokio::test]
async fn pending_migrations_can_be_refused() {
    for_each_database(async |mut test| {
        test.config.migrate = false;
        let error = test.try_open().await.unwrap_err();
        assert!(
            matches!(error, DatabaseError::PendingMigrations(_)),
            "{error:?}"
        );
        assert!(error.to_string().contains("_initial"), "{error}");
        test.config.migrate = true;
        test.open().await.close().await;
        test.config.migrate = false;
        test.open().await;
    })
    .await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    for_each_database(async |test| {
        test.open().await.close().await;
        test.tamper_same("INSERT INTO schema_migrations VALUES ('29990101000000_future', 0)")
            .await;
        let error = test.try_open().await.unwrap_err();
        assert!(
            matches!(error, DatabaseError::NewerSchema { .. }),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains("newer") && text.contains("29990101000000_future"),
            "{text}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_failed_migration_keeps_nothing() {
    for_each_database(async |test| {
        // In the way of one of the tables.
        test.tamper_same("CREATE TABLE files (x BIGINT)").await;
        let error = test.try_open().await.unwrap_err();
        assert!(
            matches!(error, DatabaseError::MigrationFailed { .. }),
            "{error:?}"
        );
        assert!(chain(&error).contains("files"), "{}", chain(&error));
        test.tamper_same("DROP TABLE files").await;
        record(&test.open().await, "x").await;
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_as_damaged() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let path = test.directory.path().join("cheeseshop.db");
    let content = "this is a text file, and rather a long one at that. ".repeat(100);
    std::fs::write(&path, &content).unwrap();
    let error = test.try_open().await.unwrap_err();
    assert!(matches!(error, DatabaseError::Corrupted(_)), "{error:?}");
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        content,
        "nothing was changed"
    );
}

#[tokio::test]
async fn damaged_pages_are_reported_as_damage() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let database = test.open().await;
    for number in 0..200 {
        record(&database, &format!("{number}{}", "x".repeat(500))).await;
    }
    database.close().await;
    let path = test.directory.path().join("cheeseshop.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let intact = bytes.len() / 4;
    bytes[intact..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let error = match test.try_open().await {
        Err(error) => error,
        Ok(database) => change_log::verify(&database).await.unwrap_err(),
    };
    assert!(matches!(error, DatabaseError::Corrupted(_)), "{error:?}");
}

#[tokio::test]
async fn an_unusable_path_is_named() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let file = test.directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    // A file where a directory must be, and the other way round. (As root, which tests may run
    // as, permissions forbid nothing.)
    for path in [file.join("c.db"), test.directory.path().to_owned()] {
        let config = DatabaseConfig::sqlite(&path);
        let error = Database::open(&config, test.clock.clone())
            .await
            .unwrap_err();
        assert!(
            matches!(error, DatabaseError::NotAccessible { .. }),
            "{error:?}"
        );
        let name = path.parent().unwrap().to_str().unwrap();
        assert!(chain(&error).contains(name), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    // Bound and not listening any more: nobody else gets the port at once.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let config = DatabaseConfig::for_url(format!("postgres://me:hunter2@127.0.0.1:{port}/x"));
    let error = Database::open(&config, test.clock.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable(_)), "{error:?}");
    assert!(error.is_temporary());
    assert!(!chain(&error).contains("hunter2"), "{}", chain(&error));
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut config = DatabaseConfig::for_url(format!("postgres://me@127.0.0.1:{port}/x"));
    config.connect_timeout_seconds = 1;
    let error = Database::open(&config, test.clock.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_reported_without_it() {
    let test = TestDatabase::new(Kind::Postgres).await;
    let mut wrong = url::Url::parse(test.url()).unwrap();
    wrong.set_password(Some("hunter2")).unwrap();
    let config = DatabaseConfig::for_url(wrong.as_str());
    let error = Database::open(&config, test.clock.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable(_)), "{error:?}");
    let shown = chain(&error);
    assert!(
        shown.contains("password") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[tokio::test]
async fn the_writer_and_the_readers_connect_again() {
    let test = TestDatabase::new(Kind::Postgres).await;
    let database = test.open().await;
    record(&database, "x").await;
    setting(&database, "x").await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for expected in 2..5 {
        test.tamper_same(cut).await;
        // The very next operation works: nothing was begun on the dead connection.
        assert_eq!(record(&database, "y").await, Serial(expected));
        test.tamper_same(cut).await;
        assert_eq!(setting(&database, "x").await, None);
    }
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_fails_the_batch_and_nothing_else() {
    let test = TestDatabase::new(Kind::Postgres).await;
    let database = test.open().await;
    let (entered, is_in) = tokio::sync::oneshot::channel();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let writing = database.clone();
    let lost = tokio::spawn(async move {
        let result: Write<()> = write(&writing, move |tx| {
            Box::pin(async move {
                settings::set(tx, "lost", "half").await?;
                entered.send(()).unwrap();
                released.await.unwrap();
                settings::set(tx, "lost", "whole").await?;
                tx.record(event("lost"));
                Ok(())
            })
        })
        .await;
        result
    });
    is_in.await.unwrap();
    test.tamper_same(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    release.send(()).unwrap();
    let error = lost.await.unwrap().unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
    assert_eq!(record(&database, "next").await, Serial(1));
    assert_eq!(setting(&database, "lost").await, None);
    assert_eq!(change_log::verify(&database).await.unwrap().broken, None);
}

#[tokio::test]
async fn commits_of_others_are_heard_of() {
    for_each_database(async |test| {
        let database = test.open().await;
        let mut hints = database.listen();
        let other = test.open().await;
        let heard = async {
            loop {
                // The first hint may be the state at the beginning.
                if hints.next().await.unwrap() >= Serial(2) {
                    break;
                }
            }
        };
        let recorded = async {
            record(&other, "x").await;
            record(&other, "y").await;
        };
        let both = async { futures_util::join!(heard, recorded) };
        tokio::time::timeout(Duration::from_secs(30), both)
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn listening_survives_a_lost_connection() {
    let test = TestDatabase::new(Kind::Postgres).await;
    let database = test.open().await;
    let other = test.open().await;
    let mut hints = database.listen();
    assert_eq!(hints.next().await.unwrap(), Serial(0));
    test.tamper_same(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    record(&other, "missed?").await;
    let heard = async { while hints.next().await.unwrap() < Serial(1) {} };
    tokio::time::timeout(Duration::from_secs(30), heard)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_existing_database_opens_quickly() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let database = test.open().await;
    record(&database, "x").await;
    database.close().await;
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = std::time::Instant::now();
        let database = test.open().await;
        database.head().await.unwrap();
        times.push(started.elapsed());
        database.close().await;
    }
    // The best of five: the machine may be busy with other tests. Far less is usual.
    let best = times.iter().min().unwrap();
    assert!(*best < Duration::from_secs(1), "{times:?}");
}
