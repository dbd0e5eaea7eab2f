//! Logins, accounts, and what is only for this machine.

use cheeseshop_test_support::{Wheel, noise};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{ACCEL, Site, header, wait_for_lines};
use crate::support::Api;

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_passed_on_at_the_rate_that_was_chosen() {
    let site = Site::start(&[], &["--login-rate=6"]);
    let bob = site.user("bob", "secret").await;
    let form = json!({"user": "bob", "password": "secret"});
    let mut last = StatusCode::OK;
    let mut passed = 0;
    while last == StatusCode::OK {
        let answer = bob.send(Method::POST, "/+login", &form).await;
        last = answer.status();
        if last == StatusCode::OK {
            passed += 1;
        } else {
            assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(header(&answer, "retry-after"), "60");
            let text = answer.text().await.unwrap();
            assert!(text.contains("too many logins"), "{text}");
        }
        assert!(passed < 20, "there is no limit");
    }
    // The first one, and the burst of half a minute's worth.
    assert!((4..=5).contains(&passed), "{passed}");
    // Neither the page nor anything else with a password counts.
    let page = bob.get_with("/+login", &[("accept", "text/html")]).await;
    assert_eq!(page.status(), StatusCode::OK);
    for _ in 0..10 {
        assert_eq!(bob.get("/bob").await.status(), StatusCode::OK);
    }
    let answer = bob
        .send(Method::POST, "/bob/+token-create", &json!({}))
        .await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_stay_as_they_are_and_indexes_do_not() {
    let site = Site::start(&[], &["--immutable-accounts"]);
    let bob = site.user("bob", "secret").await;
    for path in [
        "/eve",
        "/bob",
        "/bob/",
        "//bob",
        "/x/../bob",
        "/%62ob",
        "/bob?a=/b/c",
    ] {
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = bob
                .send(method.clone(), path, &json!({"password": "new"}))
                .await;
            assert_eq!(
                answer.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert_eq!(header(&answer, "allow"), "GET, HEAD, POST");
            let text = answer.text().await.unwrap();
            assert!(text.contains("accounts cannot be changed"), "{text}");
        }
    }
    assert_eq!(bob.get("/eve").await.status(), StatusCode::NOT_FOUND);
    let answer = bob
        .send(Method::PUT, "/bob/dev", &json!({"bases": []}))
        .await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(bob.get("/bob").await.status(), StatusCode::OK);
    let form = json!({"user": "bob", "password": "secret"});
    let answer = bob.send(Method::POST, "/+login", &form).await;
    assert_eq!(answer.status(), StatusCode::OK);
    // Whoever administers them does so at the server.
    let root = site.server.root().await;
    root.create_user("eve", "pw").await;
    assert_eq!(bob.get("/eve").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_about_the_server_are_for_chosen_networks() {
    for (network, expected) in [
        ("192.0.2.0/24", StatusCode::FORBIDDEN),
        ("127.0.0.1", StatusCode::OK),
        ("all", StatusCode::OK),
    ] {
        let site = Site::start(&[], &["--allow-status", network]);
        let visitor = site.visitor();
        for path in [
            "/metrics",
            "/+status",
            "/%2Bstatus",
            "//metrics",
            "/x/../metrics",
        ] {
            let answer = visitor.get(path).await;
            assert_eq!(answer.status(), expected, "{path} for {network}");
        }
        let answer = visitor.get("/+health/ready").await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_path_nothing_is_reached_without_it() {
    let settings = [
        "--set=server.outside_url=https://elsewhere.test/py.pi",
        ACCEL,
    ];
    let site = Site::start(
        &settings,
        &["--immutable-accounts", "--allow-status=192.0.2.1"],
    );
    let bob = site.user("bob", "secret").await;
    let answer = bob.get("/py.pi/+api").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let document: serde_json::Value =
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(
        document["result"]["login"],
        format!("{}/py.pi/+login", bob.url)
    );
    for (path, expected) in [
        ("/py.pi/metrics", StatusCode::FORBIDDEN),
        ("/py.pi//metrics", StatusCode::FORBIDDEN),
        ("/metrics", StatusCode::NOT_FOUND),
        ("/bob", StatusCode::NOT_FOUND),
        ("/pyxpi/bob", StatusCode::NOT_FOUND),
        ("/py.pi/bob", StatusCode::OK),
    ] {
        assert_eq!(bob.get(path).await.status(), expected, "{path}");
    }
    let answer = bob.send(Method::DELETE, "/py.pi/bob", &json!({})).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    let answer = bob.send(Method::DELETE, "/bob", &json!({})).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let answer = bob
        .send(Method::PUT, "/py.pi/bob/dev", &json!({"bases": []}))
        .await;
    assert_eq!(answer.status(), StatusCode::OK);

    // Files that nginx sends are found, and nginx's own place for them is not.
    let file = Wheel::named("big")
        .file("big/data.bin", noise(600_000))
        .build();
    let owner = Api::login(&site.server.url, "bob", "secret").await;
    owner.upload("bob/dev", &file).await;
    let listed = owner.files("bob/dev", "big").await;
    let (_, path) = listed[0].url.split_once("/bob/dev/").unwrap();
    let path = format!("/py.pi/bob/dev/{path}");
    let answer = bob.get(&path).await;
    assert_eq!(answer.bytes().await.unwrap(), file.bytes);
    wait_for_lines(&site.server, 1, |line| {
        line.contains(&format!("GET {path} 200")) && line.contains("size_bytes=0 ")
    });
    let place = format!("/+blobs/{}/{}", &file.sha256[..2], file.sha256);
    for place in [place.clone(), format!("/py.pi{place}")] {
        assert_eq!(
            bob.get(&place).await.status(),
            StatusCode::NOT_FOUND,
            "{place}"
        );
    }
}
