//! Garbage collection and backups exclude each other, and nobody else.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Command;

use reqwest::Method;
use serde_json::Value;

use super::{stocked, target};
use crate::support::{Home, finish};

/// Starts a command and waits for a line of its talk; gives the process and the rest of the talk.
fn until_it_says(mut command: Command, expected: &str) -> std::process::Child {
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

#[tokio::test]
async fn garbage_waits_for_the_end_of_a_backup() {
    let home = Home::new();
    let (server, bob, files) = stocked(&home, &[], 1).await;
    let answer = bob.send(Method::DELETE, "bob/dev/pkg", &Value::Null).await;
    assert!(answer.status().is_success());
    let blobs = home.data_dir().join("blobs");
    let removed = blobs.join(&files[0].sha256[..2]).join(&files[0].sha256);

    // As a backup holds it, which shares it with others.
    let lock = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(blobs.join("gc.lock"))
        .unwrap();
    lock.lock_shared().unwrap();
    let gc = home.cheeseshop(&["gc", "--older-than", "0s"]);
    let waiting = until_it_says(gc, "a backup is being made");
    assert!(removed.exists());
    // Another backup does not wait, neither does who only counts.
    let target = target(&home);
    let create = home.cheeseshop(&["backup", "create", target.to_str().unwrap()]);
    assert_eq!(finish(create, "").code, Some(0));
    let count = home.run(&["gc", "--dry-run", "--older-than", "0s"]);
    assert_eq!(count.code, Some(0), "{count:?}");
    assert!(removed.exists());

    drop(lock);
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!removed.exists());
    server.stop();
}

#[tokio::test]
async fn a_backup_waits_for_the_end_of_a_collection() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 1).await;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(home.data_dir().join("blobs/gc.lock"))
        .unwrap();
    lock.lock().unwrap();
    let target = target(&home);
    let create = home.cheeseshop(&["backup", "create", target.to_str().unwrap()]);
    let waiting = until_it_says(create, "garbage is being collected");
    assert_eq!(super::files_below(&target).len(), 1, "the lock alone");
    drop(lock);
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    server.stop();
}
