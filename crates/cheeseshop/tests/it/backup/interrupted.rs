//! Backups that do not come to their end leave nothing that looks like one.

use std::path::Path;
use std::time::Instant;

use super::{assert_served, create, files_below, path_of, restore, stocked, target, verify};
use crate::support::{DEADLINE, Home, Server, finish, on_small_disk};

/// Enough for a backup to be met in the middle.
const WHEELS: usize = 40;

/// How many files there are when a command is killed, round after round. Three rounds are enough, unless each was
/// over before a test that has to wait for the processor could end it.
fn rounds() -> impl Iterator<Item = (usize, usize)> {
    [1, 4, WHEELS / 2].into_iter().cycle().take(12).enumerate()
}

/// Whether something below `.incomplete-…` is there, and at least this many files of it.
fn under_way(target: &Path, files: usize) -> bool {
    let Ok(entries) = std::fs::read_dir(target) else {
        return false;
    };
    entries.filter_map(Result::ok).any(|entry| {
        let is_incomplete = entry
            .file_name()
            .to_string_lossy()
            .starts_with(".incomplete-");
        is_incomplete && count(&entry.path()) >= files
    })
}

/// Files below a directory that somebody else fills, or removes.
fn count(directory: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    let each = |path: &Path| if path.is_dir() { count(path) } else { 1 };
    entries
        .filter_map(Result::ok)
        .map(|entry| each(&entry.path()))
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backup_looks_like_none_and_is_tidied_up() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], WHEELS).await;
    let target = target(&home);
    let path = target.to_str().unwrap();
    let mut interrupted = 0;
    for (round, files) in rounds() {
        if round >= 3 && interrupted > 0 {
            break;
        }
        let mut child = home
            .cheeseshop(&["backup", "create", "--copy", path])
            .spawn()
            .unwrap();
        let deadline = Instant::now() + DEADLINE;
        while !under_way(&target, files) && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the backup does not get on");
            std::thread::yield_now();
        }
        // It may have been quicker.
        let _ = child.kill();
        child.wait().unwrap();
        interrupted += usize::from(under_way(&target, 0));
        let output = home.run(&["backup", "list", "--json", path]);
        for listed in super::json_of(&output, 0).as_array().unwrap() {
            verify(&home, &path_of(listed));
        }
    }
    assert!(
        interrupted > 0,
        "every backup came to its end before it could be killed"
    );
    let made = create(&home, &[]);
    verify(&home, &path_of(&made));
    let hidden: Vec<_> = files_below(&target)
        .into_iter()
        .filter(|path| path.display().to_string().contains(".incomplete-"))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_restore_is_no_installation_and_goes_on() {
    let home = Home::new();
    let (server, _bob, files) = stocked(&home, &[], WHEELS).await;
    let backup = path_of(&create(&home, &["--copy"]));
    server.stop();
    let mut interrupted = None;
    for (round, files) in rounds() {
        if round >= 3 && interrupted.is_some() {
            break;
        }
        let fresh = Home::new();
        let blobs = fresh.data_dir().join("blobs");
        let mut child = fresh
            .cheeseshop(&["backup", "restore", backup.to_str().unwrap()])
            .spawn()
            .unwrap();
        let deadline = Instant::now() + DEADLINE;
        while count(&blobs) < files && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the restore does not get on");
            std::thread::yield_now();
        }
        // It may have been quicker.
        let _ = child.kill();
        child.wait().unwrap();
        if fresh.data_dir().join("cheeseshop.db").exists() {
            continue;
        }
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["init"]] {
            let output = fresh.run(command);
            assert_eq!(output.code, Some(2), "{output:?}");
            assert!(
                output.stderr.contains("did not come to its end"),
                "{output:?}"
            );
        }
        interrupted = Some(fresh);
    }
    let fresh = interrupted.expect("a restore that was killed in the middle");
    restore(&fresh, &backup);
    let server = Server::start(&fresh, &[]);
    assert_served(&server.anonymous(), &files).await;
    server.stop();
}

#[tokio::test]
async fn a_full_disk_ends_a_backup_clearly_and_leaves_nothing() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 60).await;
    let create = home.cheeseshop(&["backup", "create", "small/backups"]);
    let script = "{ \"$@\"; echo \"code $?\"; find \"$0\" -type f; }";
    let output = finish(on_small_disk(&home, 1, script, &create), "");
    assert!(
        output
            .stderr
            .contains("error: no backup was made: no space left"),
        "{output:?}"
    );
    assert!(output.stderr.contains("hint: make room"), "{output:?}");
    let mut lines = output.stdout.lines();
    assert_eq!(lines.next(), Some("code 2"), "{output:?}");
    let left: Vec<&str> = lines.filter(|line| !line.ends_with("/.lock")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!home.data_dir().join("last-backup.json").exists());
    server.stop();
}

#[tokio::test]
async fn two_backups_at_once_are_one_too_many() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 1).await;
    let target = target(&home);
    create(&home, &[]);
    let line = "elsewhere 12 0 cheeseshop backup create\n";
    std::fs::write(target.join(".lock"), line).unwrap();
    let lock = std::fs::File::open(target.join(".lock")).unwrap();
    lock.lock().unwrap();
    let output = home.run(&["backup", "create", target.to_str().unwrap()]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let holder = "is in use by `cheeseshop backup create` (process 12 on elsewhere, since ";
    assert!(output.stderr.contains(holder), "{output:?}");
    drop(lock);
    create(&home, &[]);
    server.stop();
}
