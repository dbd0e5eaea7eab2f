use cheeseshop_app::Settings;
use cheeseshop_app::settings::AllowedHosts;
use cheeseshop_http::HttpSettings;
use cheeseshop_test_support::{Answer, Receiver, Wheel};
use serde_json::{Value, json};

use crate::support::{Server, file_path};

fn push(url: &str) -> Value {
    json!({
        "name": "flask", "version": "1.0",
        "posturl": url, "username": "up", "password": "hunter2",
    })
}

#[tokio::test]
async fn the_last_step_gives_the_status() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    let path = format!("alice/dev/{}", file_path(&wheel));
    for (answer, status, line) in [
        (Answer::status(200), 200, json!([200, "upload", path, ""])),
        (Answer::status(201), 200, json!([201, "upload", path, ""])),
        (
            Answer::status(403).body("not yours"),
            502,
            json!([403, "upload", path, "not yours"]),
        ),
        (
            Answer::status(410),
            502,
            json!([410, "upload", path, "Gone"]),
        ),
    ] {
        let receiver = Receiver::start().await;
        receiver.next(answer);
        let answer = alice
            .json("PUSH", "/alice/dev", &push(&receiver.url()))
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(
            answer.json(),
            json!({"result": [line], "type": "actionlog"})
        );
    }
}

#[tokio::test]
async fn refusals_are_told_before_anybody_is_asked() {
    let receiver = Receiver::start().await;
    let mut settings = Settings::default();
    settings.push.allowed_hosts = AllowedHosts::parse(&["up.test"]).unwrap();
    let server = Server::with(settings, HttpSettings::default()).await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;

    let body = push(&receiver.url());
    let answer = server.anonymous().json("PUSH", "/alice/dev", &body).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.message(), "pushing to another server needs a login");
    let answer = alice.json("PUSH", "/alice/dev", &body).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.message(),
        format!(
            "this server does not push to {} (push.allowed_hosts)",
            receiver.host()
        )
    );
    for (key, value, status, message) in [
        (
            "posturl",
            json!("nonsense"),
            400,
            "posturl must be an http or https URL",
        ),
        (
            "posturl",
            json!(""),
            400,
            "posturl must be an http or https URL",
        ),
        (
            "posturl",
            json!(null),
            400,
            "either targetindex or posturl must be given",
        ),
        (
            "username",
            json!(null),
            400,
            "'username' must be given as a string",
        ),
    ] {
        let mut body = body.clone();
        body[key] = value;
        let answer = alice.json("PUSH", "/alice/dev", &body).await;
        assert_eq!(answer.status, status, "{key}: {}", answer.text());
        assert_eq!(answer.message(), message);
    }
    assert!(receiver.forms().is_empty());
}
