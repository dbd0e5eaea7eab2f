use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{Server, file_path};

#[tokio::test]
async fn a_push_copies_a_release_by_either_method() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    for (method, target) in [("PUSH", "prod"), ("POST", "stable")] {
        server
            .index(&alice, target, json!({"volatile": false}))
            .await;
        let body = json!({
            "name": "flask",
            "version": "1.0",
            "targetindex": format!("alice/{target}"),
        });
        let answer = alice.json(method, "/alice/dev", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            answer.json(),
            json!({
                "result": [
                    [200, "register", "flask", "1.0", "->", format!("alice/{target}")],
                    [200, "store_releasefile", format!("alice/{target}/{}", file_path(&wheel))],
                ],
                "type": "actionlog",
            })
        );
        let page = server
            .anonymous()
            .get(&format!("/alice/{target}/+simple/flask/"))
            .await;
        assert!(page.text().contains(&wheel.name));
    }
}

#[tokio::test]
async fn refusals_have_devpis_status_and_words() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server.index(&alice, "dev", json!({})).await;
    server.index(&eve, "x", json!({})).await;
    alice
        .publish("alice/dev", &Wheel::named("flask").version("1.0").build())
        .await;
    for (body, status, message) in [
        (
            json!({"name": "flask", "version": "1.0", "targetindex": "eve/x"}),
            401,
            "user 'alice' cannot upload to 'eve/x'",
        ),
        (
            json!({"name": "flask", "version": "1.0", "targetindex": "eve/nope"}),
            404,
            "The stage eve/nope could not be found.",
        ),
        (
            json!({"name": "flask", "version": "1.0", "targetindex": "nonsense"}),
            400,
            "targetindex not in format user/index",
        ),
    ] {
        let answer = alice.json("PUSH", "/alice/dev", &body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.message(), message);
    }
    let missing = alice
        .json("PUSH", "/alice/dev", &json!({"name": "flask"}))
        .await;
    assert_eq!(missing.status, 400, "devpi answers 500");
}
