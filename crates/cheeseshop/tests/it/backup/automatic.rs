//! The copy of the database before a migration, and what stands in its way.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::files_below;
use crate::support::{DEADLINE, Home, Server, finish, on_small_disk};

/// The first schema, as the first release made it.
const FIRST: &str =
    include_str!("../../../../storage/migrations/sqlite/20261122000000_initial.sql");

/// A data directory as the first release left it, with the user `root`.
fn old_installation(home: &Home) -> PathBuf {
    let directory = home.data_dir();
    std::fs::create_dir_all(&directory).unwrap();
    let database = directory.join("cheeseshop.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute_batch(FIRST).unwrap();
    connection
        .execute_batch(
            "INSERT INTO schema_migrations VALUES ('20261122000000_initial', 0); \
             INSERT INTO settings VALUES ('test.mark', 'of the first release')",
        )
        .unwrap();
    database
}

fn migrations(database: &Path) -> u32 {
    let connection = rusqlite::Connection::open(database).unwrap();
    let statement = "SELECT COUNT(*) FROM schema_migrations";
    connection
        .query_row(statement, [], |row| row.get(0))
        .unwrap()
}

fn mark(database: &Path) -> String {
    let connection = rusqlite::Connection::open(database).unwrap();
    let statement = "SELECT value FROM settings WHERE name = 'test.mark'";
    connection
        .query_row(statement, [], |row| row.get(0))
        .unwrap()
}

fn copies(home: &Home) -> Vec<PathBuf> {
    let directory = home.data_dir().join("backups");
    if directory.exists() {
        files_below(&directory)
    } else {
        Vec::new()
    }
}

#[test]
fn an_upgrade_copies_the_database_once_and_the_copy_is_usable() {
    let home = Home::new();
    let database = old_installation(&home);
    let log = Server::start(&home, &[]).stop();
    assert!(
        log.contains("copied the database before its schema is changed"),
        "{log}"
    );
    assert!(migrations(&database) > 1);
    let made = copies(&home);
    assert_eq!(made.len(), 1, "{made:?}");
    let name = made[0].file_name().unwrap().to_str().unwrap();
    let expected = format!("before-migration-1-to-{}-", migrations(&database));
    assert!(name.starts_with(&expected), "{name}");
    assert_eq!(migrations(&made[0]), 1);
    assert_eq!(mark(&made[0]), "of the first release");

    // The next start has nothing to change, and makes no copy.
    Server::start(&home, &[]).stop();
    assert_eq!(copies(&home), made);

    // The old release could go back to it: it is a database like any other.
    let other = Home::new();
    std::fs::create_dir_all(other.data_dir()).unwrap();
    std::fs::copy(&made[0], other.data_dir().join("cheeseshop.db")).unwrap();
    Server::start(&other, &[]).stop();
    assert_eq!(
        mark(&other.data_dir().join("cheeseshop.db")),
        "of the first release"
    );
}

#[test]
fn a_new_installation_has_nothing_to_copy() {
    let home = Home::new();
    Server::start(&home, &[]).stop();
    assert!(copies(&home).is_empty());
}

#[test]
fn a_copy_that_cannot_be_made_stops_the_start_and_changes_nothing() {
    let home = Home::new();
    let database = old_installation(&home);
    // A file where the directory must be.
    std::fs::write(home.data_dir().join("backups"), "").unwrap();
    let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output
            .stderr
            .contains("the backup before the migration cannot be made"),
        "{output:?}"
    );
    assert!(
        output
            .stderr
            .contains("--set database.backup_before_migration=false"),
        "{output:?}"
    );
    assert_eq!(migrations(&database), 1);
    Server::start(&home, &["--set=database.backup_before_migration=false"]).stop();
    assert!(migrations(&database) > 1);
}

#[test]
fn a_full_disk_stops_the_upgrade_and_changes_nothing() {
    let home = Home::new();
    let database = old_installation(&home);
    // More than half of the disk below.
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection
        .execute(
            "INSERT INTO settings VALUES ('test.weight', hex(zeroblob(700000)))",
            [],
        )
        .unwrap();
    drop(connection);
    let mut serve = home.bare_cheeseshop(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("CHEESESHOP_DATA_DIR", home.path().join("small"));
    let script = "cp data/cheeseshop.db \"$0\" && \
                  { \"$@\"; echo \"code $?\"; find \"$0\" -name '*before-migration*'; \
                  cp \"$0/cheeseshop.db\" data/; }";
    let output = finish(on_small_disk(&home, 2, script, &serve), "");
    assert_eq!(output.stdout.trim(), "code 2", "{output:?}");
    assert!(output.stderr.contains("no space is left"), "{output:?}");
    assert!(
        output
            .stderr
            .contains("hint: nothing was changed; make room"),
        "{output:?}"
    );
    assert_eq!(migrations(&database), 1);
}

#[test]
fn a_start_that_is_killed_while_it_copies_is_repeated() {
    let home = Home::new();
    let database = old_installation(&home);
    // Enough to be met in the middle.
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) \
             INSERT INTO settings SELECT 'test.weight.' || i, hex(zeroblob(100000)) FROM n",
        )
        .unwrap();
    let temporary = home.data_dir().join("backups/.before-migration.tmp");
    let mut serve = home.cheeseshop(&["serve", "--listen", "127.0.0.1:0"]);
    let mut child = serve.spawn().unwrap();
    let deadline = Instant::now() + DEADLINE;
    while !temporary.exists() {
        assert!(Instant::now() < deadline, "no copy is begun");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(temporary.exists(), "it was met in the middle");
    assert_eq!(migrations(&database), 1, "nothing was changed yet");
    Server::start(&home, &[]).stop();
    assert!(migrations(&database) > 1);
    let made = copies(&home);
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(migrations(&made[0]), 1);
    assert_eq!(mark(&made[0]), "of the first release");
}

#[test]
fn a_database_that_was_lost_is_not_replaced_by_an_empty_one() {
    let home = Home::new();
    let database = old_installation(&home);
    // An upgrade, and then a way back that has not come to its end.
    Server::start(&home, &[]).stop();
    let copy = copies(&home).remove(0);
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for log in ["-wal", "-shm"] {
        let mut path = database.clone().into_os_string();
        path.push(log);
        let _ = std::fs::remove_file(path);
    }
    for content in [None, Some("")] {
        match content {
            None => std::fs::remove_file(&database).unwrap(),
            Some(text) => std::fs::write(&database, text).unwrap(),
        }
        let output = home.run(&serve);
        assert_eq!(output.code, Some(2), "{output:?}");
        let expected = format!("or an empty one, but there is {}", copy.display());
        assert!(output.stderr.contains(&expected), "{output:?}");
        assert!(
            output.stderr.contains("hint: bring the database back"),
            "{output:?}"
        );
        assert_eq!(home.run(&["init"]).code, Some(2));
    }
    std::fs::write(&database, "no database at all, but some text".repeat(99)).unwrap();
    let output = home.run(&serve);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output
            .stderr
            .contains("is damaged or is no SQLite database"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains(&copy.display().to_string()),
        "{output:?}"
    );
    // Files alone are worth as much.
    std::fs::remove_dir_all(home.data_dir().join("backups")).unwrap();
    std::fs::remove_file(&database).unwrap();
    let name = "a".repeat(64);
    home.write(&format!("data/blobs/aa/{name}"), "a file");
    let output = home.run(&serve);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains(&name), "{output:?}");
    // Nothing at all is a new installation.
    std::fs::remove_dir_all(home.data_dir().join("blobs")).unwrap();
    Server::start(&home, &[]).stop();
}

#[test]
fn commands_beside_a_server_leave_an_old_schema_alone() {
    let home = Home::new();
    let database = old_installation(&home);
    for command in [&["gc"][..], &["fsck"], &["audit", "verify"]] {
        let output = home.run(command);
        assert_eq!(output.code, Some(2), "{command:?}: {output:?}");
        assert!(
            output
                .stderr
                .contains("hint: the server brings it up to date"),
            "{output:?}"
        );
        assert_eq!(migrations(&database), 1);
    }
    // A backup is what one wants before an upgrade, with either release.
    let created = super::create(&home, &[]);
    assert_eq!(
        created["manifest"]["migrations"].as_array().unwrap().len(),
        1
    );
    super::verify(&home, &super::path_of(&created));
    assert_eq!(migrations(&database), 1);
}

#[test]
fn an_older_release_says_what_it_could_go_back_to() {
    let home = Home::new();
    Server::start(&home, &[]).stop();
    let database = home.data_dir().join("cheeseshop.db");
    let known = migrations(&database);
    let name = format!(
        "before-migration-{known}-to-{}-20990101T000000Z.db",
        known + 1
    );
    let copy = home.data_dir().join("backups").join(name);
    std::fs::create_dir(copy.parent().unwrap()).unwrap();
    std::fs::copy(&database, &copy).unwrap();
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch("INSERT INTO schema_migrations VALUES ('29990101000000_future', 0)")
        .unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["gc"]] {
        let output = home.run(command);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains("a newer cheeseshop"), "{output:?}");
        let hint = format!("hint: {} is the database", copy.display());
        assert!(output.stderr.contains(&hint), "{output:?}");
    }
}
