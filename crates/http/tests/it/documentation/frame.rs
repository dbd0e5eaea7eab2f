use cheeseshop_test_support::DocumentationArchive;

use super::{document, sphinx};
use crate::support::Server;

#[tokio::test]
async fn the_frame_holds_the_page_in_a_sandbox() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    document(&alice, "alice/dev", "1.0", &sphinx()).await;
    document(
        &alice,
        "alice/dev",
        "2.0rc1",
        &DocumentationArchive::saying("two").build(),
    )
    .await;
    let answer = alice
        .get("/alice/dev/flask/1.0/+d/a%20b/100%25%3F.txt")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let policy = answer.header("content-security-policy");
    for directive in [
        "default-src 'none'",
        "frame-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("script"), "{policy}");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    let page = answer.text();
    for part in [
        "<title>flask-1.0 Documentation</title>",
        "<iframe src=\"../../+doc/a%20b/100%25%3F.txt\"",
        "sandbox=\"allow-scripts allow-forms",
        "href=\"../../../latest/+d/index.html\">latest (2.0rc1)<",
        "href=\"../../\">flask 1.0<",
    ] {
        assert!(page.contains(part), "{page} lacks {part}");
    }
    assert!(!page.contains("stable"), "this is the stable one");
    assert!(!page.contains("allow-same-origin"));
    assert!(!page.contains("<script"));

    // What the frame points at is there.
    let content = alice
        .get("/alice/dev/flask/1.0/+doc/a%20b/100%25%3F.txt")
        .await;
    assert_eq!(content.text(), "odd");
}

#[tokio::test]
async fn names_in_the_frame_are_text() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let evil = "x\"><script>alert(1)</script>.html";
    let archive = DocumentationArchive::new().page(evil, b"x").build();
    document(&alice, "alice/dev", "1.0", &archive).await;
    let path = "/alice/dev/flask/1.0/+d/x%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E.html";
    let answer = alice.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("<script"), "{}", answer.text());
}
