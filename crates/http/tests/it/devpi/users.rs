use serde_json::json;

use crate::support::{Server, User};

#[tokio::test]
async fn a_user_is_created_shown_changed_and_removed() {
    let server = Server::start().await;
    let root = server.root();
    let answer = root
        .json(
            "PUT",
            "/bob",
            &json!({"password": "bob-secret", "email": "b@x.example"}),
        )
        .await;
    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.json(),
        json!({
            "result": {
                "email": "b@x.example",
                "created": "2026-09-01T12:00:00Z",
                "indexes": {},
                "username": "bob",
            },
            "type": "userconfig",
        })
    );
    let bob = User::with_password(&server, "bob", "bob-secret");
    let changed = bob.json("PATCH", "/bob", &json!({"title": "T"})).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json(), json!({"message": "user updated"}));
    let shown = server.anonymous().get_json("/bob").await.json();
    assert_eq!(shown["result"]["title"], "T");
    let renewed = bob
        .json("PATCH", "/bob", &json!({"password": "new-secret"}))
        .await;
    assert_eq!(renewed.status, 200);
    let document = renewed.json();
    assert_eq!(document["type"], "userpassword");
    assert_eq!(document["message"], "user updated, new proxy auth");
    assert!(document["result"]["password"].is_string());
    let listed = server.anonymous().get_json("/").await.json();
    assert_eq!(listed["type"], "list:userconfig");
    assert_eq!(listed["result"]["bob"]["username"], "bob");
    assert!(listed["result"]["root"].is_object());
    assert!(!listed.to_string().contains("argon2"));
    let removed = root.delete("/bob").await;
    assert_eq!(removed.status, 200);
    assert_eq!(removed.message(), "user 'bob' deleted");
    let gone = root.get_json("/bob").await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json(), json!({"message": "no user 'bob'"}));
}

#[tokio::test]
async fn refusals_have_devpis_status_and_words() {
    let server = Server::start().await;
    let root = server.root();
    server.user("bob").await;
    for (path, body, status, message) in [
        (
            "/bob",
            json!({"password": "x1"}),
            409,
            "user already exists",
        ),
        ("/carl", json!({}), 400, "password needs to be set"),
        (
            "/carl",
            json!({"password": "x1", "foo": 1}),
            400,
            "Unknown keys in user config: foo",
        ),
        (
            "/a%20b",
            json!({"password": "x1"}),
            400,
            "username 'a b' contains characters that aren't allowed. \
             Any ascii symbol besides -.@_ is blocked.",
        ),
    ] {
        let answer = root.json("PUT", path, &body).await;
        assert_eq!(answer.status, status, "{path} {body}");
        assert_eq!(answer.message(), message);
    }
    let answer = root.json("PATCH", "/carl", &json!({"title": "x"})).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.message(), "no user 'carl'");
}

#[tokio::test]
async fn others_may_not_change_a_user() {
    let server = Server::start().await;
    server.user("bob").await;
    let eve = server.user("eve").await;
    for answer in [
        eve.json("PATCH", "/bob", &json!({"title": "x"})).await,
        eve.json("PATCH", "/bob", &json!({"password": "stolen"}))
            .await,
        eve.delete("/bob").await,
        eve.delete("/root").await,
    ] {
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    for answer in [
        server
            .anonymous()
            .json("PATCH", "/bob", &json!({"title": "x"}))
            .await,
        server.anonymous().delete("/bob").await,
    ] {
        assert!(
            matches!(answer.status.as_u16(), 401 | 403),
            "{}",
            answer.status
        );
    }
}

#[tokio::test]
async fn documents_are_for_those_who_accept_json() {
    let server = Server::start().await;
    for (path, to_browsers, to_others) in [
        ("/", 200, 404),
        ("/root", 200, 404),
        ("/+status", 200, 200),
        ("/+api", 404, 404),
    ] {
        for (accept, status) in [
            ("*/*", 200),
            ("application/json", 200),
            ("text/html", to_browsers),
            ("image/png", to_others),
        ] {
            let answer = server
                .anonymous()
                .get_with(path, &[("accept", accept)])
                .await;
            assert_eq!(answer.status, status, "{path} {accept}");
        }
    }
    let answer = server
        .anonymous()
        .get_with("/nobody", &[("accept", "image/png")])
        .await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}
