//! Uploads that must not get in: each refused with words that a publisher understands, and nothing
//! of them kept.

use std::time::Instant;

use cheeseshop_test_support::{BuiltFile, Wheel, WheelDefect};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Api, DEADLINE, Home, Server};

/// Larger than anything that these tests upload on purpose.
const LIMIT: &str = "--set=upload.max_file_bytes=8MiB";

async fn shop(home: &Home) -> (Server, Api) {
    let server = Server::start(home, &[LIMIT]);
    let bob = server.new_user("bob", "pw").await;
    bob.create_index("bob/dev", &json!({"bases": [], "volatile": false}))
        .await;
    (server, bob)
}

/// The status and the words of a refusal: reason phrase or body, whichever the client shows.
async fn refusal(bob: &Api, file: &BuiltFile) -> (StatusCode, String) {
    let response = bob.upload_request("bob/dev", file).send().await.unwrap();
    let status = response.status();
    (status, response.text().await.unwrap())
}

#[tokio::test]
async fn an_oversized_file_is_refused_with_the_limit() {
    let home = Home::new();
    let (server, bob) = shop(&home).await;
    let before = blobs(&home);
    let large = Wheel::named("large")
        .file("large.bin", crate::support::noise(9 << 20))
        .build();
    let (status, text) = refusal(&bob, &large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
    assert!(text.contains("8388608"), "{text}");
    assert!(bob.files("bob/dev", "large").await.is_empty());
    // Nothing of it is left, not even garbage.
    nothing_left(&home, before).await;
    bob.upload("bob/dev", &Wheel::named("small").build()).await;
    server.stop();
}

#[tokio::test]
async fn path_tricks_in_names_are_refused() {
    let home = Home::new();
    let (_server, bob) = shop(&home).await;
    for name in [
        "../evil-1.0-py3-none-any.whl",
        "..%2fevil-1.0-py3-none-any.whl",
        "/etc/evil-1.0-py3-none-any.whl",
        "a\\evil-1.0-py3-none-any.whl",
        ".evil-1.0-py3-none-any.whl",
        "evil-1.0-py3-none-any.whl/",
        "evil\u{0}-1.0-py3-none-any.whl",
    ] {
        let mut file = Wheel::named("evil").build();
        name.clone_into(&mut file.name);
        let (status, text) = refusal(&bob, &file).await;
        assert!(status.is_client_error(), "{name:?}: {status} {text}");
        assert!(bob.files("bob/dev", "evil").await.is_empty(), "{name:?}");
    }
    for path in [
        "../../../etc/passwd",
        "bob/dev/+f/../../../../etc/passwd",
        "bob/dev/+f/%2e%2e/%2e%2e/lock",
        "bob/dev/+f/abc/0123456789abc/..%2f..%2fcheeseshop.db",
    ] {
        let response = bob.request(Method::GET, path).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_client_error(), "{path}: {status}");
        assert!(
            !text.contains("SQLite") && !text.contains("root:"),
            "{path}: {text}"
        );
    }
    assert!(!home.path().join("evil-1.0-py3-none-any.whl").exists());
}

#[tokio::test]
async fn archives_that_lie_are_refused_in_words() {
    let home = Home::new();
    let (_server, bob) = shop(&home).await;
    let before = blobs(&home);
    for defect in [
        WheelDefect::NotAnArchive,
        WheelDefect::Truncated,
        WheelDefect::TraversalPath,
        WheelDefect::DuplicateEntry,
        WheelDefect::NameInside("other".to_owned()),
        WheelDefect::Bomb(1 << 31),
    ] {
        let wheel = Wheel::named("liar").defect(defect.clone()).build();
        let (status, text) = refusal(&bob, &wheel).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{defect:?}: {text}");
        assert!(
            text.contains("liar-1.0-py3-none-any.whl"),
            "{defect:?}: {text}"
        );
        assert!(bob.files("bob/dev", "liar").await.is_empty(), "{defect:?}");
    }
    nothing_left(&home, before).await;
}

#[tokio::test]
async fn a_wrong_digest_is_refused() {
    let home = Home::new();
    let (_server, bob) = shop(&home).await;
    let mut file = Wheel::named("changed").build();
    file.sha256 = "0".repeat(64);
    let (status, text) = refusal(&bob, &file).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
    assert!(bob.files("bob/dev", "changed").await.is_empty());
}

/// Waits until there are as many files again as before; the server tidies up after its answer.
async fn nothing_left(home: &Home, before: usize) {
    let deadline = Instant::now() + DEADLINE;
    while blobs(home) != before {
        assert!(Instant::now() < deadline, "something of the upload is left");
        tokio::task::yield_now().await;
    }
}

/// How many files there are below the folder of blobs.
fn blobs(home: &Home) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| if path.is_dir() { count(&path) } else { 1 })
            .sum()
    }
    count(&home.data_dir().join("blobs"))
}
