//! Uploads that must not get in: each refused with words that a publisher understands, and nothing
//! of them kept.

use std::time::Instant;

use cheeseshop_test_support::{BuiltFile, DocumentationArchive, Wheel, WheelDefect};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Api, BETWEEN_LOOKS, DEADLINE, Home, Server};

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
async fn documentation_that_lies_is_refused_and_twenty_thousand_pages_are_not() {
    let home = Home::new();
    let (server, bob) = shop(&home).await;
    let honest = (0..20_000).fold(DocumentationArchive::new(), |archive, number| {
        archive.page(
            &format!("module_{number}.html"),
            number.to_string().as_bytes(),
        )
    });
    let (status, text) = document(&bob, "1.0", &honest.build()).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let page = "bob/dev/documented/1.0/+doc/module_19876.html";
    assert_eq!(bob.get(page).await.text().await.unwrap(), "19876");

    let before = blobs(&home);
    let good = DocumentationArchive::saying("good").build();
    let named = |name: &str| DocumentationArchive::saying("x").page(name, b"x").build();
    let bloated = DocumentationArchive::new().page("bomb.html", &vec![0; 80 << 20]);
    for (archive, word) in [
        (good.slice(..good.len() / 2), "damaged"),
        (named("../../evil.html"), "unsafe entry `../../evil.html`"),
        (named("index.html"), "two entries"),
        (bloated.build(), "50 times its size"),
    ] {
        let (status, text) = document(&bob, "2.0", &archive).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert!(text.contains(word), "{text} lacks {word}");
    }
    nothing_left(&home, before).await;
    // What was there is there, also for a server that remembers nothing.
    server.stop();
    let server = Server::start(&home, &[LIMIT]);
    let bob = Api::login(&server.url, "bob", "pw").await;
    assert_eq!(bob.get(page).await.text().await.unwrap(), "19876");
    assert!(!home.path().join("evil.html").exists());
    server.stop();
}

/// Uploads documentation; the answer's status and words.
async fn document(bob: &Api, version: &str, archive: &[u8]) -> (StatusCode, String) {
    let mut body = Vec::new();
    for (name, value) in [
        (":action", "doc_upload"),
        ("name", "documented"),
        ("version", version),
    ] {
        let head = format!("--docs\r\nContent-Disposition: form-data; name=\"{name}\"");
        body.extend(format!("{head}\r\n\r\n{value}\r\n").into_bytes());
    }
    body.extend(
        b"--docs\r\nContent-Disposition: form-data; name=\"content\"; \
          filename=\"documented-1.0.doc.zip\"\r\n\r\n",
    );
    body.extend(archive);
    body.extend(b"\r\n--docs--\r\n");
    let response = bob
        .request(Method::POST, "bob/dev/")
        .header("Content-Type", "multipart/form-data; boundary=docs")
        .body(body)
        .send()
        .await
        .unwrap();
    let status = response.status();
    (status, response.text().await.unwrap())
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
        tokio::time::sleep(BETWEEN_LOOKS).await;
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
