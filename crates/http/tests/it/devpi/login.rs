use serde_json::json;

use crate::support::{Server, User};

#[tokio::test]
async fn a_password_gives_a_token_that_stands_for_it() {
    let server = Server::start().await;
    server.user("alice").await;
    let answer = server
        .anonymous()
        .json(
            "POST",
            "/+login",
            &json!({"user": "alice", "password": "alice-secret"}),
        )
        .await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    assert_eq!(document["type"], "proxyauth");
    assert_eq!(document["message"], "login successful");
    assert_eq!(document["result"]["expiration"], 36000);
    let token = document["result"]["password"].as_str().unwrap();
    let with_token = User::with_password(&server, "alice", token);
    let status = with_token.get_json("/+api").await.json()["result"]["authstatus"].clone();
    assert_eq!(status, json!(["ok", "alice", []]));
    let again = server
        .anonymous()
        .json(
            "POST",
            "/+login",
            &json!({"user": "alice", "password": token}),
        )
        .await;
    assert_eq!(again.status, 401, "a token is no password");
}

#[tokio::test]
async fn refusals_have_devpis_words() {
    let server = Server::start().await;
    server.user("alice").await;
    for (body, status, message) in [
        (
            json!({"user": "alice", "password": "wrong"}),
            401,
            "user 'alice' could not be authenticated",
        ),
        (
            json!({"user": "nobody", "password": "x"}),
            401,
            "user 'nobody' could not be authenticated",
        ),
        (
            json!({"user": "alice"}),
            400,
            "Bad request: no user/password specified",
        ),
        (json!([]), 400, "Bad request: no user/password specified"),
    ] {
        let answer = server.anonymous().json("POST", "/+login", &body).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.message(), message);
    }
    let request = server
        .anonymous()
        .request("POST", "/+login")
        .body(axum::body::Body::from("user=alice"))
        .unwrap();
    let answer = server.send(request).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.message(), "Bad request: could not decode json");
    assert_eq!(server.anonymous().get("/+login").await.status, 404);
}

#[tokio::test]
async fn guessing_is_answered_with_429_and_a_time() {
    let server = Server::start().await;
    server.user("alice").await;
    let mut last = None;
    for number in 0..20 {
        let body = json!({"user": "alice", "password": format!("guess-{number}")});
        let answer = server.anonymous().json("POST", "/+login", &body).await;
        last = Some(answer.status.as_u16());
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    assert_eq!(last, Some(429));
}
