use cheeseshop_app::import::Kind;
use cheeseshop_domain::IndexName;
use cheeseshop_storage::database::{documentation, files, indexes, projects};
use serde_json::{Value, json};

use super::tree::{Tree, sha256};
use super::{import, kept, told};
use crate::here::Here;

#[tokio::test]
async fn exports_of_the_first_form_come_in() {
    let here = Here::start().await;
    let mut tree = Tree::new()
        .user("bob", json!({}))
        .index(
            "bob/dev",
            json!({
                "type": "stage", "pypi_whitelist": ["pkg"], "uploadtrigger_jenkins": null,
                "acl_upload": ["bob"], "volatile": true, "bases": [],
            }),
        )
        .release(
            "bob/dev",
            "pkg",
            "1.0",
            json!({":action": "submit", "+doczip": {}, "summary": "old"}),
        )
        .file("bob/dev", ("pkg", "1.0"), "pkg-1.0.tar.gz", b"abc")
        .documentation("bob/dev", ("pkg", "1.0"), b"docs");
    tree.document["dumpversion"] = json!("1");
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    for item in tree.items("bob/dev") {
        let item = item.as_object_mut().unwrap();
        item.shift_remove("version");
        item.shift_remove("log");
        if item["type"] == "doczip" {
            item.shift_remove("entrymapping");
        } else {
            item["entrymapping"] =
                json!({"md5": md5, "last_modified": "Sun, 22 Nov 2026 11:44:22 GMT"});
        }
    }
    let outcome = import(&here, &tree).await;
    assert_eq!(told(&outcome.skipped), []);
    assert_eq!(kept(&outcome, Kind::File), 1);
    let mut db = here.database.reader().await.unwrap();
    let name = IndexName::parse("bob/dev").unwrap();
    let index = indexes::find(&mut db, &name).await.unwrap().unwrap();
    let config = Value::Object(index.config.to_json());
    assert_eq!(config["mirror_whitelist"], json!(["pkg"]));
    assert_eq!(
        config["mirror_whitelist_inheritance"], "union",
        "as old servers had it"
    );
    let project = projects::find(&mut db, index.id, "pkg")
        .await
        .unwrap()
        .unwrap();
    let file = &files::list_for_project(&mut db, project.id).await.unwrap()[0];
    assert_eq!(file.version.as_str(), "1.0");
    assert_eq!(file.log[0].who.as_deref(), Some("<import>"));
    assert_eq!(
        documentation::list_for_project(&mut db, project.id)
            .await
            .unwrap()[0]
            .version
            .as_str(),
        "1.0"
    );
}

#[tokio::test]
async fn results_noted_under_the_digest_of_their_file_are_not_held_to_it() {
    let here = Here::start().await;
    let mut tree = Tree::new()
        .user("bob", json!({}))
        .index("bob/dev", json!({"type": "stage"}))
        .release("bob/dev", "pkg", "1", json!({}))
        .file("bob/dev", ("pkg", "1"), "pkg-1.tar.gz", b"tested")
        .result("bob/dev", ("pkg", "1"), ("pkg-1.tar.gz", b"tested"), b"{}");
    tree.items("bob/dev")[1]["entrymapping"]["hashes"] = json!({"sha256": sha256(b"tested")});
    tree.items("bob/dev")[1]["entrymapping"]["hash_spec"] =
        json!(format!("sha256={}", sha256(b"tested")));
    let outcome = import(&here, &tree).await;
    assert_eq!(told(&outcome.skipped), []);
    assert_eq!(kept(&outcome, Kind::TestResult), 1);
}
