use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{Server, User};

#[tokio::test]
async fn projects_and_releases_are_removed_with_devpis_words() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    for version in ["1.0", "2.0"] {
        alice
            .publish(
                "alice/dev",
                &Wheel::named("my-pkg").version(version).build(),
            )
            .await;
    }
    let release = alice.delete("/alice/dev/My_Pkg/1.0").await;
    assert_eq!(release.status, 200, "{}", release.text());
    assert_eq!(release.message(), "project 'my-pkg' version '1.0' deleted");
    let project = alice.delete("/alice/dev/my-pkg").await;
    assert_eq!(project.status, 200, "{}", project.text());
    assert_eq!(
        project.message(),
        "project my-pkg deleted from stage alice/dev"
    );
    let again = alice.delete("/alice/dev/my-pkg").await;
    assert_eq!(again.status, 404);
    let page = server.anonymous().get("/alice/dev/+simple/my-pkg/").await;
    assert_eq!(page.status, 404);
}

#[tokio::test]
async fn a_closed_book_needs_force() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server
        .index(&alice, "prod", json!({"volatile": false}))
        .await;
    alice
        .publish("alice/prod", &Wheel::named("flask").version("1.0").build())
        .await;
    for path in ["/alice/prod/flask", "/alice/prod/flask/1.0"] {
        assert_eq!(alice.delete(path).await.status, 403, "{path}");
    }
    let forced = alice.delete("/alice/prod/flask/1.0?force").await;
    assert_eq!(forced.status, 200, "{}", forced.text());
}

#[tokio::test]
async fn others_may_not_remove() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server.index(&alice, "dev", json!({})).await;
    alice
        .publish("alice/dev", &Wheel::named("flask").version("1.0").build())
        .await;
    for path in ["/alice/dev/flask", "/alice/dev/flask/1.0", "/alice/dev"] {
        assert_eq!(eve.delete(path).await.status, 403, "{path}");
        let anonymous = server.anonymous().delete(path).await;
        assert!(matches!(anonymous.status.as_u16(), 401 | 403), "{path}");
    }
    assert_eq!(alice.get_json("/alice/dev/flask/1.0").await.status, 200);
}

#[tokio::test]
async fn yanking_asks_strangers_for_their_name_and_devpis_routes_do_not() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server.index(&alice, "dev", json!({})).await;
    alice
        .publish("alice/dev", &Wheel::named("flask").build())
        .await;
    let nobody = server.anonymous();
    let wrong = User::with_password(&server, "alice", "wrong");
    for path in ["/alice/dev/flask/1.0/+yank", "/alice/dev/flask/1.0/+unyank"] {
        let asked = nobody.json("POST", path, &json!({})).await;
        assert_eq!(asked.status, 401, "{path}");
        assert_eq!(asked.header("www-authenticate"), "Basic realm=\"pypi\"");
        let text = "no permission to yank files of index alice/dev";
        assert_eq!(asked.message(), text);
        let blamed = wrong.json("POST", path, &json!({})).await;
        assert_eq!(blamed.status, 401, "{path}");
        assert_eq!(
            blamed.message(),
            format!("name or password is wrong, or the login has expired ({text})")
        );
        assert_eq!(eve.json("POST", path, &json!({})).await.status, 403);
        assert_eq!(alice.json("POST", path, &json!({})).await.status, 200);
    }
    for (method, path) in [
        ("PATCH", "/alice/dev"),
        ("PUT", "/alice/new"),
        ("DELETE", "/alice/dev/flask"),
        ("DELETE", "/alice/dev"),
    ] {
        let answer = nobody.json(method, path, &json!({})).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
}
