use cheeseshop_app::import::model::{Index, Project};
use cheeseshop_app::import::{Differing, ImportOptions, Importer, Progress, Report, Source as _};
use cheeseshop_devpi_data::export_directory::ExportDirectory;
use cheeseshop_domain::IndexName;
use cheeseshop_storage::database::{indexes, projects};
use futures_util::TryStreamExt as _;
use serde_json::json;

use super::told;
use super::tree::Tree;
use crate::here::Here;
use crate::picture;

fn before() -> Tree {
    Tree::new()
        .user("bob", json!({"title": "Bob"}))
        .index("bob/dev", json!({"type": "stage", "volatile": false}))
        .release("bob/dev", "pkg", "1", json!({"summary": "one"}))
        .release("bob/dev", "pkg", "2", json!({}))
        .file("bob/dev", ("pkg", "1"), "pkg-1.tar.gz", b"one")
        .file("bob/dev", ("pkg", "1"), "pkg-1.zip", b"zip")
        .file("bob/dev", ("pkg", "2"), "pkg-2.tar.gz", b"two")
        .documentation("bob/dev", ("pkg", "1"), b"docs")
        .result("bob/dev", ("pkg", "1"), ("pkg-1.tar.gz", b"one"), b"{}")
        .release("bob/dev", "gone", "1", json!({}))
        .file("bob/dev", ("gone", "1"), "gone-1.tar.gz", b"gone")
}

fn after() -> Tree {
    Tree::new()
        .user("bob", json!({"title": "Robert"}))
        .index("bob/dev", json!({"type": "stage", "volatile": true}))
        .release("bob/dev", "pkg", "1", json!({"summary": "one again"}))
        .file("bob/dev", ("pkg", "1"), "pkg-1.tar.gz", b"other")
        .release("bob/dev", "pkg", "3", json!({}))
        .documentation("bob/dev", ("pkg", "1"), b"new docs")
}

#[tokio::test]
async fn a_followed_source_is_right_also_about_what_is_gone() {
    let here = Here::start().await;
    let options = ImportOptions {
        differing: Differing::Follow,
        ..ImportOptions::default()
    };
    let report = Report::new();
    let mut importer = Importer::new(here.app.clone(), options, report.clone(), Progress::new());
    for tree in [before(), after()] {
        tree.write();
        let source = ExportDirectory::open(tree.path()).await.unwrap();
        let users = source.users(&report).await.unwrap();
        let indexes = source.indexes(&report).await.unwrap();
        importer.accounts(users, &indexes).await.unwrap();
        let index: &Index = &indexes[0];
        let projects: Vec<Project> = source.projects(index, &report).try_collect().await.unwrap();
        let is_gone = projects.iter().all(|project| project.name != "gone");
        for project in projects {
            importer.project(&source, index, project).await.unwrap();
        }
        if is_gone {
            let gone = Project {
                name: "gone".to_owned(),
                ..Project::default()
            };
            importer.project(&source, index, gone).await.unwrap();
            // One that came and went there before anybody looked.
            let never = Project {
                name: "never".to_owned(),
                ..Project::default()
            };
            importer.project(&source, index, never).await.unwrap();
        }
        importer.flush().await.unwrap();
    }
    assert_eq!(told(&report.outcome().skipped), []);

    let mut db = here.database.reader().await.unwrap();
    let name = IndexName::parse("bob/dev").unwrap();
    let index = indexes::find(&mut db, &name).await.unwrap().unwrap();
    assert_eq!(
        projects::list_names(&mut db, index.id).await.unwrap(),
        ["pkg"]
    );
    drop(db);

    let other = Here::start().await;
    let expected = after();
    super::import(&other, &expected).await;
    picture::assert_same(
        &picture::of_here(&other).await,
        &picture::of_here(&here).await,
    );
}

#[tokio::test]
async fn what_was_removed_there_goes_here_volatile_or_not() {
    let here = Here::start().await;
    super::import(&here, &before()).await;
    let options = ImportOptions {
        differing: Differing::Follow,
        ..ImportOptions::default()
    };
    let mut importer = Importer::new(here.app.clone(), options, Report::new(), Progress::new());
    for name in ["bob/dev", "bob/never", "no index"] {
        importer.remove_index(name, "stage").await.unwrap();
    }
    importer.remove_user("bob").await.unwrap();
    importer.remove_user("root").await.unwrap();
    let left = picture::of_here(&here).await;
    assert_eq!(left.len(), 1, "root stays: {left:?}");
}

#[tokio::test]
async fn what_is_left_out_stays_when_it_is_removed_there() {
    let here = Here::start().await;
    let mirror = json!({"type": "mirror", "mirror_url": "https://pypi.example/simple/"});
    let tree = Tree::new()
        .user("bob", json!({}))
        .user("eve", json!({}))
        .index("root/pypi", mirror.clone())
        .index("bob/dev", json!({"type": "stage"}))
        .index("bob/named", json!({"type": "stage"}))
        .index("eve/copy", mirror);
    super::import(&here, &tree).await;
    let options = ImportOptions {
        differing: Differing::Follow,
        skipped_index_types: vec!["mirror".to_owned()],
        skipped_indexes: vec!["bob/named".to_owned()],
        ..ImportOptions::default()
    };
    let mut importer = Importer::new(here.app.clone(), options, Report::new(), Progress::new());
    importer.remove_index("root/pypi", "mirror").await.unwrap();
    importer.remove_index("bob/named", "stage").await.unwrap();
    // There it was a mirror; the one here never came from there.
    importer.remove_index("bob/dev", "mirror").await.unwrap();
    let names = async || {
        let mut db = here.database.reader().await.unwrap();
        let indexes = indexes::list(&mut db).await.unwrap();
        let mut names: Vec<String> = indexes.iter().map(|index| index.name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(
        names().await,
        ["bob/dev", "bob/named", "eve/copy", "root/pypi"]
    );
    importer.remove_index("bob/dev", "stage").await.unwrap();
    importer.remove_user("bob").await.unwrap();
    importer.remove_user("eve").await.unwrap();
    assert_eq!(names().await, ["bob/named", "eve/copy", "root/pypi"]);
    let users = here.app.directory();
    assert!(users.user("bob").is_some() && users.user("eve").is_some());
}
