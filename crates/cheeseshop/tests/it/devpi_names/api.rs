//! What the names change in what a server answers.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{initialised, serve};
use crate::support::{Api, Home, Server};

async fn register(server: &Server, name: &str) -> StatusCode {
    let body = json!({"password": ""});
    let answer = server.anonymous().send(Method::PUT, name, &body).await;
    answer.status()
}

#[tokio::test]
async fn anybody_may_register_and_passwords_may_be_empty() {
    let home = initialised();
    let server = serve(&home, &[]);
    assert_eq!(register(&server, "bob").await, StatusCode::CREATED);
    Api::login(&server.url, "bob", "").await;
    server.stop();

    // What is written somewhere counts for more than the name.
    for setting in ["auth.self_registration", "auth.allow_empty_password"] {
        let server = serve(&home, &["--set", &format!("{setting}=false")]);
        let status = register(&server, "carol").await;
        assert!(status.is_client_error(), "{setting}: {status}");
        server.stop();
    }
    let server = Server::start(&Home::new(), &[]);
    assert_eq!(register(&server, "bob").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_password_of_root_is_empty_and_may_be_set_and_emptied_over_the_api() {
    let home = initialised();
    let server = serve(&home, &[]);
    let mut known = "";
    for password in ["a password", ""] {
        let root = Api::login(&server.url, "root", known).await;
        let body = json!({"password": password});
        let answer = root.send(Method::PATCH, "root", &body).await;
        assert_eq!(answer.status(), StatusCode::OK);
        known = password;
    }
    Api::login(&server.url, "root", "").await;
    let announcement = server.announcement.clone();
    assert!(!announcement.contains("password"), "{announcement}");
}

#[tokio::test]
async fn who_does_not_ask_for_html_gets_json() {
    let home = initialised();
    let server = serve(&home, &[]);
    let root = Api::login(&server.url, "root", "").await;
    root.create_index("root/dev", &json!({"bases": []})).await;
    for path in [
        "",
        "+api",
        "root",
        "root/+api",
        "root/dev",
        "root/dev/+api",
        "+status",
    ] {
        for accept in [None, Some("*/*"), Some("application/json")] {
            let mut request = root.request(Method::GET, path);
            if let Some(accept) = accept {
                request = request.header("Accept", accept);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "/{path} {accept:?}");
            let kind = answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(
                kind.starts_with("application/json"),
                "/{path} {accept:?}: {kind}"
            );
        }
    }
}
