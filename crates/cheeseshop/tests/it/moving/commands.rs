//! What `cheeseshop import` and `cheeseshop export` say and how they end.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{CHEAP_HASH, Home, Output, Server, digest};

/// An export with one user, one index and one file, whose bytes may be missing.
fn export(directory: &Path, with_bytes: bool) {
    let relative = "bob/dev/pkg/1/pkg-1.tar.gz";
    let path = directory.join(relative);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    if with_bytes {
        std::fs::write(&path, "bytes").unwrap();
    }
    let document = json!({
        "users": {"bob": {"username": "bob"}},
        "indexes": {"bob/dev": {
            "indexconfig": {"type": "stage"},
            "projects": {"pkg": {"1": {"name": "pkg", "version": "1"}}},
            "files": [{
                "type": "releasefile", "projectname": "pkg", "version": "1", "relpath": relative, "log": [],
                "entrymapping": {
                    "last_modified": "Sun, 22 Nov 2026 11:44:22 GMT",
                    "hashes": {"sha256": digest(b"bytes")},
                },
            }],
        }},
        "dumpversion": "2",
    });
    std::fs::write(directory.join("dataindex.json"), document.to_string()).unwrap();
}

fn run(home: &Home, arguments: &[&str]) -> Output {
    home.run(&[arguments, CHEAP_HASH].concat())
}

#[test]
fn what_is_no_export_is_refused_before_anything_is_made() {
    let home = Home::new();
    let directory = home.path().join("export");
    std::fs::create_dir(&directory).unwrap();
    let path = directory.to_str().unwrap();
    let output = run(&home, &["import", path]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output
            .stderr
            .contains("neither an export of a devpi-server nor its directory"),
        "{output:?}"
    );
    export(&directory, true);
    let file = directory.join("dataindex.json");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let output = run(&home, &["import", path]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("it was cut off"), "{output:?}");
    assert!(!home.data_dir().exists(), "nothing was made");
}

#[test]
fn a_missing_file_is_told_and_makes_the_exit_code_1() {
    let home = Home::new();
    let directory = home.path().join("export");
    export(&directory, false);
    let report = home.path().join("report.json");
    let output = run(
        &home,
        &[
            "import",
            "--report",
            report.to_str().unwrap(),
            directory.to_str().unwrap(),
        ],
    );
    assert_eq!(output.code, Some(1), "{output:?}");
    let line =
        "  file bob/dev/pkg-1.tar.gz: the file bob/dev/pkg/1/pkg-1.tar.gz is missing in the export";
    assert!(output.stdout.contains(line), "{output:?}");
    assert!(
        output.stderr.contains("error: 1 item was skipped"),
        "{output:?}"
    );
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["skipped"][0]["kind"], "file");
    assert_eq!(report["kept"]["release"], 1);
    // Once the file is there the same command brings it.
    export(&directory, true);
    let output = run(&home, &["import", directory.to_str().unwrap()]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("kept: 1 file\n"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_leaves_a_first_start_to_come() {
    let home = Home::new();
    let directory = home.path().join("export");
    export(&directory, true);
    let output = run(&home, &["import", "--dry-run", directory.to_str().unwrap()]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.stdout.contains("would be kept: 1 user, 1 index"),
        "{output:?}"
    );
    assert!(!home.data_dir().exists(), "nothing was made");
    let server = Server::start(&home, &[]);
    assert!(server.root_password.is_some(), "this was the first start");
    assert_eq!(server.anonymous().files("bob/dev", "pkg").await, []);
}

#[test]
fn a_dry_run_needs_no_bucket_that_the_settings_name() {
    let home = Home::new();
    let directory = home.path().join("export");
    export(&directory, true);
    let arguments = [
        "import",
        "--dry-run",
        "--set=blobs.kind=s3",
        "--set=blobs.bucket=cheese",
        "--set=blobs.machine_role=true",
        directory.to_str().unwrap(),
    ];
    let output = run(&home, &arguments);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.stdout.contains("would be kept: 1 user, 1 index"),
        "{output:?}"
    );
    assert!(!home.data_dir().exists(), "nothing was made");
}

#[test]
fn a_report_that_cannot_be_written_does_not_hide_what_was_done() {
    let home = Home::new();
    let directory = home.path().join("export");
    export(&directory, true);
    let arguments = [
        "import",
        "--report=nowhere/report.json",
        directory.to_str().unwrap(),
    ];
    let output = run(&home, &arguments);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output.stdout.contains("kept: 1 user, 1 index"),
        "{output:?}"
    );
    let told = "error: the report nowhere/report.json cannot be written: ";
    assert!(output.stderr.contains(told), "{output:?}");
}

#[test]
fn a_root_that_did_not_come_along_is_made() {
    let home = Home::new();
    let directory = home.path().join("export");
    export(&directory, true);
    let output = run(&home, &["import", directory.to_str().unwrap()]);
    assert!(
        output
            .stdout
            .contains("Created the user `root` with the password: "),
        "{output:?}"
    );
}

#[test]
fn an_export_wants_a_directory_for_itself() {
    let home = Home::new();
    let directory = home.path().join("export");
    export(&directory, true);
    assert_eq!(
        run(&home, &["import", directory.to_str().unwrap()]).code,
        Some(0)
    );
    let output = run(&home, &["export", directory.to_str().unwrap()]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let text = format!(
        "export directory {} must not exist or be empty",
        directory.display()
    );
    assert!(output.stderr.contains(&text), "{output:?}");
    let other = home.path().join("other");
    let output = run(&home, &["export", other.to_str().unwrap()]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(other.join("bob/dev/pkg/1/pkg-1.tar.gz").is_file());
}
