use cheeseshop_test_support::Upstream;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn the_document_is_devpis() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let features = json!([
        "push-no-docs",
        "push-only-docs",
        "push-register-project",
        "server-keyvalue-parsing"
    ]);
    let answer = server.anonymous().get_json("/alice/dev/+api").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.json(),
        json!({
            "result": {
                "login": "http://localhost:3141/+login",
                "authstatus": ["noauth", "", []],
                "features": features,
                "index": "http://localhost:3141/alice/dev",
                "simpleindex": "http://localhost:3141/alice/dev/+simple/",
                "pypisubmit": "http://localhost:3141/alice/dev/",
            },
            "type": "apiconfig",
        })
    );
    assert!(
        answer
            .text()
            .starts_with("{\n  \"result\": {\n    \"login\"")
    );
    assert!(answer.text().ends_with("}\n"));
    for path in ["/+api", "/alice/+api", "/nobody/+api", "/+api/"] {
        let document = alice.get_json(path).await.json();
        assert_eq!(
            document["result"],
            json!({
                "login": "http://localhost:3141/+login",
                "authstatus": ["ok", "alice", []],
                "features": features,
            }),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_mirror_has_nowhere_to_upload() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    server.mirror(&upstream).await;
    let document = server
        .anonymous()
        .get_json("/root/mirror/+api")
        .await
        .json();
    assert!(document["result"].get("pypisubmit").is_none());
    assert!(document["result"].get("simpleindex").is_some());
    let unknown = server.anonymous().get_json("/root/none/+api").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.message(), "The stage root/none could not be found.");
}

#[tokio::test]
async fn urls_are_those_of_the_outside() {
    let server = Server::start().await;
    server.user_with_dev("alice").await;
    let asked = [
        ("accept", "application/json"),
        ("x-outside-url", "https://pypi.example/sub/"),
    ];
    let document = server
        .anonymous()
        .get_with("/alice/dev/+api", &asked)
        .await
        .json();
    assert_eq!(
        document["result"]["login"],
        "https://pypi.example/sub/+login"
    );
    assert_eq!(
        document["result"]["pypisubmit"],
        "https://pypi.example/sub/alice/dev/"
    );
    // A stranger does not choose our links.
    let request = server
        .anonymous()
        .request("GET", "/alice/dev/+api")
        .header("x-outside-url", "https://evil.example")
        .body(axum::body::Body::empty())
        .unwrap();
    let document = server
        .send_from("192.0.2.1:1".parse().unwrap(), request)
        .await
        .json();
    assert_eq!(document["result"]["login"], "http://localhost:3141/+login");
}

#[tokio::test]
async fn wrong_credentials_are_nobody() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    for headers in [
        &[("authorization", "Basic !!!")][..],
        &[("authorization", "Bearer abc")],
        &[("x-devpi-auth", "YWxpY2U6d3Jvbmc=")],
        &[("authorization", "Basic YWxpY2U6d3Jvbmc=")],
    ] {
        let answer = server.anonymous().get_with("/+api", headers).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.json()["result"]["authstatus"],
            json!(["noauth", "", []])
        );
    }
    // A wrong X-Devpi-Auth decides over a right Basic.
    let answer = alice
        .get_with("/+api", &[("x-devpi-auth", "YWxpY2U6d3Jvbmc=")])
        .await;
    assert_eq!(
        answer.json()["result"]["authstatus"],
        json!(["noauth", "", []])
    );
}
