//! An import that is killed goes on where it was.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::{run, serve};
use crate::support::{DEADLINE, Home, digest};

const PROJECTS: usize = 300;

/// An export with many small files.
fn export(directory: &Path) {
    let mut projects = serde_json::Map::new();
    let mut files = Vec::new();
    for number in 0..PROJECTS {
        let (project, name) = (format!("pkg{number}"), format!("pkg{number}-1.tar.gz"));
        let relative = format!("bob/dev/{project}/1/{name}");
        let path = directory.join(&relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &name).unwrap();
        projects.insert(
            project.clone(),
            json!({"1": {"name": project, "version": "1"}}),
        );
        files.push(json!({
            "type": "releasefile", "projectname": project, "version": "1", "relpath": relative, "log": [],
            "entrymapping": {
                "last_modified": "Sun, 22 Nov 2026 11:44:22 GMT",
                "hashes": {"sha256": digest(name.as_bytes())},
            },
        }));
    }
    let document = json!({
        "users": {"bob": {"username": "bob"}},
        "indexes": {"bob/dev": {"indexconfig": {"type": "stage"}, "projects": projects, "files": files}},
        "dumpversion": "2",
    });
    std::fs::write(directory.join("dataindex.json"), document.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_goes_on() {
    let home = Home::new();
    let directory = home.path().join("export");
    export(&directory);
    let arguments = ["import", directory.to_str().unwrap()];
    let blobs = home.data_dir().join("blobs");
    let mut killed = 0;
    for part in 1..=3 {
        let mut child = home.cheeseshop(&arguments).spawn().unwrap();
        let deadline = Instant::now() + DEADLINE;
        while count(&blobs) < part * PROJECTS / 6 && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the import does not get on");
            std::thread::yield_now();
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
    }
    assert!(
        killed > 0,
        "every import came to its end before it could be killed"
    );
    let report = home.path().join("report.json");
    run(
        &home,
        &[
            "import",
            "--report",
            report.to_str().unwrap(),
            directory.to_str().unwrap(),
        ],
    );
    super::reports::assert_nothing_lost(&report);
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let number = |key: &str| report[key]["file"].as_u64().unwrap_or(0);
    assert_eq!(
        number("kept") + number("present"),
        PROJECTS as u64,
        "{report}"
    );

    let server = serve(&home);
    let api = server.anonymous();
    for number in [0, PROJECTS / 2, PROJECTS - 1] {
        let files = api.files("bob/dev", &format!("pkg{number}")).await;
        assert_eq!(files.len(), 1);
        assert_eq!(api.digest_of(&files[0].url).await, files[0].sha256);
    }
}

/// Files below a directory.
pub(super) fn count(directory: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| {
            if entry.path().is_dir() {
                count(&entry.path())
            } else {
                1
            }
        })
        .sum()
}
