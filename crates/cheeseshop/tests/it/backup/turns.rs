//! Garbage collection and backups exclude each other, and nobody else.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use cheeseshop_storage::{DatabaseConfig, RemovalLock, Turn};
use cheeseshop_test_support::{BuiltFile, postgres, s3};
use reqwest::Method;
use serde_json::Value;

use super::{Api, Server, stocked, target};
use crate::support::{BETWEEN_LOOKS, DEADLINE, Home, finish, in_bucket_and_database};

/// Starts a command and waits for a line of its talk; gives the process and the rest of the talk.
fn until_it_says(mut command: Command, expected: &str) -> Child {
    let mut child = command.spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(expected) {
        line.clear();
        let read = talk.read_line(&mut line).unwrap();
        assert_ne!(read, 0, "it ended and never said `{expected}`");
    }
    child.stderr = Some(talk.into_inner());
    child
}

/// Whether somebody has put a file there whose name begins so.
fn holds(directory: &Path, prefix: &str) -> bool {
    std::fs::read_dir(directory).is_ok_and(|entries| {
        let mut names = entries.map(|entry| entry.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with(prefix))
    })
}

/// As a backup has it that somebody else makes.
async fn forbid(config: &DatabaseConfig) -> RemovalLock {
    let turn = Turn {
        purpose: "a backup elsewhere",
        now: jiff::Timestamp::UNIX_EPOCH,
        wait: Duration::ZERO,
    };
    RemovalLock::forbid(config, turn).await.unwrap()
}

fn embedded(home: &Home) -> DatabaseConfig {
    DatabaseConfig::sqlite(&home.data_dir().join("cheeseshop.db"))
}

/// A server whose only files nobody refers to any more.
async fn with_garbage(home: &Home, arguments: &[&str]) -> (Server, Api, BuiltFile) {
    let (server, bob, mut files) = stocked(home, arguments, 1).await;
    let answer = bob.send(Method::DELETE, "bob/dev/pkg", &Value::Null).await;
    assert!(answer.status().is_success());
    (server, bob, files.remove(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_waits_for_the_end_of_a_backup() {
    let home = Home::new();
    let (server, _bob, file) = with_garbage(&home, &[]).await;
    let blobs = home.data_dir().join("blobs");
    let removed = blobs.join(&file.sha256[..2]).join(&file.sha256);

    let lock = forbid(&embedded(&home)).await;
    let gc = home.cheeseshop(&["gc", "--older-than", "0s"]);
    let waiting = until_it_says(gc, "a backup is being made");
    // Who does not want to wait is told by whom it is held up.
    let output = home.run(&["gc", "--older-than", "0s", "--wait", "0"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let holder = format!(
        "a backup is being made by `a backup elsewhere` (process {} on ",
        std::process::id()
    );
    assert!(output.stderr.contains(&holder), "{output:?}");
    assert!(
        output.stderr.contains("since 1970-01-01T00:00:00Z"),
        "{output:?}"
    );
    assert!(output.stderr.contains("hint: start it again"), "{output:?}");
    assert!(removed.exists());
    // Another backup does not wait, neither does who only counts.
    let target = target(&home);
    let create = home.cheeseshop(&["backup", "create", target.to_str().unwrap()]);
    assert_eq!(finish(create, "").code, Some(0));
    let count = home.run(&["gc", "--dry-run", "--older-than", "0s", "--wait", "0"]);
    assert_eq!(count.code, Some(0), "{count:?}");
    assert!(removed.exists());

    lock.release().await;
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!removed.exists());
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_waits_for_the_end_of_a_collection_that_may_be_killed() {
    let home = Home::new();
    let (server, ..) = with_garbage(&home, &[]).await;
    // A collection that has its turn and does not get on: it may not write yet, and then it is stopped.
    let database = home.data_dir().join("cheeseshop.db");
    let writer = rusqlite::Connection::open(&database).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut gc = home
        .cheeseshop(&["gc", "--older-than", "0s"])
        .spawn()
        .unwrap();
    let holders = home.data_dir().join("cheeseshop.db.removals");
    let deadline = Instant::now() + DEADLINE;
    while !holds(&holders, "remove-") {
        assert!(Instant::now() < deadline, "the collection does not begin");
        std::thread::sleep(BETWEEN_LOOKS);
    }
    // Not while it holds what everybody needs who looks.
    let common = std::fs::File::open(holders.join(".lock")).unwrap();
    common.lock().unwrap();
    drop(common);
    let process = rustix::process::Pid::from_child(&gc);
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    writer.execute_batch("ROLLBACK").unwrap();

    let target = target(&home);
    let path = target.to_str().unwrap();
    let held = home.run(&["backup", "create", path, "--wait", "0"]);
    assert_eq!(held.code, Some(2), "{held:?}");
    let holder = format!("`cheeseshop gc` (process {} on ", gc.id());
    assert!(held.stderr.contains(&holder), "{held:?}");
    assert!(held.stderr.contains("hint: start it again"), "{held:?}");
    let create = home.cheeseshop(&["backup", "create", path]);
    let waiting = until_it_says(create, &holder);
    gc.kill().unwrap();
    gc.wait().unwrap();
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_guarded_for_all_nodes_of_a_database() {
    let database = postgres().await;
    let bucket = s3().await;
    let homes = [Home::new(), Home::new()];
    let arguments = in_bucket_and_database(&homes[0], &bucket, database.url.as_str());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (server, ..) = with_garbage(&homes[0], &arguments).await;
    let lock = forbid(&DatabaseConfig::for_url(database.url.as_str())).await;
    // From the other machine.
    let collect = ["gc", "--older-than", "0s", "--wait", "0"];
    let collect = [&collect[..], &arguments].concat();
    let output = homes[1].run(&collect);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("`a backup elsewhere`"), "{output:?}");
    let fetch = [&arguments[..], &["--include-remote-blobs", "--wait=0"]].concat();
    super::create(&homes[0], &fetch);
    lock.release().await;
    let begun = Instant::now();
    loop {
        let output = homes[1].run(&collect);
        assert_eq!(output.code, Some(0), "{output:?}");
        if output.stdout.contains(" 2 removed ") {
            break;
        }
        // A store tells times in seconds, so what was put in this one may still be too young.
        assert!(output.stdout.contains(" 2 too young "), "{output:?}");
        assert!(begun.elapsed() < DEADLINE, "{output:?}");
    }
    server.stop();
}

#[test]
fn a_wait_that_is_no_time_is_told() {
    let home = Home::new();
    for command in [&["gc"][..], &["backup", "create", "b"]] {
        let output = home.run(&[command, &["--wait", "soon"]].concat());
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(
            output
                .stderr
                .contains("error: --wait: `soon` is not a time"),
            "{output:?}"
        );
    }
}
