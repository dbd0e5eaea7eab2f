use bytes::Bytes;
use cheeseshop_test_support::{DocumentationArchive, Wheel};
use serde_json::json;

use super::{document, sphinx};
use crate::support::{Form, Server, sha256};

#[tokio::test]
async fn documentation_is_linked_from_the_release_and_fetched_like_a_file() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    let archive = sphinx();
    let answer = document(&alice, "alice/dev", "1.0", &archive).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, ""));

    let digest = sha256(&archive);
    let path = format!(
        "/alice/dev/+f/{}/{}/flask-1.0.doc.zip",
        &digest[..3],
        &digest[3..16]
    );
    let release = alice.get_json("/alice/dev/flask/1.0").await.json();
    let links = release["result"]["+links"].as_array().unwrap().clone();
    assert_eq!(links.len(), 2);
    assert_eq!(links[0]["rel"], "releasefile");
    assert_eq!(
        links[1],
        json!({
            "rel": "doczip",
            "hash_spec": format!("sha256={digest}"),
            "hashes": {"sha256": digest},
            "href": format!("http://localhost:3141{path}"),
            "log": [{
                "what": "upload", "who": "alice", "when": [2026, 9, 1, 12, 0, 0],
                "dst": "alice/dev",
            }],
        })
    );
    let file = server.anonymous().get(&path).await;
    assert_eq!(file.status, 200);
    assert_eq!(file.header("content-type"), "application/zip");
    assert!(file.body == archive);
    let described = alice.get_json(&path).await.json();
    assert_eq!(described["type"], "releasefilemeta");
    assert_eq!(described["result"]["project"], "flask");
    // Installers do not get to see it.
    let page = alice.get("/alice/dev/+simple/flask/").await;
    assert!(!page.text().contains("doc.zip"));

    let deleted = alice.delete(&path).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(
        deleted.message(),
        format!("package '{}' deleted", &path[1..])
    );
    assert_eq!(alice.get(&path).await.status, 410);
    assert_eq!(
        alice
            .get("/alice/dev/flask/1.0/+doc/index.html")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn outcomes_are_told_in_the_reason_phrase() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server
        .index(&alice, "dev", json!({"volatile": false}))
        .await;
    let archive = sphinx();
    assert_eq!(
        document(&alice, "alice/dev", "1.0", &archive).await.status,
        200
    );
    let same = document(&alice, "alice/dev", "1.0", &archive).await;
    assert_eq!(same.status, 200);
    assert_eq!(
        same.reason(),
        "Upload of identical file to non volatile index."
    );
    let other = DocumentationArchive::saying("other").build();
    let refused = document(&alice, "alice/dev", "1.0", &other).await;
    assert_eq!(refused.status, 409);
    assert_eq!(
        refused.reason(),
        "flask-1.0.doc.zip already exists in non-volatile index"
    );
    let broken = document(&alice, "alice/dev", "2.0", &Bytes::from_static(b"no zip")).await;
    assert_eq!(broken.status, 400);
    assert!(
        broken.reason().starts_with("invalid documentation: "),
        "{}",
        broken.reason()
    );
    let form = Form::new()
        .field(":action", "doc_upload")
        .field("name", "other")
        .content("other.zip", &archive);
    let lost = alice.post_form("/alice/dev/", &form).await;
    assert_eq!(lost.status, 400);
    assert_eq!(
        lost.reason(),
        "doczip has no version and 'other' has no releases to derive one from"
    );
    let eve = server.user("eve").await;
    let refused = document(&eve, "alice/dev", "1.0", &archive).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.reason(), "no permission to submit");
}
