use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use cheeseshop_app::garbage::GarbageOptions;
use cheeseshop_app::import::model::{Index, Project, User};
use cheeseshop_app::import::{
    ImportError, ImportOptions, Kind, Progress, Report, Source, SourceError,
};
use cheeseshop_devpi_data::export_directory::ExportDirectory;
use cheeseshop_domain::{Caller, IndexName, LogAction, UserName};
use cheeseshop_packaging::{FileKind, Yanked};
use cheeseshop_storage::Taking;
use cheeseshop_storage::database::{
    documentation, files, indexes, projects, releases, test_results, users,
};
use cheeseshop_test_support::{Sdist, Wheel};
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use serde_json::{Value, json};

use super::tree::{Tree, UPLOADED, hash, sha256};
use super::{import, import_with, kept, told};
use crate::here::Here;
use crate::picture;

/// A wheel, an sdist, documentation and a result on one index; bases in a circle.
fn full() -> (Tree, Vec<u8>) {
    let wheel = Wheel::named("mypkg")
        .version("1.0")
        .requires_python(">=3.9")
        .build();
    let sdist = Sdist::named("mypkg").version("1.0").build();
    let tree = Tree::new()
        .user(
            "bob",
            json!({
                "pwhash": hash("bobs"), "created": "2026-11-22T11:37:51Z",
                "modified": "2026-11-22T12:00:00Z", "email": "bob@example.test", "title": "Bob",
                "custom_data": {"a": [1]},
            }),
        )
        .index(
            "bob/dev",
            json!({
                "type": "stage", "volatile": false, "bases": ["bob/prod", "root/pypi"],
                "acl_upload": ["bob", ":developers"], "acl_toxresult_upload": [":ANONYMOUS:"],
                "mirror_whitelist": ["*"], "mirror_whitelist_inheritance": "union",
                "title": "Bob's", "some_plugin_key": {"x": [1, 2]},
            }),
        )
        .index("bob/prod", json!({"type": "stage", "bases": ["bob/dev"]}))
        .index(
            "root/pypi",
            json!({
                "type": "mirror", "volatile": false, "title": "PyPI",
                "mirror_url": "https://user:secret@pypi.example/simple/",
            }),
        )
        .release(
            "bob/dev",
            "mypkg",
            "1.0",
            json!({"name": "x", "summary": "A", "requires_python": ">=3.9"}),
        )
        .release(
            "bob/dev",
            "mypkg",
            "0.9",
            json!({"summary": "without files"}),
        )
        .file("bob/dev", ("mypkg", "1.0"), &wheel.name, &wheel.bytes)
        .file("bob/dev", ("mypkg", "1.0"), &sdist.name, &sdist.bytes)
        .documentation("bob/dev", ("mypkg", "1.0"), b"PK documentation")
        .result(
            "bob/dev",
            ("mypkg", "1.0"),
            (&wheel.name, &wheel.bytes),
            b"{\"testenvs\": {}}",
        );
    (tree, wheel.bytes.to_vec())
}

fn dev() -> IndexName {
    IndexName::parse("bob/dev").unwrap()
}

#[tokio::test]
async fn everything_comes_in_as_it_was() {
    let here = Here::start().await;
    let (tree, wheel) = full();
    let outcome = import(&here, &tree).await;
    assert_eq!(told(&outcome.changed), []);
    assert_eq!(told(&outcome.skipped), []);
    for (kind, count) in [
        (Kind::User, 2),
        (Kind::Index, 3),
        (Kind::Project, 1),
        (Kind::Release, 2),
        (Kind::File, 2),
        (Kind::Documentation, 1),
        (Kind::TestResult, 1),
    ] {
        assert_eq!(kept(&outcome, kind), count, "{kind:?}");
    }

    let mut db = here.database.reader().await.unwrap();
    let root = users::find(&mut db, "root").await.unwrap().unwrap();
    assert_eq!(
        root.password_hash,
        Some(hash("root")),
        "the exported password of root wins"
    );
    assert_eq!(root.created, "2026-11-01T08:00:00Z".parse().unwrap());
    let bob = users::find(&mut db, "bob").await.unwrap().unwrap();
    assert_eq!(bob.modified, Some("2026-11-22T12:00:00Z".parse().unwrap()));
    assert_eq!(bob.profile.email, Some(json!("bob@example.test")));
    assert_eq!(bob.profile.custom_data, Some(json!({"a": [1]})));

    let index = indexes::find(&mut db, &dev()).await.unwrap().unwrap();
    let config = Value::Object(index.config.to_json());
    assert_eq!(config["some_plugin_key"], json!({"x": [1, 2]}));
    assert_eq!(config["bases"], json!(["bob/prod", "root/pypi"]));
    assert_eq!(config["acl_upload"], json!(["bob", ":developers"]));
    let mirror = indexes::find(&mut db, &IndexName::parse("root/pypi").unwrap())
        .await
        .unwrap()
        .unwrap();
    let url = mirror.mirror().unwrap().mirror_url.as_ref().unwrap();
    assert_eq!(url.expose(), "https://user:secret@pypi.example/simple/");

    let project = projects::find(&mut db, index.id, "mypkg")
        .await
        .unwrap()
        .unwrap();
    let release = releases::find(&mut db, project.id, "1.0")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(release.metadata["summary"], "A");
    let held = files::list_for_project(&mut db, project.id).await.unwrap();
    let file = held
        .iter()
        .find(|file| file.name.kind() == FileKind::Wheel)
        .unwrap();
    assert_eq!(file.sha256.to_string(), sha256(&wheel));
    assert_eq!(file.uploaded.as_second(), UPLOADED.1);
    assert_eq!(file.requires_python.as_deref(), Some(">=3.9"));
    assert!(
        file.core_metadata.is_some(),
        "its core metadata is served beside it"
    );
    assert_eq!((file.log.len(), file.log[0].what), (1, LogAction::Upload));
    assert_eq!(file.log[0].who.as_deref(), Some("bob"));
    let archives = documentation::list_for_project(&mut db, project.id)
        .await
        .unwrap();
    assert_eq!(archives[0].sha256.to_string(), sha256(b"PK documentation"));
    let results = test_results::list_for_project(&mut db, project.id)
        .await
        .unwrap();
    assert_eq!((results.len(), results[0].file), (1, file.id));
}

#[tokio::test]
async fn passwords_go_on_working() {
    let here = Here::start().await;
    let (tree, _) = full();
    import(&here, &tree).await;
    for (password, expected) in [("bobs", true), ("root", false)] {
        let login = here.app.login("bob", &password.into(), None).await;
        assert_eq!(login.is_ok(), expected, "{password}");
    }
}

#[tokio::test]
async fn the_second_import_finds_everything_present() {
    let here = Here::start().await;
    let (tree, _) = full();
    let first = import(&here, &tree).await;
    let head = here.database.head().await.unwrap();
    let second = import(&here, &tree).await;
    assert_eq!(second.kept, std::collections::BTreeMap::new());
    assert_eq!(second.present, first.kept);
    assert_eq!(
        here.database.head().await.unwrap(),
        head,
        "nothing was written"
    );
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_writes_nothing() {
    let here = Here::start().await;
    let (tree, _) = full();
    let before = (
        here.database.head().await.unwrap(),
        picture::of_here(&here).await,
    );
    let options = ImportOptions {
        dry_run: true,
        ..ImportOptions::default()
    };
    let foreseen = import_with(&here, &tree, options).await;
    let after = (
        here.database.head().await.unwrap(),
        picture::of_here(&here).await,
    );
    assert_eq!(after, before);
    assert_eq!(import(&here, &tree).await, foreseen);
}

#[tokio::test]
async fn a_dry_run_knows_that_root_only_gives_way_where_nothing_else_is() {
    let here = Here::start().await;
    import(&here, &full().0).await;
    let mirror = json!({"type": "mirror", "mirror_url": "https://other.example/simple/"});
    let tree = Tree::new()
        .user("root", json!({"title": "Another"}))
        .index("root/pypi", mirror);
    let options = ImportOptions {
        dry_run: true,
        ..ImportOptions::default()
    };
    let foreseen = import_with(&here, &tree, options).await;
    assert!(!foreseen.skipped.is_empty());
    assert_eq!(import(&here, &tree).await, foreseen);
}

#[tokio::test]
async fn hard_links_share_the_bytes_and_survive_garbage_collection() {
    let here = Here::start().await;
    let (tree, wheel) = full();
    let options = ImportOptions {
        taking: Taking::Link,
        ..ImportOptions::default()
    };
    import_with(&here, &tree, options.clone()).await;
    let name = "mypkg-1.0-py3-none-any.whl";
    let exported =
        std::fs::metadata(tree.path().join(format!("bob/dev/mypkg/1.0/{name}"))).unwrap();
    let blob = here.blob(&sha256(&wheel));
    // One file system, as temporary directories are: else there would be nothing to share.
    assert_eq!(std::fs::metadata(&blob).unwrap().ino(), exported.ino());

    // The same bytes once more, as after an interrupted import: the names of one file do not get in each other's way.
    here.app
        .remove_project(
            &Caller::user(UserName::root()),
            &dev(),
            &cheeseshop_packaging::ProjectName::parse("mypkg").unwrap(),
            cheeseshop_app::removal::Force::Yes,
        )
        .await
        .unwrap();
    let again = import_with(&here, &tree, options).await;
    assert_eq!(told(&again.skipped), []);
    assert_eq!(std::fs::metadata(&blob).unwrap().ino(), exported.ino());

    here.app
        .collect_garbage(GarbageOptions::default())
        .await
        .unwrap();
    std::fs::remove_dir_all(tree.path()).unwrap();
    assert_eq!(std::fs::read(&blob).unwrap(), wheel);
}

#[tokio::test]
async fn what_is_here_and_differs_stays_and_is_told() {
    let here = Here::start().await;
    let (tree, _) = full();
    import(&here, &tree).await;
    let before = picture::of_here(&here).await;
    let other = Tree::new()
        .user(
            "bob",
            json!({"pwhash": hash("other"), "email": "else@example.test"}),
        )
        .index(
            "bob/dev",
            json!({"type": "stage", "volatile": true, "bases": []}),
        )
        .release("bob/dev", "mypkg", "1.0", json!({"summary": "B"}))
        .file(
            "bob/dev",
            ("mypkg", "1.0"),
            "mypkg-1.0.tar.gz",
            b"other bytes",
        );
    let outcome = import(&here, &other).await;
    let items: Vec<&str> = told(&outcome.skipped)
        .iter()
        .map(|(item, _)| *item)
        .collect();
    assert_eq!(
        items,
        [
            "bob",
            "bob/dev",
            "bob/dev/mypkg/1.0",
            "bob/dev/mypkg-1.0.tar.gz"
        ]
    );
    assert_eq!(picture::of_here(&here).await, before);
}

#[tokio::test]
async fn root_of_an_installation_in_use_stays() {
    let here = Here::start().await;
    here.app.set_password("root", &"mine".into()).await.unwrap();
    let (tree, _) = full();
    let outcome = import(&here, &tree).await;
    assert_eq!(outcome.skipped.len(), 1);
    assert_eq!(
        (outcome.skipped[0].kind, outcome.skipped[0].item.as_str()),
        (Kind::User, "root")
    );
    here.app.login("root", &"mine".into(), None).await.unwrap();
}

#[tokio::test]
async fn what_is_to_be_left_out_is_left_out() {
    let here = Here::start().await;
    let (tree, _) = full();
    let options = ImportOptions {
        skipped_index_types: vec!["mirror".to_owned()],
        skipped_indexes: vec!["bob/dev".to_owned()],
        ..ImportOptions::default()
    };
    let outcome = import_with(&here, &tree, options).await;
    let items: Vec<&str> = told(&outcome.left_out)
        .iter()
        .map(|(item, _)| *item)
        .collect();
    assert_eq!(items, ["bob/dev", "root/pypi"]);
    assert_eq!(told(&outcome.skipped), []);
    assert_eq!(kept(&outcome, Kind::File), 0);
}

/// A source that breaks off before its last project.
struct BreaksOff(ExportDirectory, AtomicU64);

impl Source for BreaksOff {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn users<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<User>, SourceError>> {
        self.0.users(report)
    }

    fn indexes<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<Index>, SourceError>> {
        self.0.indexes(report)
    }

    fn count_projects(&self, index: &Index) -> Option<u64> {
        self.0.count_projects(index)
    }

    fn projects<'a>(
        &'a self,
        index: &'a Index,
        report: &'a Report,
    ) -> BoxStream<'a, Result<Project, SourceError>> {
        let projects = self.0.projects(index, report);
        projects
            .map(|project| match self.1.fetch_sub(1, Ordering::Relaxed) {
                0 => Err(SourceError::new("the power went")),
                _ => project,
            })
            .boxed()
    }
}

#[tokio::test]
async fn an_interrupted_import_goes_on() {
    let here = Here::start().await;
    let mut tree = Tree::new()
        .user("bob", json!({}))
        .index("bob/dev", json!({"type": "stage"}));
    for number in 0..40 {
        let project = format!("pkg{number}");
        let file = format!("{project}-1.tar.gz");
        tree = tree.release("bob/dev", &project, "1", json!({})).file(
            "bob/dev",
            (&project, "1"),
            &file,
            file.as_bytes(),
        );
    }
    tree.write();
    let open = || ExportDirectory::open(tree.path());
    let broken = BreaksOff(open().await.unwrap(), AtomicU64::new(39));
    let (report, progress) = (Report::new(), Progress::new());
    let options = ImportOptions::default();
    let error = here
        .app
        .import(&broken, options.clone(), &report, &progress)
        .await
        .unwrap_err();
    assert!(matches!(error, ImportError::Source(_)), "{error}");
    let outcome = here.import(&open().await.unwrap(), options).await;
    let present = outcome.present.get(&Kind::File).copied().unwrap_or(0);
    assert_eq!(kept(&outcome, Kind::File) + present, 40);
    assert_eq!(told(&outcome.skipped), []);
    let lines = picture::of_here(&here).await;
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("releasefile"))
            .count(),
        40
    );
}

#[tokio::test]
async fn yanking_of_our_own_exports_comes_back() {
    let here = Here::start().await;
    let mut tree = Tree::new()
        .user("bob", json!({}))
        .index("bob/dev", json!({"type": "stage"}))
        .release("bob/dev", "pkg", "1", json!({}))
        .file("bob/dev", ("pkg", "1"), "pkg-1.tar.gz", b"a");
    tree.items("bob/dev")[0]["yanked"] = json!("broken");
    import(&here, &tree).await;
    let mut db = here.database.reader().await.unwrap();
    let index = indexes::find(&mut db, &dev()).await.unwrap().unwrap();
    let project = projects::find(&mut db, index.id, "pkg")
        .await
        .unwrap()
        .unwrap();
    let file = &files::list_for_project(&mut db, project.id).await.unwrap()[0];
    assert_eq!(file.yanked, Yanked::Yes(Some("broken".to_owned())));
}

#[tokio::test]
async fn postgresql_takes_the_same() {
    let (tree, _) = full();
    let mut tree = tree.release("bob/dev", "mypkg", "0.8", json!({"summary": "NUL \u{0}"}));
    tree.document["users"]["bob"]["title"] = json!("B\u{0}b");
    let (sqlite, postgres) = (Here::start().await, Here::on_postgres().await);
    let outcome = import(&postgres, &tree).await;
    assert_eq!(told(&outcome.skipped), []);
    assert_eq!(import(&sqlite, &tree).await, outcome);
    picture::assert_same(
        &picture::of_here(&sqlite).await,
        &picture::of_here(&postgres).await,
    );
}
