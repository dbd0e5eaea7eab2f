use cheeseshop_test_support::DocumentationArchive;

use super::{document, sphinx};
use crate::support::{Server, sha256};

#[tokio::test]
async fn pages_come_with_their_type_a_tag_and_a_sandbox() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let archive = sphinx();
    document(&alice, "alice/dev", "1.0", &archive).await;
    let etag = format!("\"{}\"", sha256(&archive));
    for (path, content_type, body) in [
        (
            "index.html",
            "text/html",
            "<h1>Hello</h1><script>1</script>",
        ),
        ("api/", "text/html", "api"),
        ("_static/style.css", "text/css; charset=utf-8", "p{}"),
        ("_static/font.woff2", "font/woff2", "font"),
        ("a%20b/100%25%3F.txt", "text/plain; charset=utf-8", "odd"),
        ("objects.inv", "application/octet-stream", "inventory"),
    ] {
        let path = format!("/alice/dev/flask/1.0/+doc/{path}");
        let answer = server.anonymous().get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.text(), body);
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(answer.header("content-length"), body.len().to_string());
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(answer.header("cache-control"), "max-age=60");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("sandbox allow-scripts"), "{policy}");
        assert!(!policy.contains("allow-same-origin"));
        assert!(!policy.contains("allow-top-navigation"));
        assert!(policy.contains("frame-ancestors 'self'"));
        assert_eq!(answer.header("x-frame-options"), "SAMEORIGIN");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("set-cookie"), "");
        let for_all = if path.ends_with("woff2") { "*" } else { "" };
        assert_eq!(answer.header("access-control-allow-origin"), for_all);

        let head = server.anonymous().send("HEAD", &path, &[]).await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-length"), body.len().to_string());
        assert!(head.body.is_empty());
        let cached = server
            .anonymous()
            .get_with(&path, &[("if-none-match", &etag)])
            .await;
        assert_eq!(cached.status, 304);
        assert!(cached.body.is_empty());
        assert_eq!(cached.header("etag"), etag);
        let other = server
            .anonymous()
            .get_with(&path, &[("if-none-match", "\"other\"")])
            .await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test]
async fn short_urls_lead_to_the_pages() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    document(&alice, "alice/dev", "1.0", &sphinx()).await;
    for (path, location) in [
        ("flask/1.0/+doc/", "index.html"),
        ("flask/1.0/+doc", "+doc/index.html"),
        ("flask/latest/+d/", "index.html"),
        ("flask/stable/+d", "+d/index.html"),
        ("flask/1.0/+doc/api", "./api/"),
        (
            "Flask/1.0/+doc/a%20b/x.html",
            "http://localhost:3141/alice/dev/flask/1.0/+doc/a%20b/x.html",
        ),
    ] {
        let answer = server.anonymous().get(&format!("/alice/dev/{path}")).await;
        assert_eq!(answer.status, 302, "{path}");
        assert_eq!(answer.header("location"), location, "{path}");
    }
}

#[tokio::test]
async fn what_is_missing_is_told_in_devpis_words() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    server.closed_index(&alice).await;
    document(&alice, "alice/dev", "1.0a1", &sphinx()).await;
    document(&alice, "alice/closed", "1.0", &sphinx()).await;
    for area in ["+doc", "+d"] {
        for (path, text) in [
            ("1.0a1", "File x.html not found in documentation."),
            ("latest", "File x.html not found in documentation."),
            ("2.0", "No documentation available."),
            ("stable", "No stable documentation available."),
        ] {
            let path = format!("/alice/dev/flask/{path}/{area}/x.html");
            let answer = alice.get_with(&path, &[("accept", "text/html")]).await;
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.text().trim_end(), text);
            assert_eq!(alice.get_json(&path).await.message(), text);
        }
        let path = format!("/alice/closed/flask/1.0/{area}/index.html");
        assert_eq!(server.anonymous().get(&path).await.status, 401);
        let eve = server.user(&format!("eve{}", area.len())).await;
        assert_eq!(eve.get(&path).await.status, 404);
        let answer = alice.get(&path).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("cache-control").contains("private"));
        assert_eq!(answer.header("vary"), "Authorization, Cookie");
    }
}

#[tokio::test]
async fn a_newer_version_is_the_latest_at_once() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    for text in ["1.9", "1.10", "1.11rc1"] {
        let archive = DocumentationArchive::saying(text).build();
        let answer = document(&alice, "alice/dev", text, &archive).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let latest = alice.get("/alice/dev/flask/latest/+doc/index.html").await;
        assert_eq!(latest.text(), format!("<h1>{text}</h1>"));
    }
    let stable = alice.get("/alice/dev/flask/stable/+doc/index.html").await;
    assert_eq!(stable.text(), "<h1>1.10</h1>");
}

#[tokio::test]
async fn a_page_of_many_megabytes_streams() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let large = crate::support::noise(3 << 20);
    let archive = DocumentationArchive::new()
        .page("video.mp4", &large)
        .build();
    document(&alice, "alice/dev", "1.0", &archive).await;
    let answer = alice.get("/alice/dev/flask/1.0/+doc/video.mp4").await;
    assert!(answer.body == large);
    assert_eq!(answer.header("content-length"), large.len().to_string());
}
