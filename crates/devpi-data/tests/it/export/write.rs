use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use cheeseshop_app::import::model::{Index, Project, User};
use cheeseshop_app::import::{ImportOptions, Kind, Outcome, Progress, Report, Source, SourceError};
use cheeseshop_devpi_data::export_directory::{
    ExportDirectory, ExportError, ExportOptions, write_export,
};
use cheeseshop_test_support::Wheel;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::{Value, json};

use super::tree::{Tree, hash, sha256};
use super::{import, told};
use crate::here::Here;
use crate::picture;

async fn export(here: &Here, name: &str, options: ExportOptions) -> Outcome {
    let report = Report::new();
    let data = here.app.data(true);
    write_export(&data, &here.path(name), options, &report, &Progress::new())
        .await
        .unwrap();
    report.outcome()
}

/// Everything that an export can hold, a mirror's file too.
fn full() -> Tree {
    let wheel = Wheel::named("My.Pkg").version("1.0").build();
    let mut tree = Tree::new()
        .user(
            "bob",
            json!({"pwhash": hash("bobs"), "created": "2026-11-22T11:37:51Z", "title": "Bob"}),
        )
        .index(
            "bob/dev",
            json!({"type": "stage", "bases": ["root/pypi"], "some_key": 1}),
        )
        .index("bob/empty", json!({"type": "stage", "volatile": false}))
        .index(
            "root/pypi",
            json!({"type": "mirror", "mirror_url": "https://u:p@pypi.example/simple/"}),
        )
        .release("bob/dev", "my-pkg", "1.0", json!({"summary": "A"}))
        .release("bob/dev", "my-pkg", "0.1", json!({}))
        .file("bob/dev", ("my-pkg", "1.0"), &wheel.name, &wheel.bytes)
        .documentation("bob/dev", ("my-pkg", "1.0"), b"docs")
        .result(
            "bob/dev",
            ("my-pkg", "1.0"),
            (&wheel.name, &wheel.bytes),
            b"{}",
        )
        .release(
            "root/pypi",
            "up",
            "2",
            json!({"requires_python": ">=3", "yanked": "old"}),
        )
        .file("root/pypi", ("up", "2"), "up-2.tar.gz", b"upstream");
    tree.items("root/pypi")[0]["entrymapping"]["url"] =
        json!("https://files.example/a/up-2.tar.gz");
    tree
}

/// A second server, which is the same after it has taken the export of the first.
async fn imported_elsewhere(here: &Here) -> Here {
    let second = Here::start().await;
    let source = ExportDirectory::open(&here.path("export")).await.unwrap();
    let outcome = second.import(&source, ImportOptions::default()).await;
    assert_eq!(told(&outcome.skipped), []);
    picture::assert_same(
        &picture::of_here(here).await,
        &picture::of_here(&second).await,
    );
    second
}

#[tokio::test]
async fn what_is_exported_is_imported_the_same() {
    let here = Here::start().await;
    assert_eq!(told(&import(&here, &full()).await.skipped), []);
    let outcome = export(&here, "export", ExportOptions::default()).await;
    assert_eq!(told(&outcome.skipped), []);
    let second = imported_elsewhere(&here).await;
    picture::assert_same(
        &picture::mirrored_here(&here).await,
        &picture::mirrored_here(&second).await,
    );
    assert_eq!(picture::mirrored_here(&second).await.len(), 1);
}

#[tokio::test]
async fn the_export_has_devpis_form() {
    let here = Here::start().await;
    import(&here, &full()).await;
    export(&here, "export", ExportOptions::default()).await;
    let root = here.path("export");
    let document: Value =
        serde_json::from_slice(&std::fs::read(root.join("dataindex.json")).unwrap()).unwrap();
    assert_eq!(document["dumpversion"], "2");
    assert_eq!(document["users"]["bob"]["pwhash"], hash("bobs"));
    let mirror = &document["indexes"]["root/pypi"];
    assert_eq!(
        mirror["indexconfig"]["mirror_url"],
        "https://u:p@pypi.example/simple/"
    );
    assert_eq!(
        mirror["files"][0]["entrymapping"]["url"],
        "https://files.example/a/up-2.tar.gz"
    );
    assert_eq!(mirror["projects"]["up"]["2"]["yanked"], "old");
    let dev = &document["indexes"]["bob/dev"];
    assert_eq!(dev["indexconfig"]["some_key"], 1);
    assert_eq!(dev["projects"]["my-pkg"]["1.0"]["summary"], "A");
    let files = dev["files"].as_array().unwrap();
    let types: Vec<&str> = files
        .iter()
        .map(|file| file["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["releasefile", "toxresult", "doczip"]);
    let file = &files[0];
    let relative = file["relpath"].as_str().unwrap();
    assert_eq!(
        relative,
        format!(
            "bob/dev/my-pkg/1.0/{}",
            relative.rsplit('/').next().unwrap()
        )
    );
    let digest = sha256(&std::fs::read(root.join(relative)).unwrap());
    assert_eq!(
        file["entrymapping"]["hash_spec"],
        format!("sha256={digest}")
    );
    assert_eq!(file["log"][0]["when"], json!([2026, 11, 22, 11, 44, 22]));
    let name = relative.rsplit('/').next().unwrap();
    let tested = format!("bob/dev/+f/{}/{}/{name}", &digest[..3], &digest[3..16]);
    assert_eq!(files[1]["for_entrypath"], tested);
    assert_eq!(files[2]["relpath"], "bob/dev/my-pkg-1.0.doc.zip");
    assert!(document["indexes"]["bob/empty"].get("files").is_none());
    let left: Vec<String> = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(['.', '+']))
        .collect();
    assert_eq!(
        left,
        Vec::<String>::new(),
        "nothing of the work is left behind"
    );
}

#[tokio::test]
async fn hard_links_share_our_bytes() {
    let here = Here::start().await;
    import(&here, &full()).await;
    export(&here, "export", ExportOptions { hard_links: true }).await;
    let exported = std::fs::metadata(here.path("export/root/pypi/up/2/up-2.tar.gz")).unwrap();
    let blob = std::fs::metadata(here.blob(&sha256(b"upstream"))).unwrap();
    assert_eq!(exported.ino(), blob.ino());
}

#[tokio::test]
async fn a_directory_with_something_in_it_is_left_alone() {
    let here = Here::start().await;
    std::fs::create_dir(here.path("export")).unwrap();
    std::fs::write(here.path("export/mine"), "").unwrap();
    let data = here.app.data(false);
    let path = here.path("export");
    let error = write_export(
        &data,
        &path,
        ExportOptions::default(),
        &Report::new(),
        &Progress::new(),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, ExportError::NotEmpty(_)), "{error}");
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
}

#[tokio::test]
async fn what_devpi_does_not_have_is_told() {
    let here = Here::start().await;
    let tree = Tree::new()
        .user("bob", json!({}))
        .index("bob/dev", json!({"type": "stage", "acl_read": ["bob"]}))
        .release("bob/dev", "pkg", "1", json!({}))
        .file("bob/dev", ("pkg", "1"), "pkg-1.tar.gz", b"lost");
    import(&here, &tree).await;
    std::fs::remove_file(here.blob(&sha256(b"lost"))).unwrap();
    let outcome = export(&here, "export", ExportOptions::default()).await;
    assert!(
        outcome.changed[0].reason.contains("acl_read"),
        "{:?}",
        outcome.changed
    );
    assert_eq!(
        (outcome.skipped.len(), outcome.skipped[0].kind),
        (1, Kind::File)
    );
}

/// Passwords' hashes and files that not everybody may read are in it.
#[tokio::test]
async fn an_export_is_for_its_owner() {
    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }
    let here = Here::start().await;
    import(&here, &full()).await;
    export(&here, "new/export", ExportOptions::default()).await;
    let root = here.path("new/export");
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join("bob")), 0o700);
    assert_eq!(mode(&root.join("dataindex.json")), 0o600);

    let made = here.path("made");
    std::fs::create_dir(&made).unwrap();
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o755)).unwrap();
    export(&here, "made", ExportOptions::default()).await;
    assert_eq!(mode(&made), 0o755, "whoever made it chose that");
    assert_eq!(mode(&made.join("bob")), 0o700);
    assert_eq!(mode(&made.join("dataindex.json")), 0o600);
}

#[tokio::test]
async fn users_may_be_named_like_files_of_an_export() {
    let here = Here::start().await;
    let mut tree = Tree::new();
    for user in ["dataindex.json", ".files.part", ".dataindex.json.part"] {
        let index = format!("{user}/dev");
        tree = tree
            .user(user, json!({}))
            .index(&index, json!({"type": "stage"}))
            .release(&index, "pkg", "1", json!({}));
        // An export of devpi's own has no place for such a user's files.
        if user != "dataindex.json" {
            tree = tree.file(&index, ("pkg", "1"), "pkg-1.tar.gz", b"one");
        }
    }
    let item = tree.items(".files.part/dev")[0].clone();
    tree.items("dataindex.json/dev").push(item);
    assert_eq!(told(&import(&here, &tree).await.skipped), []);
    export(&here, "export", ExportOptions::default()).await;
    imported_elsewhere(&here).await;
}

/// A source that cannot be read.
struct Broken;

impl Source for Broken {
    fn describe(&self) -> String {
        "nothing".to_owned()
    }

    fn users<'a>(&'a self, _: &'a Report) -> BoxFuture<'a, Result<Vec<User>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn indexes<'a>(&'a self, _: &'a Report) -> BoxFuture<'a, Result<Vec<Index>, SourceError>> {
        Box::pin(async { Err(SourceError::new("it is broken")) })
    }

    fn count_projects(&self, _: &Index) -> Option<u64> {
        None
    }

    fn projects<'a>(
        &'a self,
        _: &'a Index,
        _: &'a Report,
    ) -> BoxStream<'a, Result<Project, SourceError>> {
        stream::empty().boxed()
    }
}

#[tokio::test]
async fn nothing_is_made_for_a_source_that_cannot_be_read() {
    let here = Here::start().await;
    let path = here.path("export");
    let (report, progress) = (Report::new(), Progress::new());
    let error = write_export(&Broken, &path, ExportOptions::default(), &report, &progress)
        .await
        .unwrap_err();
    assert!(matches!(error, ExportError::Source(_)), "{error}");
    assert!(!path.exists());
}
