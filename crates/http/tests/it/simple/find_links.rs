use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{Server, file_path};

#[tokio::test]
async fn links_are_absolute_and_not_kept() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let empty = alice.get("/alice/dev/+findlinks").await;
    assert!(
        empty.text().contains("<p>No releases.</p>"),
        "{}",
        empty.text()
    );
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    for path in ["/alice/dev/+findlinks", "/alice/dev/+findlinks/"] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
        let link = format!(
            "alice/dev <a href=\"http://localhost:3141/alice/dev/{}#sha256={}\"",
            file_path(&wheel),
            wheel.sha256
        );
        assert!(answer.text().contains(&link), "{}", answer.text());
    }
    let outside = server
        .anonymous()
        .get_with(
            "/alice/dev/+findlinks",
            &[("x-outside-url", "https://shop.test/sub")],
        )
        .await;
    assert!(
        outside
            .text()
            .contains("\"https://shop.test/sub/alice/dev/+f/")
    );
    let head = server
        .anonymous()
        .send("HEAD", "/alice/dev/+findlinks", &[])
        .await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let unknown = server.anonymous().get("/alice/nope/+findlinks").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_closed_index_asks_for_a_login() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server
        .index(&alice, "dev", json!({"acl_read": ["alice"]}))
        .await;
    let stranger = server.anonymous().get("/alice/dev/+findlinks").await;
    assert_eq!(stranger.status, 401);
    assert_eq!(stranger.header("www-authenticate"), "Basic realm=\"pypi\"");
    let own = alice.get("/alice/dev/+findlinks").await;
    assert_eq!(own.status, 200);
    assert_eq!(own.header("cache-control"), "no-cache, private");
}
