//! devpi-tokens' routes, and tokens in every place where credentials may stand.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cheeseshop_domain::Clock as _;
use cheeseshop_test_support::Wheel;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Server, User, file_path};

async fn status_of(user: &User<'_>) -> serde_json::Value {
    user.get_json("/+api").await.json()["result"]["authstatus"].clone()
}

/// The id, as devpi-tokens' client reads it out of the token.
fn id_of(token: &str) -> String {
    let bytes = URL_SAFE_NO_PAD
        .decode(token.strip_prefix("devpi-").unwrap())
        .unwrap();
    let identifier = bytes
        .windows(6)
        .position(|window| window == b"alice-")
        .unwrap()
        + 6;
    String::from_utf8(bytes[identifier..identifier + 8].to_vec()).unwrap()
}

#[tokio::test]
async fn tokens_are_made_listed_and_deleted() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let answer = alice
        .json(
            "POST",
            "/alice/+token-create",
            &json!({"allowed": ["upload", "pkg_read"]}),
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["type"], "token-info");
    let token = answer.json()["result"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(token.starts_with("devpi-AgEyY2hlZXNlc2hvcDE6"), "{token}");
    let id = id_of(&token);

    // No body at all is no restriction but the year.
    let answer = alice.send("POST", "/alice/+token-create", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let listed = alice.get_json("/alice/+tokens").await.json();
    assert_eq!(listed["type"], "tokens-info");
    let tokens = listed["result"]["tokens"].as_object().unwrap();
    assert_eq!(tokens.len(), 2);
    let in_a_year = server.clock.now().as_second() + 366 * 86_400 + 10;
    assert_eq!(
        tokens[&id]["restrictions"],
        json!(["allowed=pkg_read,upload", format!("expires={in_a_year}")])
    );
    assert!(!listed.to_string().contains(&token[30..]), "{listed}");

    let by_token = alice.by_token(&token);
    assert_eq!(status_of(&by_token).await, json!(["ok", "alice", []]));
    let path = format!("/alice/+tokens/{id}");
    let answer = alice.delete(&path).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.message(), format!("token {id} deleted"));
    let answer = alice.delete(&path).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.message(), format!("No token with id {id}"));
    for answer in [
        by_token.get_json("/+api").await,
        by_token.get_json("/").await,
    ] {
        assert_eq!(answer.status, 403);
        assert!(
            answer
                .text()
                .contains(&format!("The token id {id} doesn't exist")),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn only_the_user_and_root_see_to_tokens_and_no_token_does() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    let root = server.root();
    let token = alice.token(&json!({})).await;
    let id = id_of(&token);
    let root_token = root.token(&json!({"expires": "never"})).await;
    for user in [
        server.anonymous(),
        eve.clone(),
        alice.by_token(&token),
        root.by_token(&root_token),
    ] {
        for (method, path) in [
            ("POST", "/alice/+token-create".to_owned()),
            ("GET", "/alice/+tokens".to_owned()),
            ("DELETE", format!("/alice/+tokens/{id}")),
        ] {
            let answer = user.json(method, &path, &json!({})).await;
            assert_eq!(answer.status, 403, "{method} {}", answer.text());
        }
    }
    // Another user's token is not there for them.
    let answer = eve.delete(&format!("/eve/+tokens/{id}")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(root.get_json("/alice/+tokens").await.status, 200);
    assert_eq!(root.get_json("/nobody/+tokens").await.status, 404);
    assert_eq!(
        root.delete(&format!("/alice/+tokens/{id}")).await.status,
        200
    );
}

#[tokio::test]
async fn refusals_have_the_statuses_of_devpi_tokens() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let never = json!({"expires": "never"});
    for (body, status, message) in [
        (json!({"foo": 1}), 400, "Unknown restriction 'foo'."),
        (
            json!({"expires": 10}),
            400,
            "Can't set expiration before current time",
        ),
        (
            never.clone(),
            403,
            "Not allowed to create token with no expiration",
        ),
        (json!([]), 400, "Bad request: could not decode json"),
    ] {
        let answer = alice.json("POST", "/alice/+token-create", &body).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.message(), message);
    }
    let answer = server
        .root()
        .json("POST", "/alice/+token-create", &never)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_token_is_read_wherever_credentials_stand() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let token = alice.token(&json!({})).await;
    let bare = token.strip_prefix("devpi-").unwrap();
    let encoded = |text: &str| STANDARD.encode(text);
    let expected = json!(["ok", "alice", []]);
    for authorization in [
        format!("Basic {}", encoded(&format!("alice:{token}"))),
        format!("Basic {}", encoded(&format!(":{token}"))),
        format!("Basic {}", encoded(&format!("__token__:{token}"))),
        format!("Basic {}", encoded(&format!("whoever:{token}"))),
        format!("Basic {}", encoded(&format!("{token}:"))),
        format!("Basic {}", encoded(&format!("alice:{bare}"))),
        format!("Bearer {token}"),
        format!("Bearer {bare}"),
    ] {
        let user = User::with_authorization(&server, &authorization);
        assert_eq!(status_of(&user).await, expected, "{authorization}");
    }
    let devpi = encoded(&format!("alice:{token}"));
    let answer = server
        .anonymous()
        .get_with("/+api", &[("x-devpi-auth", &devpi)])
        .await;
    assert_eq!(answer.json()["result"]["authstatus"], expected);
    // A login is for passwords.
    let body = json!({"user": "alice", "password": token});
    let answer = server.anonymous().json("POST", "/+login", &body).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.message(), "user 'alice' could not be authenticated");
}

#[tokio::test]
async fn installers_are_told_why_in_the_only_line_that_they_show() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server
        .index(&alice, "dev", json!({"acl_read": ["alice"]}))
        .await;
    server.index(&alice, "public", json!({})).await;
    let wheel = Wheel::named("pkg").build();
    for index in ["alice/dev", "alice/public"] {
        alice.publish(index, &wheel).await;
    }
    let expires = server.clock.now().as_second() + 10;
    let token = alice
        .token(&json!({"expires": expires, "allowed": ["pkg_read"]}))
        .await;
    let reader = alice.by_token(&token);
    let file = format!("/alice/dev/{}", file_path(&wheel));
    // Twice: the second time from memory.
    for _ in 0..2 {
        assert_eq!(reader.get("/alice/dev/+simple/pkg/").await.status, 200);
        assert_eq!(reader.get(&file).await.status, 200);
    }
    server.clock.advance(SignedDuration::from_secs(9));
    assert_eq!(reader.get("/alice/dev/+simple/pkg/").await.status, 200);
    server.clock.advance(SignedDuration::from_secs(1));
    let text = format!("Exception during token verification: Token expired at {expires}");
    for path in [
        "/alice/dev/+simple/pkg/",
        &file,
        "/alice/dev/+simple/",
        // Silently less than expected would be worse than an error.
        "/alice/public/+simple/pkg/",
    ] {
        let answer = reader.get(path).await;
        // pip says nothing about a 403, and warns of a 401.
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"pypi\"");
        assert!(
            answer.reason().starts_with(&text),
            "{path}: {}",
            answer.reason()
        );
        assert!(answer.text().contains(&text), "{path}: {}", answer.text());
    }
    let answer = reader.upload("alice/dev", &wheel).await;
    assert_eq!(answer.status, 403);
    assert!(answer.reason().starts_with(&text), "{}", answer.reason());
}

#[tokio::test]
async fn an_upload_is_judged_by_the_project_of_its_form() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    server.index(&alice, "prod", json!({})).await;
    let token = alice
        .token(&json!({"projects": ["Some.Project"], "indexes": ["alice/dev"]}))
        .await;
    let ci = alice.by_token(&token);
    let mine = Wheel::named("some_project").build();
    let other = Wheel::named("other").build();
    ci.publish("alice/dev", &mine).await;
    let answer = ci.upload("alice/dev", &other).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.reason(), "Token denied access to project 'other'");
    let answer = ci.upload("alice/prod", &mine).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.reason(), "Token denied access to index 'alice/prod'");
    // The form's name counts, in whatever order its parts come.
    let form = crate::support::Form::content_first(&other);
    let answer = ci.post_form("/alice/dev/", &form).await;
    assert_eq!(answer.status, 403, "{}", answer.text());

    let push = json!({"name": "some-project", "version": "1.0", "targetindex": "alice/prod"});
    let answer = ci.json("PUSH", "/alice/dev", &push).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    for (method, path) in [
        ("PATCH", "/alice/dev"),
        ("DELETE", "/alice/dev"),
        ("DELETE", "/alice/dev/other"),
    ] {
        let answer = ci.json(method, path, &json!({"title": "x"})).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
    assert_eq!(ci.delete("/alice/dev/some-project").await.status, 200);
}

#[tokio::test]
async fn wrong_tokens_are_guesses_and_right_ones_are_not_kept_waiting() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let token = alice.token(&json!({})).await;
    let reader = alice.by_token(&token);
    assert_eq!(reader.get_json("/+api").await.status, 200);
    let other = server.user("bob").await;
    let mut stati = Vec::new();
    for _ in 0..10 {
        // Tokens of tokens that are gone: well made, and unknown.
        let gone = alice.token(&json!({})).await;
        alice
            .delete(&format!("/alice/+tokens/{}", id_of(&gone)))
            .await;
        stati.push(
            other
                .by_token(&gone)
                .get_json("/+api")
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(stati[..5], [403; 5]);
    assert!(stati.contains(&429), "{stati:?}");
    // One outdated token in the settings of some machine is one mistake, however often it comes.
    let stale = alice.token(&json!({})).await;
    server.clock.advance(SignedDuration::from_hours(1));
    alice
        .delete(&format!("/alice/+tokens/{}", id_of(&stale)))
        .await;
    for _ in 0..20 {
        let answer = alice.by_token(&stale).get_json("/+api").await;
        assert_eq!(answer.status, 403);
    }
    assert_eq!(reader.get_json("/+api").await.status, 200);
    assert_eq!(alice.get_json("/alice/+tokens").await.status, 200);
}
