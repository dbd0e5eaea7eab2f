//! A stopped devpi-server's directory, imported in place.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cheeseshop_app::import::{ImportOptions, Kind, Outcome};
use cheeseshop_devpi_data::server_directory::{ServerDirectory, ServerDirectoryError};
use cheeseshop_storage::Taking;
use tempfile::TempDir;

use crate::devpi::{self, Devpi, fill, fill_mirror};
use crate::here::Here;
use crate::picture::{Picture, assert_same, mirrored_here, of_devpi, of_here};

/// The directory of a filled and stopped server, and what it held.
struct Stopped {
    folder: TempDir,
    held: Picture,
    mirrored: &'static str,
    /// Its last commit.
    serial: u64,
}

impl Stopped {
    async fn make() -> Self {
        let folder = TempDir::new().unwrap();
        let server = devpi::start(&folder.path().join("server"), &[]);
        let devpi = Devpi::of(&server);
        fill(&devpi).await;
        let mirrored = fill_mirror(&devpi).await;
        let held = of_devpi(&devpi).await;
        let serial = devpi.serial().await;
        server.stop();
        Self {
            folder,
            held,
            mirrored,
            serial,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    async fn import(&self, here: &Here, options: ImportOptions) -> Outcome {
        let source = ServerDirectory::open(&self.path()).unwrap().into_source();
        here.import(&*source.unwrap(), options).await
    }

    /// The path of the only file below an index with this ending.
    fn file(&self, index: &str, ending: &str) -> PathBuf {
        let mut found = Vec::new();
        walk(&self.path().join("+files").join(index), &mut found);
        found.retain(|path| path.to_str().unwrap().ends_with(ending));
        assert_eq!(found.len(), 1, "{found:?}");
        found.pop().unwrap()
    }
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn linking() -> ImportOptions {
    ImportOptions {
        taking: Taking::Link,
        ..ImportOptions::default()
    }
}

#[tokio::test]
async fn all_that_a_server_held_comes_over() {
    let stopped = Stopped::make().await;
    let here = Here::start().await;
    let outcome = stopped.import(&here, linking()).await;
    assert_eq!(outcome.skipped, []);
    assert_same(&stopped.held, &of_here(&here).await);
    let mirrored = mirrored_here(&here).await;
    assert_eq!(mirrored.len(), 1);
    assert!(mirrored.first().unwrap().ends_with(stopped.mirrored));
    assert_eq!(outcome.kept[&Kind::File], 10);
    assert_eq!(outcome.kept[&Kind::TestResult], 4);
    assert_eq!(outcome.kept[&Kind::Documentation], 2);
    assert_eq!(outcome.kept[&Kind::MirroredFile], 1);

    // Bytes were shared, not copied, and nothing in the directory was touched.
    let there = stopped.file("bob/base", "pkg_one-1.1.tar.gz");
    let line = stopped
        .held
        .iter()
        .find(|line| line.contains("pkg_one-1.1.tar.gz"));
    let digest = line.unwrap().split("sha256=").nth(1).unwrap();
    let blob = here.blob(&digest[..64]);
    assert_eq!(
        fs::metadata(blob).unwrap().ino(),
        fs::metadata(there).unwrap().ino()
    );
    assert_eq!(
        ServerDirectory::open(&stopped.path())
            .unwrap()
            .serial()
            .unwrap(),
        Some(stopped.serial)
    );

    // A second time everything is here.
    let outcome = stopped.import(&here, linking()).await;
    assert_eq!(outcome.skipped, []);
    assert_eq!(outcome.changed, []);
    assert_eq!(outcome.kept.values().sum::<u64>(), 0, "{outcome:?}");
    assert_eq!(outcome.present[&Kind::File], 10);
    assert_same(&stopped.held, &of_here(&here).await);
}

#[tokio::test]
async fn what_is_missing_is_told_and_the_rest_comes_over() {
    let stopped = Stopped::make().await;
    let gone = stopped.file("bob/base", "pkg_one-2.0a1.tar.gz");
    fs::remove_file(&gone).unwrap();
    let damaged = stopped.file("bob/dev", "vol-1.0-py3-none-any.whl");
    fs::write(&damaged, "other bytes").unwrap();
    // A commit that was cut short before its files got their names.
    let unnamed = stopped.file("bob/base", "pkg_one-1.1.tar.gz");
    fs::rename(
        &unnamed,
        temporary_name(&stopped.path(), "pkg_one-1.1.tar.gz"),
    )
    .unwrap();

    let here = Here::start().await;
    let outcome = stopped.import(&here, ImportOptions::default()).await;
    let skipped: Vec<&str> = outcome
        .skipped
        .iter()
        .map(|note| note.item.as_str())
        .collect();
    assert_eq!(skipped.len(), 2, "{:?}", outcome.skipped);
    assert!(
        skipped
            .iter()
            .any(|item| item.contains("pkg_one-2.0a1.tar.gz"))
    );
    assert!(skipped.iter().any(|item| item.contains("vol-1.0-py3")));
    let mut expected = stopped.held.clone();
    expected.retain(|line| {
        !line.starts_with("releasefile")
            || !(line.contains("pkg_one-2.0a1.tar.gz") || line.contains("vol-1.0-py3"))
    });
    assert_same(&expected, &of_here(&here).await);
}

/// The temporary name that the log has for a file.
fn temporary_name(root: &Path, ending: &str) -> PathBuf {
    let database = rusqlite::Connection::open(root.join(".sqlite")).unwrap();
    let mut statement = database.prepare("SELECT data FROM changelog").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let bytes: Vec<u8> = row.get(0).unwrap();
        let entry = cheeseshop_devpi_data::change_log::Entry::decode(
            &bytes,
            cheeseshop_devpi_data::change_log::Limits::default(),
        );
        let names = entry.unwrap().files;
        if let Some(name) = names
            .iter()
            .find(|name| name.contains(ending) && name.contains("bob/base"))
        {
            return root.join(name);
        }
    }
    panic!("no commit made {ending}")
}

#[tokio::test]
async fn a_damaged_commit_is_told_and_the_rest_comes_over() {
    let stopped = Stopped::make().await;
    let database = rusqlite::Connection::open(stopped.path().join(".sqlite")).unwrap();
    let damage = "UPDATE changelog SET data = x'4c4c51' WHERE serial = \
                  (SELECT serial FROM kv WHERE key = 'bob/dev/vol/1.0/.config')";
    assert_eq!(database.execute(damage, []).unwrap(), 1);
    drop(database);

    let here = Here::start().await;
    let outcome = stopped.import(&here, ImportOptions::default()).await;
    let reasons: Vec<&str> = outcome
        .skipped
        .iter()
        .map(|note| note.reason.as_str())
        .collect();
    assert!(!reasons.is_empty());
    assert!(
        reasons.iter().all(|reason| reason.contains("change log")),
        "{reasons:?}"
    );
    let mut expected = stopped.held.clone();
    expected.retain(|line| !line.contains("bob/dev/vol/"));
    assert_same(&expected, &of_here(&here).await);
}

#[tokio::test]
async fn a_running_server_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let server = devpi::start(folder.path(), &[]);
    // It opens its database when it is first asked.
    Devpi::of(&server).get("/").await;
    let error = ServerDirectory::open(folder.path()).unwrap_err();
    assert!(
        matches!(error, ServerDirectoryError::Running { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("Stop it first"), "{error}");
    server.stop();
    ServerDirectory::open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_server_that_writes_meanwhile_is_noticed() {
    let stopped = Stopped::make().await;
    let source = ServerDirectory::open(&stopped.path())
        .unwrap()
        .into_source()
        .unwrap();
    let server = cheeseshop_test_support::DevpiServer::start_again(&stopped.path(), &[]);
    let devpi = Devpi::of(&server);
    devpi.user("late", serde_json::json!({})).await;
    let here = Here::start().await;
    let outcome = here.import(&*source, ImportOptions::default()).await;
    assert!(
        outcome
            .skipped
            .iter()
            .any(|note| note.reason.contains("meanwhile")),
        "{:?}",
        outcome.skipped
    );
}

#[test]
fn other_directories_are_refused_with_a_reason() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let refusal = |path: &Path| ServerDirectory::open(path).unwrap_err().to_string();
    assert!(!ServerDirectory::looks_like_one(path));
    assert!(refusal(path).contains("no readable `.serverversion`"));
    assert!(refusal(&path.join("missing")).contains("no directory of a devpi-server"));
    fs::write(path.join(".serverversion"), "3").unwrap();
    assert!(ServerDirectory::looks_like_one(path));
    assert!(refusal(path).contains("layout `3`"));
    fs::write(path.join(".serverversion"), "4\n").unwrap();
    assert!(refusal(path).contains("PostgreSQL"));
    fs::write(path.join(".sqlite"), "no database").unwrap();
    let text = match ServerDirectory::open(path).and_then(ServerDirectory::into_source) {
        Ok(_) => panic!("no database was opened"),
        Err(error) => error.to_string(),
    };
    assert!(text.contains("cannot be read"), "{text}");
    fs::write(path.join(".sqlite-journal"), "hot").unwrap();
    assert!(refusal(path).contains("did not stop cleanly"));
}
