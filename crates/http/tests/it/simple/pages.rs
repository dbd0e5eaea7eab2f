use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{Server, file_path};

const JSON: (&str, &str) = ("accept", "application/vnd.pypi.simple.v1+json");

#[tokio::test]
async fn a_json_page_has_all_that_the_standards_ask_for() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("My.Pkg")
        .version("1.0")
        .requires_python(">=3.8")
        .build();
    alice.publish("alice/dev", &wheel).await;
    let page = server
        .anonymous()
        .get_with("/alice/dev/+simple/my-pkg/", &[JSON])
        .await
        .json();
    assert_eq!(page["name"], "my-pkg");
    assert_eq!(page["versions"], json!(["1.0"]));
    let file = &page["files"][0];
    assert_eq!(file["filename"], wheel.name);
    assert_eq!(file["url"], format!("../../{}", file_path(&wheel)));
    assert_eq!(file["hashes"], json!({"sha256": wheel.sha256}));
    assert_eq!(file["requires-python"], ">=3.8");
    assert_eq!(file["size"], wheel.size());
    assert!(file["upload-time"].as_str().unwrap().ends_with('Z'));
    assert!(file["core-metadata"].is_object());
    // pip before 23.2 fails on a page with the old spelling.
    assert_eq!(file.get("dist-info-metadata"), None);
}

#[tokio::test]
async fn every_listed_file_can_be_fetched_with_the_listed_digest() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server.base_and_dev(&alice).await;
    let (wheel, sdist) = (Wheel::named("flask").build(), Sdist::named("flask").build());
    alice.publish("alice/base", &wheel).await;
    alice.publish("alice/dev", &sdist).await;
    let page = server
        .anonymous()
        .get_with("/alice/dev/+simple/flask/", &[JSON])
        .await
        .json();
    let base = url::Url::parse("http://localhost/alice/dev/+simple/flask/").unwrap();
    let files = page["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    for file in files {
        let url = base.join(file["url"].as_str().unwrap()).unwrap();
        let answer = server.anonymous().get(url.path()).await;
        assert_eq!(answer.status, 200, "{url}");
        let digest: [u8; 32] = Sha256::digest(&answer.body).into();
        let listed: cheeseshop_packaging::Sha256 =
            file["hashes"]["sha256"].as_str().unwrap().parse().unwrap();
        assert_eq!(listed.as_bytes(), &digest);
    }
}

#[tokio::test]
async fn links_are_absolute_when_asked_for() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").build();
    alice.publish("alice/dev", &wheel).await;
    let path = "/alice/dev/+simple/flask/";
    let asked = [
        JSON,
        ("x-devpi-absolute-urls", "1"),
        ("x-outside-url", "https://pypi.example/sub"),
    ];
    let page = server.anonymous().get_with(path, &asked).await.json();
    assert_eq!(
        page["files"][0]["url"],
        format!("https://pypi.example/sub/alice/dev/{}", file_path(&wheel))
    );
    let page = server.anonymous().get_with(path, &[JSON]).await.json();
    assert!(
        page["files"][0]["url"]
            .as_str()
            .unwrap()
            .starts_with("../../")
    );
}

#[tokio::test]
async fn absence_is_a_404_with_one_line() {
    let server = Server::start().await;
    server.user_with_dev("alice").await;
    for (path, text) in [
        (
            "/alice/dev/+simple/nothing/",
            "The project nothing does not exist.\n",
        ),
        (
            "/alice/none/+simple/flask/",
            "The stage alice/none could not be found.\n",
        ),
        (
            "/alice/none/+simple/",
            "The stage alice/none could not be found.\n",
        ),
    ] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.text(), text);
    }
    let list = server.anonymous().get("/alice/dev/+simple/").await;
    assert_eq!(list.status, 200, "an empty index has an empty list");
}

#[tokio::test]
async fn a_yank_shows_at_once_and_so_does_its_end() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    alice
        .publish("alice/dev", &Wheel::named("flask").build())
        .await;
    let path = "/alice/dev/+simple/flask/";
    let yanked = || async {
        let page = server.anonymous().get_with(path, &[JSON]).await.json();
        page["files"][0]["yanked"].clone()
    };
    let before = yanked().await;
    let answer = alice
        .json(
            "POST",
            "/alice/dev/flask/1.0/+yank",
            &json!({"reason": "broken"}),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(yanked().await, "broken");
    let refused = server
        .anonymous()
        .json("POST", "/alice/dev/flask/1.0/+unyank", &json!({}))
        .await;
    assert!(
        matches!(refused.status.as_u16(), 401 | 403),
        "{}",
        refused.status
    );
    let answer = alice
        .json("POST", "/alice/dev/flask/1.0/+unyank", &json!({}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(yanked().await, before);
}
