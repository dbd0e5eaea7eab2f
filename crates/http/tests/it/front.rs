//! What every answer has, and what no request may do.

use axum::body::Body;
use cheeseshop_test_support::Wheel;
use http::Request;
use serde_json::json;

use crate::support::{FORM_TYPE, Form, Server};

#[tokio::test]
async fn every_answer_says_which_server_it_is() {
    let server = Server::stocked().await;
    let page = "/alice/dev/+simple/flask/";
    for path in [page, page, "/", "/nobody", "/x/y/z/1/2/3", "/+health/live"] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.header("x-devpi-api-version"), "2", "{path}");
        assert_eq!(answer.header("x-devpi-server-version"), "6.20.3");
        assert_eq!(answer.header("x-devpi-uuid").len(), 32);
        for name in ["x-devpi-master-uuid", "x-devpi-primary-uuid"] {
            assert_eq!(answer.header(name), answer.header("x-devpi-uuid"));
        }
        assert!(answer.header("x-devpi-serial").parse::<i64>().unwrap() > 0);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-request-id").len(), 16);
    }
    let html = server.anonymous().get(page).await;
    assert!(
        html.header("content-security-policy")
            .contains("default-src 'none'")
    );
}

#[tokio::test]
async fn the_serial_of_an_answer_to_a_write_is_the_writes() {
    let server = Server::start().await;
    let serial =
        |answer: crate::support::Answer| answer.header("x-devpi-serial").parse::<i64>().unwrap();
    let before = serial(server.anonymous().get("/").await);
    let written = server
        .root()
        .json("PUT", "/bob", &json!({"password": "bob-secret"}))
        .await;
    assert!(serial(written) > before);
}

#[tokio::test]
async fn hostile_paths_are_refused_and_harm_nothing() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    for path in [
        "/..",
        "/../../etc/passwd",
        "/alice/..",
        "/alice/dev/..%2f..%2fetc",
        "/alice/dev/+simple/..%2F..%2Fx/",
        "/alice/dev/+simple/%2e%2e/",
        "/alice/dev/+simple/a%00b/",
        "/alice/dev/+simple/%ff%fe/",
        "/alice/dev/+simple/%0d%0aSet-Cookie:x/",
        "/alice/dev/+f/abc/0123456789abc/..%2f..%2fx.whl",
        "/alice/dev/+f/abc/0123456789abc/%2e%2e",
        "/alice/dev/+f/../../../../etc/passwd",
        "/alice/dev/+f/%2e%2e/0123456789abc/x.whl",
        "/alice/dev/+e/..%2f../x.whl",
        "/alice/dev/+e/%2e%2e/x.whl",
        "/alice/dev/+f/abc/0123456789abc/.metadata",
        "/alice/dev/+f/abc/0123456789abc/%00.whl",
        "/%61lice%2fdev/+simple/",
        "/alice%00/dev",
        "/%c3%28/dev",
        "/alice/dev/x/%c3%28",
        "//..//alice",
    ] {
        for method in [
            "GET", "HEAD", "DELETE", "PUT", "PATCH", "PUSH", "POST", "OPTIONS",
        ] {
            let answer = alice.send(method, path, &[]).await;
            assert!(
                matches!(answer.status.as_u16(), 400 | 404 | 405),
                "{method} {path}: {} {}",
                answer.status,
                answer.text()
            );
            assert_eq!(answer.header("set-cookie"), "");
            assert_eq!(answer.header("x-devpi-api-version"), "2");
        }
    }
    assert_eq!(alice.get("/alice/dev").await.status, 200);
}

#[tokio::test]
async fn other_spellings_of_a_path_mean_the_same() {
    let server = Server::stocked().await;
    for path in [
        "//alice/dev/+simple/flask/",
        "/alice/dev/%2Bsimple/flask/",
        "/alice/dev/%2bsimple/flask/",
        "/%61lice/dev/+simple/flask/",
        "/alice/dev/%2Bapi",
    ] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test]
async fn methods_that_a_route_does_not_take_are_404() {
    let server = Server::start().await;
    for (method, path) in [
        ("POST", "/root"),
        ("PUT", "/"),
        ("BREW", "/root/x"),
        ("PUT", "/root/x/+simple/"),
        ("OPTIONS", "/root"),
        ("CONNECT", "/root"),
    ] {
        let answer = server.anonymous().send(method, path, &[]).await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_that_a_get_brings_along_is_ignored() {
    let server = Server::start().await;
    let answer = server.anonymous().json("GET", "/", &json!({})).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn json_bodies_have_a_limit() {
    let server = Server::start().await;
    let body = format!("{{\"password\": \"{}\"}}", "x".repeat(2 << 20));
    for (method, path) in [("PUT", "/big"), ("POST", "/+login"), ("PATCH", "/root/x")] {
        let request = server
            .root()
            .request(method, path)
            .body(Body::from(body.clone()))
            .unwrap();
        let answer = server.send(request).await;
        assert_eq!(answer.status, 413, "{method} {path}");
    }
}

#[tokio::test]
async fn a_request_id_of_a_trusted_proxy_is_kept() {
    let server = Server::start().await;
    let request = || {
        Request::get("/+health/live")
            .header("x-request-id", "from-nginx-1")
            .body(Body::empty())
            .unwrap()
    };
    let trusted = server.send(request()).await;
    assert_eq!(trusted.header("x-request-id"), "from-nginx-1");
    let stranger = server
        .send_from("192.0.2.1:1".parse().unwrap(), request())
        .await;
    assert_ne!(stranger.header("x-request-id"), "from-nginx-1");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_a_browsers_login() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").build();
    let send = async |headers: &[(&str, &str)]| {
        let mut request = alice
            .request("POST", "/alice/dev/")
            .header("content-type", FORM_TYPE);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::from(Form::of(&wheel).body());
        server.send(request.body(body).unwrap()).await.status
    };
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost:80")],
        // Only what a trusted proxy says of the outside counts.
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://localhost:3141"),
        ],
    ] {
        assert_eq!(send(headers).await, 403, "{headers:?}");
    }
    for path in ["/alice/dev", "/alice"] {
        let headers = [("origin", "https://evil.example")];
        assert_eq!(alice.send("DELETE", path, &headers).await.status, 403);
    }
    let headers = [("origin", "https://evil.example")];
    assert_eq!(alice.get_with("/alice/dev", &headers).await.status, 200);
    for headers in [
        &[][..],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://localhost:3141")],
        &[
            ("origin", "https://pypi.example"),
            ("x-outside-url", "https://pypi.example/sub"),
        ],
    ] {
        assert_eq!(send(headers).await, 200, "{headers:?}");
    }
}
