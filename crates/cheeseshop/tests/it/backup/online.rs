//! Backups under load: what was acknowledged before one began is in it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cheeseshop_test_support::{Wheel, client_command, python_client};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{path_of, restore, target, verify};
use crate::support::{Api, BETWEEN_LOOKS, CHEAP_HASH, DEADLINE, Home, Server, finish_aside, noise};

/// Clients that upload at the same time.
const UPLOADERS: usize = 4;

/// Backups that are made meanwhile.
const BACKUPS: usize = 3;

/// Acknowledged uploads between two backups, at least.
const BETWEEN: usize = 20;

/// Project and file name with the SHA-256.
type Acknowledged = Arc<Mutex<BTreeMap<(String, String), String>>>;

/// Uploads to a project of its own until it is told to stop.
async fn upload(bob: Api, uploader: usize, acknowledged: Acknowledged, stop: Arc<AtomicBool>) {
    let project = format!("kept{uploader}");
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let wheel = Wheel::named(&project)
            .version(&format!("1.{number}"))
            .file("data.bin", noise(1 << (number % 17)))
            .build();
        let status = bob.try_upload("bob/dev", &wheel).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{}", wheel.name);
        let mut acknowledged = acknowledged.lock().unwrap();
        acknowledged.insert((project.clone(), wheel.name), wheel.sha256);
    }
}

/// Makes garbage: uploads files and removes them at once.
async fn waste(bob: Api, stop: Arc<AtomicBool>) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let wheel = Wheel::named("wasted")
            .version(&format!("1.{number}"))
            .file("data.bin", noise(3000 + number))
            .build();
        bob.upload("bob/dev", &wheel).await;
        let removed = bob
            .send(Method::DELETE, "bob/dev/wasted", &Value::Null)
            .await;
        assert!(removed.status().is_success());
    }
}

/// Collects garbage of any age, again and again.
async fn collect(command: impl Fn() -> Command, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let output = finish_aside(command()).await;
        assert_eq!(output.code, Some(0), "{output:?}");
    }
}

async fn until_acknowledged(acknowledged: &Acknowledged, goal: usize) {
    let deadline = Instant::now() + DEADLINE;
    while acknowledged.lock().unwrap().len() < goal {
        assert!(Instant::now() < deadline, "uploads do not get on");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_backup_began_is_in_it() {
    let home = Arc::new(Home::new());
    let server = Server::start(&home, &[]);
    let bob = server.new_user("bob", "pw").await;
    bob.create_index("bob/dev", &json!({"bases": [], "volatile": true}))
        .await;
    let acknowledged = Acknowledged::default();
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for uploader in 0..UPLOADERS {
        let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        load.spawn(upload(bob.clone(), uploader, acknowledged, stop));
    }
    load.spawn(waste(bob.clone(), Arc::clone(&stop)));
    let collector = Arc::clone(&home);
    // Files count as garbage when they are removed; a loaded machine may take seconds until an upload commits.
    let gc = move || collector.cheeseshop(&["gc", "--older-than", "15s"]);
    load.spawn(collect(gc, Arc::clone(&stop)));

    let target = target(&home);
    let mut backups = Vec::new();
    for round in 1..=BACKUPS {
        until_acknowledged(&acknowledged, round * BETWEEN).await;
        let before = acknowledged.lock().unwrap().clone();
        let create = home.cheeseshop(&["backup", "create", "--json", target.to_str().unwrap()]);
        let created = super::json_of(&finish_aside(create).await, 0);
        assert_eq!(created["manifest"]["blobs"]["missing"], 0, "{created}");
        backups.push((path_of(&created), before));
    }
    // Writers went on while backups were made.
    let goal = acknowledged.lock().unwrap().len() + BETWEEN;
    until_acknowledged(&acknowledged, goal).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    server.stop();

    for (backup, expected) in &backups {
        verify(&home, backup);
        let fresh = Home::new();
        restore(&fresh, backup);
        for check in [&["audit", "verify"][..], &["fsck"]] {
            let output = fresh.run(check);
            assert_eq!(output.code, Some(0), "{check:?}: {output:?}");
        }
        let restored = Server::start(&fresh, &[]);
        assert_eq!(restored.root_password, None, "users are there");
        let api = restored.anonymous();
        for uploader in 0..UPLOADERS {
            let project = format!("kept{uploader}");
            let listed = api.files("bob/dev", &project).await;
            for ((_, name), sha256) in expected.iter().filter(|(key, _)| key.0 == project) {
                let file = listed
                    .iter()
                    .find(|file| file.name == *name)
                    .unwrap_or_else(|| panic!("{name} was acknowledged before the backup"));
                assert_eq!(api.digest_of(&file.url).await, *sha256, "{name}");
            }
        }
        // Who was there may go on.
        Api::login(&restored.url, "bob", "pw").await;
        restored.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_installs_from_a_restored_server() {
    let home = Home::new();
    let (server, _bob, files) = super::stocked(&home, &[], 2).await;
    let backup = path_of(&super::create(&home, &[]));
    server.stop();
    let fresh = Home::new();
    restore(&fresh, &backup);
    let server = Server::start(&fresh, &[]);
    super::assert_served(&server.anonymous(), &files).await;

    let pip = tokio::task::spawn_blocking(|| python_client("pip"))
        .await
        .unwrap();
    let mut pip = client_command(&pip, fresh.path());
    pip.args(["install", "--target", "there", "--no-cache-dir"])
        .args(["--index-url", &server.at("bob/dev/+simple/"), "pkg==1.1"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    finish_aside(pip).await.succeeded("pip install");
    assert!(fresh.path().join("there/pkg-1.1.dist-info").is_dir());
    server.stop();
}

#[test]
fn a_server_that_was_never_there_is_told() {
    let home = Home::new();
    let mut arguments = vec!["backup", "create", "there"];
    arguments.extend(CHEAP_HASH);
    let output = home.run(&arguments);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("there is nothing at"), "{output:?}");
    assert!(!home.path().join("there").exists());
}

#[test]
fn without_a_directory_nothing_is_made() {
    let output = Home::new().run(&["backup", "create"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output
            .stderr
            .contains("hint: name one, or set `backup.directory`"),
        "{output:?}"
    );
}
