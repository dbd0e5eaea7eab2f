//! The copy of an embedded database before a migration: the newest few stay, and PostgreSQL has none.

use std::path::PathBuf;

use cheeseshop_storage::DatabaseError;
use cheeseshop_storage::database::{migration_names, newest_before_migration};
use jiff::SignedDuration;

use crate::support::{Kind, TestDatabase, for_each_database, record, setting};

/// Makes the newest migration pending again: the tables that it has made go, with the note of it.
async fn forget_newest(test: &TestDatabase) {
    let newest = migration_names().last().unwrap();
    assert_eq!(
        newest, "20261122180000_documentation_test_results_tokens",
        "a newer migration: undo that one here"
    );
    test.tamper_same(&format!(
        "DROP TABLE test_results; DROP TABLE documentation; DROP TABLE tokens; \
         DELETE FROM schema_migrations WHERE name = '{newest}'"
    ))
    .await;
}

fn copies(test: &TestDatabase) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(test.directory.path().join("backups"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn the_three_newest_copies_stay() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    test.open().await.close().await;
    assert!(
        copies(&test).is_empty(),
        "a new database has nothing to save"
    );
    let mut made = Vec::new();
    for _ in 0..5 {
        forget_newest(&test).await;
        test.clock.advance(SignedDuration::from_hours(1));
        let database = test.open().await;
        record(&database, "between").await;
        database.close().await;
        let newest = copies(&test).pop().unwrap();
        assert!(!made.contains(&newest));
        made.push(newest);
    }
    assert_eq!(copies(&test), made[2..]);
    let path = test.directory.path().join("cheeseshop.db");
    assert_eq!(newest_before_migration(&path).as_ref(), made.last());
    #[cfg(unix)]
    for path in &made[2..] {
        use std::os::unix::fs::PermissionsExt as _;
        let bits =
            |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(bits(path), 0o600);
        assert_eq!(bits(path.parent().unwrap()), 0o700);
    }
    // Each has what was recorded before it was made.
    for (events, path) in (2..).zip(&made[2..]) {
        let connection = rusqlite::Connection::open(path).unwrap();
        let count: i64 = connection
            .query_row("SELECT COUNT(*) FROM change_log", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, events);
    }
}

#[tokio::test]
async fn what_a_killed_process_left_of_a_copy_is_no_part_of_the_next() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let database = test.open().await;
    record(&database, "kept").await;
    database.close().await;
    forget_newest(&test).await;
    let directory = test.directory.path().join("backups");
    std::fs::create_dir(&directory).unwrap();
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let name = format!(".before-migration.tmp{suffix}");
        std::fs::write(directory.join(name), "half of something").unwrap();
    }
    test.open().await.close().await;
    let made = copies(&test);
    assert_eq!(made.len(), 1, "{made:?}");
    let connection = rusqlite::Connection::open(&made[0]).unwrap();
    let count: i64 = connection
        .query_row("SELECT COUNT(*) FROM change_log", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_role_without_rights_changes_nothing_and_is_told() {
    let test = TestDatabase::new(Kind::Postgres).await;
    test.open().await.close().await;
    forget_newest(&test).await;
    let role = format!("guest_{}", std::process::id());
    test.tamper_same(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'guest'; \
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role}; \
         REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    ))
    .await;
    let mut url = url::Url::parse(test.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("guest")).unwrap();
    let config = cheeseshop_storage::DatabaseConfig::for_url(url.as_str());
    let error = cheeseshop_storage::Database::open(&config, test.clock.clone())
        .await
        .unwrap_err();
    assert!(
        matches!(error, DatabaseError::MigrationFailed { .. }),
        "{error:?}"
    );
    let told = cheeseshop_domain::error_chain(&error);
    assert!(told.contains("permission denied"), "{told}");
    assert!(!told.contains("guest:"), "{told}");
    // Whoever has the rights finds it as it was.
    let database = test.open().await;
    record(&database, "after").await;
    database.close().await;
    test.tamper_same(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test]
async fn no_copy_is_made_when_none_is_wanted() {
    let mut test = TestDatabase::new(Kind::Sqlite).await;
    test.open().await.close().await;
    forget_newest(&test).await;
    test.config.backup_before_migration = false;
    test.open().await.close().await;
    assert!(copies(&test).is_empty());
}

#[tokio::test]
async fn a_refused_migration_makes_no_copy() {
    let mut test = TestDatabase::new(Kind::Sqlite).await;
    test.open().await.close().await;
    forget_newest(&test).await;
    test.config.migrate = false;
    let error = test.try_open().await.unwrap_err();
    assert!(matches!(error, DatabaseError::PendingMigrations(_)));
    assert!(copies(&test).is_empty());
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_with_its_rows() {
    for_each_database(async |test| {
        let database = test.open().await;
        record(&database, "x").await;
        database.close().await;
        forget_newest(&test).await;
        let database = test.open().await;
        assert_eq!(record(&database, "y").await.0, 2);
        assert_eq!(setting(&database, "none").await, None);
        assert!(test.kind == Kind::Sqlite || copies(&test).is_empty());
        database.close().await;
    })
    .await;
}
