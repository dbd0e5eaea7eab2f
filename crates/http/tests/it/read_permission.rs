//! What one may not read does not exist: the same on every route and through bases.

use cheeseshop_test_support::{BuiltFile, Wheel};
use serde_json::json;

use crate::support::{Server, User, file_path};

/// The user alice, and the wheel in her index `private`, which she alone may read.
async fn closed_index(server: &Server) -> (User<'_>, BuiltFile) {
    let alice = server.user("alice").await;
    server
        .index(&alice, "private", json!({"acl_read": ["alice"]}))
        .await;
    let wheel = Wheel::named("secret").build();
    alice.publish("alice/private", &wheel).await;
    (alice, wheel)
}

#[tokio::test]
async fn a_closed_index_is_closed_on_every_route() {
    let server = Server::start().await;
    let (alice, wheel) = closed_index(&server).await;
    let eve = server.user("eve").await;
    let file = file_path(&wheel);
    let routes = [
        "/alice/private".to_owned(),
        "/alice/private/".to_owned(),
        "/alice/private?no_projects=".to_owned(),
        "/alice/private/+api".to_owned(),
        "/alice/private/+simple/".to_owned(),
        "/alice/private/+simple/secret/".to_owned(),
        "/alice/private/+simple/unknown/".to_owned(),
        "/alice/private/secret".to_owned(),
        "/alice/private/secret/1.0".to_owned(),
        format!("/alice/private/{file}"),
        format!("/alice/private/{file}.metadata"),
    ];
    for path in &routes {
        // Alice first, so that whatever is remembered could leak.
        let own = alice.get(path).await;
        assert!(
            matches!(own.status.as_u16(), 200 | 404),
            "{path} {}",
            own.status
        );
        for method in ["GET", "HEAD"] {
            let anonymous = server.anonymous().send(method, path, &[]).await;
            assert_eq!(anonymous.status, 401, "{method} {path}");
            assert_eq!(
                anonymous.header("www-authenticate"),
                "Basic realm=\"pypi\"",
                "{path}"
            );
            let other = eve.send(method, path, &[]).await;
            assert_eq!(other.status, 404, "{method} {path}");
        }
        let json = eve.get_json(path).await;
        assert_eq!(json.status, 404, "{path} as JSON");
    }
    // The same words as for an index that is not there.
    let hidden = eve.get("/alice/private/+simple/secret/").await.text();
    let absent = eve.get("/alice/nothing/+simple/secret/").await.text();
    assert_eq!(hidden.replace("private", "nothing"), absent);
}

#[tokio::test]
async fn a_wrong_password_is_named_as_the_reason() {
    let server = Server::start().await;
    let (_alice, wheel) = closed_index(&server).await;
    let wrong = User::with_password(&server, "alice", "wrong");
    let unknown = User::with_password(&server, "nobody", "x");
    let blame = "name or password is wrong, or the login has expired (";
    for path in [
        "/alice/private/+simple/".to_owned(),
        "/alice/private/+simple/secret/".to_owned(),
        format!("/alice/private/{}", file_path(&wheel)),
    ] {
        for user in [&wrong, &unknown] {
            let answer = user.get(&path).await;
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.text().contains(blame), "{}", answer.text());
        }
        let answer = server.anonymous().get(&path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.text().contains("password"), "{}", answer.text());
    }
}

#[tokio::test]
async fn lists_do_not_name_what_is_closed() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server.index(&alice, "public", json!({})).await;
    server
        .index(&alice, "private", json!({"acl_read": ["alice"]}))
        .await;
    for path in ["/", "/alice"] {
        let names = |answer: crate::support::Answer| {
            let result = answer.json()["result"].clone();
            let user = if path == "/" {
                result["alice"].clone()
            } else {
                result
            };
            let indexes = user["indexes"].as_object().unwrap().clone();
            indexes.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(names(alice.get_json(path).await).len(), 2, "{path}");
        assert_eq!(names(eve.get_json(path).await), ["public"], "{path}");
        assert_eq!(
            names(server.anonymous().get_json(path).await),
            ["public"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_base_is_judged_by_its_own_list() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server
        .index(&alice, "private", json!({"acl_read": ["alice"]}))
        .await;
    server
        .index(&alice, "public", json!({"bases": ["alice/private"]}))
        .await;
    let secret = Wheel::named("secret").version("1.0").build();
    let hidden_release = Wheel::named("shared").version("1.0").build();
    let open_release = Wheel::named("shared").version("2.0").build();
    alice.publish("alice/private", &secret).await;
    alice.publish("alice/private", &hidden_release).await;
    alice.publish("alice/public", &open_release).await;
    let as_json = [("accept", "application/vnd.pypi.simple.v1+json")];
    for _ in 0..2 {
        let page = "/alice/public/+simple/shared/";
        let names = |answer: crate::support::Answer| answer.file_names();
        assert_eq!(names(alice.get_with(page, &as_json).await).len(), 2);
        for stranger in [&eve, &server.anonymous()] {
            let seen = names(stranger.get_with(page, &as_json).await);
            assert_eq!(seen, [open_release.name.as_str()]);
        }
        let page = "/alice/public/+simple/secret/";
        assert_eq!(alice.get(page).await.status, 200);
        assert_eq!(eve.get(page).await.status, 404);
        assert_eq!(server.anonymous().get(page).await.status, 401);
        for file in [&secret, &hidden_release] {
            for index in ["private", "public"] {
                for suffix in ["", ".metadata"] {
                    let path = format!("/alice/{index}/{}{suffix}", file_path(file));
                    assert_eq!(alice.get(&path).await.status, 200, "{path}");
                    assert_eq!(eve.get(&path).await.status, 404, "{path}");
                    assert_eq!(server.anonymous().get(&path).await.status, 401, "{path}");
                }
            }
        }
        let list = server
            .anonymous()
            .get("/alice/public/+simple/")
            .await
            .text();
        assert!(
            list.contains("shared") && !list.contains("secret"),
            "{list}"
        );
        let document = eve.get_json("/alice/public/shared").await.json();
        let versions = document["result"].as_object().unwrap();
        assert_eq!(versions.keys().collect::<Vec<_>>(), ["2.0"]);
        assert_eq!(eve.get_json("/alice/public/shared/1.0").await.status, 404);
    }
}

#[tokio::test]
async fn answers_of_closed_indexes_are_private() {
    let server = Server::start().await;
    let (alice, wheel) = closed_index(&server).await;
    let path = format!("/alice/private/{}", file_path(&wheel));
    for _ in 0..2 {
        let answer = alice.get(&path).await;
        assert_eq!(
            answer.header("cache-control"),
            "max-age=365000000, immutable, private"
        );
        // A browser keeps it; whoever sits there next has another cookie.
        assert_eq!(answer.header("vary"), "Authorization, Cookie");
    }
}

#[tokio::test]
async fn opening_and_closing_an_index_shows_at_once() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("flask").build();
    alice.publish("alice/dev", &wheel).await;
    let file = format!("/alice/dev/{}", file_path(&wheel));
    let routes = [
        "/alice/dev/+simple/flask/",
        "/alice/dev/+simple/",
        file.as_str(),
    ];
    for (readers, status) in [(":ANONYMOUS:", 200), ("alice", 401), (":ANONYMOUS:", 200)] {
        let answer = alice
            .json("PATCH", "/alice/dev", &json!({"acl_read": [readers]}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        for path in routes {
            assert_eq!(server.anonymous().get(path).await.status, status, "{path}");
        }
    }
}

#[tokio::test]
async fn a_hidden_base_is_named_to_nobody_else() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server
        .index(&alice, "private", json!({"acl_read": ["alice"]}))
        .await;
    server.index(&alice, "open", json!({})).await;
    let bases = json!({"bases": ["alice/private", "alice/open"]});
    server.index(&alice, "public", bases).await;
    let shown = |answer: crate::support::Answer, path: &str| {
        let document = answer.json()["result"].clone();
        let index = match path {
            "/" => document["alice"]["indexes"]["public"].clone(),
            "/alice" => document["indexes"]["public"].clone(),
            _ => document,
        };
        index["bases"].clone()
    };
    for path in ["/", "/alice", "/alice/public", "/alice/public?no_projects="] {
        for stranger in [&eve, &server.anonymous()] {
            let bases = shown(stranger.get_json(path).await, path);
            assert_eq!(bases, json!(["alice/open"]), "{path}");
        }
        // Whoever may change the list has to know it.
        for keeper in [&alice, &server.root()] {
            let bases = shown(keeper.get_json(path).await, path);
            assert_eq!(bases, json!(["alice/private", "alice/open"]), "{path}");
        }
    }
}
