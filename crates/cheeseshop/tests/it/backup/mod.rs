//! `cheeseshop backup`: made beside a working server, verified, restored, and every way in which that
//! can go wrong.

mod automatic;
mod damage;
mod incremental;
mod interrupted;
mod online;
mod other_stores;
mod places;
mod turns;
mod watching;

use std::path::{Path, PathBuf};

use cheeseshop_test_support::{BuiltFile, Wheel};
use serde_json::{Value, json};

use crate::support::{Api, Home, Output, Server, noise};

/// Where the backups of a home are.
fn target(home: &Home) -> PathBuf {
    home.path().join("backups")
}

/// Runs `cheeseshop backup …` and gives the JSON of its answer.
fn json_of(output: &Output, code: i32) -> Value {
    assert_eq!(output.code, Some(code), "{output:?}");
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Makes a backup and gives the answer.
fn create(home: &Home, more: &[&str]) -> Value {
    let target = target(home);
    let mut arguments = vec!["backup", "create", "--json", target.to_str().unwrap()];
    arguments.extend(more);
    json_of(&home.run(&arguments), 0)
}

/// Where a backup is, by the answer that its making gave.
fn path_of(created: &Value) -> PathBuf {
    PathBuf::from(created["path"].as_str().unwrap())
}

/// Reads a backup; it must be sound.
fn verify(home: &Home, backup: &Path) -> Value {
    let output = home.run(&["backup", "verify", "--json", backup.to_str().unwrap()]);
    json_of(&output, 0)
}

/// Restores a backup into the empty data directory of a home.
fn restore(home: &Home, backup: &Path) -> Value {
    let output = home.run(&["backup", "restore", "--json", backup.to_str().unwrap()]);
    json_of(&output, 0)
}

/// A server with the user `bob`, the index `bob/dev`, and this many wheels in it.
async fn stocked(home: &Home, arguments: &[&str], wheels: usize) -> (Server, Api, Vec<BuiltFile>) {
    let server = Server::start(home, arguments);
    let bob = server.new_user("bob", "pw").await;
    bob.create_index("bob/dev", &json!({"bases": [], "volatile": true}))
        .await;
    let mut files = Vec::new();
    for number in 0..wheels {
        let wheel = wheel(number);
        bob.upload("bob/dev", &wheel).await;
        files.push(wheel);
    }
    (server, bob, files)
}

/// One of the wheels, all of different bytes.
fn wheel(number: usize) -> BuiltFile {
    Wheel::named("pkg")
        .version(&format!("1.{number}"))
        .file("pkg/data.bin", noise(20_000 + number))
        .build()
}

/// Every one of the files is listed, and served with its digest.
async fn assert_served(api: &Api, files: &[BuiltFile]) {
    let listed = api.files("bob/dev", "pkg").await;
    for file in files {
        let found = listed
            .iter()
            .find(|listed| listed.name == file.name)
            .unwrap_or_else(|| panic!("{} is not listed", file.name));
        assert_eq!(
            api.digest_of(&found.url).await,
            file.sha256,
            "{}",
            file.name
        );
    }
}

/// Regular files below a directory.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
