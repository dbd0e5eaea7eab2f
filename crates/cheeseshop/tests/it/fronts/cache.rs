//! Pages that nginx keeps.

use std::time::Instant;

use cheeseshop_test_support::Wheel;
use reqwest::{Response, StatusCode};
use serde_json::json;

use super::{Site, header};
use crate::support::DEADLINE;

const HTML: (&str, &str) = ("accept", "text/html");
const JSON: (&str, &str) = ("accept", "application/vnd.pypi.simple.v1+json");

async fn text(answer: Response) -> String {
    assert_eq!(answer.status(), StatusCode::OK);
    answer.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_pages_never_mix_callers_or_representations() {
    let folder = tempfile::tempdir().unwrap();
    let cache = format!("--cache={}", folder.path().join("cache").display());
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o711),
    )
    .unwrap();
    let site = Site::start(&[], &[&cache]);
    let bob = site.server.new_user("bob", "secret").await;
    bob.create_index("bob/open", &json!({"bases": []})).await;
    let closed = json!({"bases": [], "acl_read": ["bob"]});
    bob.create_index("bob/closed", &closed).await;
    let mixed = json!({"bases": ["bob/open", "bob/closed"]});
    bob.create_index("bob/mixed", &mixed).await;
    let first = Wheel::named("pkg").version("1.0").build();
    let second = Wheel::named("pkg").version("2.0").build();
    bob.upload("bob/open", &first).await;
    bob.upload("bob/closed", &second).await;
    let anonymous = site.visitor();
    let insider = site.visitor().with_login("bob", "secret");

    // Public: kept, by type.
    let path = "/bob/open/+simple/pkg/";
    let answer = anonymous.get_with(path, &[HTML]).await;
    assert_eq!(header(&answer, "x-cached"), "MISS");
    assert!(text(answer).await.contains("<a "));
    let answer = anonymous.get_with(path, &[HTML]).await;
    assert_ne!(header(&answer, "x-cached"), "MISS");
    assert!(text(answer).await.contains("<a "));
    let answer = anonymous.get_with(path, &[JSON]).await;
    assert_eq!(header(&answer, "x-cached"), "MISS");
    assert!(text(answer).await.starts_with('{'));
    let answer = anonymous.get_with(path, &[HTML]).await;
    assert!(
        text(answer).await.contains("<a "),
        "the first one is still HTML"
    );
    for header_of_caller in [
        ("cookie", "a=b"),
        ("x-devpi-auth", "Ym9iOng="),
        ("x-devpi-absolute-urls", "1"),
    ] {
        let answer = anonymous.get_with(path, &[HTML, header_of_caller]).await;
        assert_eq!(
            header(&answer, "x-cached"),
            "BYPASS",
            "{header_of_caller:?}"
        );
    }

    // What depends on who asks is not.
    for _ in 0..2 {
        for path in ["/bob/mixed/+simple/pkg/", "/bob/closed/+simple/pkg/"] {
            let answer = insider.get_with(path, &[HTML]).await;
            assert_eq!(header(&answer, "x-cached"), "BYPASS");
            assert!(text(answer).await.contains("pkg-2.0"), "{path}");
        }
        let answer = anonymous.get_with("/bob/mixed/+simple/pkg/", &[HTML]).await;
        assert_eq!(header(&answer, "x-cached"), "MISS", "it is private");
        let page = text(answer).await;
        assert!(
            page.contains("pkg-1.0") && !page.contains("pkg-2.0"),
            "{page}"
        );
        let answer = anonymous
            .get_with("/bob/closed/+simple/pkg/", &[HTML])
            .await;
        assert!(answer.status().is_client_error());
    }

    // An upload is seen within a moment.
    let third = Wheel::named("pkg").version("3.0").build();
    bob.upload("bob/open", &third).await;
    let deadline = Instant::now() + DEADLINE;
    while !text(anonymous.get_with(path, &[HTML]).await)
        .await
        .contains("pkg-3.0")
    {
        assert!(Instant::now() < deadline, "the page stays old");
    }
    // A closed index is closed, though its page was kept.
    let answer = bob
        .send(reqwest::Method::PATCH, "bob/open", &json!(["acl_read=bob"]))
        .await;
    assert!(answer.status().is_success(), "{answer:?}");
    while anonymous
        .get_with(path, &[HTML])
        .await
        .status()
        .is_success()
    {
        assert!(Instant::now() < deadline, "the page stays open");
    }
    let answer = bob
        .send(
            reqwest::Method::PATCH,
            "bob/open",
            &json!(["acl_read=:ANONYMOUS:"]),
        )
        .await;
    assert!(answer.status().is_success(), "{answer:?}");
    while !anonymous
        .get_with(path, &[HTML])
        .await
        .status()
        .is_success()
    {
        assert!(Instant::now() < deadline, "the page stays closed");
    }

    // Installs go on while the server is away, and nobody's credentials get them anything.
    let Site {
        server,
        nginx: _nginx,
        ..
    } = site;
    server.stop();
    let page = text(anonymous.get_with(path, &[HTML]).await).await;
    assert!(page.contains("pkg-3.0"));
    let answer = insider.get_with(path, &[HTML]).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
}
