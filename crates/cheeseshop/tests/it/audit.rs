//! `cheeseshop audit verify`: the past cannot be edited unnoticed.

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Home, Output, Server};

/// A home whose log of changes has some entries, and their number.
async fn with_history() -> (Home, i64) {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let root = server.root().await;
    for user in ["alice", "bob", "carol"] {
        root.create_user(user, "pw").await;
        root.create_index(&format!("{user}/dev"), &json!({"bases": []}))
            .await;
    }
    server.stop();
    let entries = database(&home)
        .query_row("SELECT MAX(serial) FROM change_log", [], |row| row.get(0))
        .unwrap();
    (home, entries)
}

fn database(home: &Home) -> Connection {
    Connection::open(home.data_dir().join("cheeseshop.db")).unwrap()
}

fn verify(home: &Home) -> Output {
    home.run(&["audit", "verify"])
}

#[tokio::test]
async fn an_untouched_log_is_verified_beside_the_running_server() {
    let (home, entries) = with_history().await;
    let _server = Server::start(&home, &[]);
    let output = verify(&home);
    assert_eq!(output.code, Some(0), "{output:?}");
    let start = format!("{entries} changes verified, the newest is {entries} with hash ");
    assert!(output.stdout.starts_with(&start), "{output:?}");
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_at_its_place() {
    for (tampering, at) in [
        (
            "UPDATE change_log SET actor = 'mallory' WHERE serial = 3",
            3,
        ),
        (
            "UPDATE change_log SET recorded_at = recorded_at - 1 WHERE serial = 4",
            4,
        ),
        (
            "UPDATE change_log SET detail = '{\"x\":1}' WHERE serial = 5",
            5,
        ),
        ("DELETE FROM change_log WHERE serial = 2", 2),
        (
            "UPDATE change_log SET subject = (SELECT subject FROM change_log WHERE serial = 4) \
             WHERE serial = 5",
            5,
        ),
    ] {
        let (home, _) = with_history().await;
        assert_eq!(database(&home).execute(tampering, []).unwrap(), 1);
        let output = verify(&home);
        assert_eq!(output.code, Some(1), "{tampering}: {output:?}");
        let expected = format!("error: the log of changes is broken at serial {at}: ");
        assert!(
            output.stderr.starts_with(&expected),
            "{tampering}: {output:?}"
        );
    }
}

#[tokio::test]
async fn a_log_that_was_cut_off_at_the_end_is_found() {
    let (home, entries) = with_history().await;
    let changed = database(&home)
        .execute("DELETE FROM change_log WHERE serial = ?1", [entries])
        .unwrap();
    assert_eq!(changed, 1);
    let output = verify(&home);
    assert_eq!(output.code, Some(1), "{output:?}");
}
