//! A server where nobody reads anything without a login.

use cheeseshop_app::Settings;
use cheeseshop_http::HttpSettings;
use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{Server, file_path};

const CLIENT: (&str, &str) = ("user-agent", "devpi-client/7.3.0 (py3)");

#[tokio::test]
async fn strangers_see_how_to_log_in_and_nothing_else() {
    let server = Server::locked().await;
    let alice = server.user_with_dev("alice").await;
    let wheel = Wheel::named("pkg").build();
    alice.publish("alice/dev", &wheel).await;
    // So that memory holds what may be in it.
    let file = format!("/alice/dev/{}", file_path(&wheel));
    for path in ["/alice/dev/+simple/pkg/", &file] {
        assert_eq!(alice.get(path).await.status, 200, "{path}");
        assert_eq!(alice.get(path).await.status, 200, "{path}");
    }
    let anonymous = server.anonymous();
    for path in [
        "/",
        "/alice",
        "/alice/dev",
        "/alice/dev/+simple/",
        "/alice/dev/+simple/pkg/",
        &file,
        "/alice/dev/pkg",
        "/alice/none/+simple/",
        "/+status",
        "/metrics",
        "/no/such/thing/at/all",
    ] {
        let answer = anonymous.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(
            answer.header("www-authenticate"),
            "Basic realm=\"pypi\"",
            "{path}"
        );
        let answer = anonymous.get_with(path, &[CLIENT]).await;
        assert_eq!(answer.status, 403, "{path}");
        let wrong = crate::support::User::with_password(&server, "alice", "wrong");
        assert_eq!(wrong.get(path).await.status, 401, "{path}");
    }
    for path in ["/+api", "/alice/+api", "/+health/live", "/+health/ready"] {
        assert_eq!(anonymous.get(path).await.status, 200, "{path}");
    }
    let answer = anonymous.upload("alice/dev", &wheel).await;
    assert_eq!(answer.status, 401);
    assert!(
        answer
            .reason()
            .ends_with("this server shows nothing without a login"),
        "{}",
        answer.reason()
    );
    // Nobody makes an account from outside, whatever self-registration says.
    let answer = anonymous
        .json("PUT", "/eve", &json!({"password": "eve-secret"}))
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.message(),
        "this server shows nothing without a login"
    );
    let body = json!({"user": "alice", "password": "alice-secret"});
    assert_eq!(anonymous.json("POST", "/+login", &body).await.status, 200);
}

#[tokio::test]
async fn whoever_logged_in_reads_what_they_may() {
    let server = Server::locked().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server.index(&alice, "dev", json!({})).await;
    server.closed_index(&alice).await;
    let wheel = Wheel::named("pkg").build();
    alice.publish("alice/dev", &wheel).await;
    let page = eve.get("/alice/dev/+simple/pkg/").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("cache-control"),
        "private, no-cache",
        "no proxy may keep it"
    );
    let file = eve.get(&format!("/alice/dev/{}", file_path(&wheel))).await;
    assert!(file.header("cache-control").contains("private"), "{file:?}");
    assert_eq!(eve.get("/alice/closed/+simple/").await.status, 404);
    // The configuration says what it said.
    let shown = alice.get_json("/alice/dev").await.json();
    assert_eq!(shown["result"].get("acl_read"), None, "{shown}");

    let uploader = alice.token(&json!({"allowed": ["upload"]})).await;
    let uploader = alice.by_token(&uploader);
    let answer = uploader.get("/alice/dev/+simple/pkg/").await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(uploader.upload("alice/dev", &wheel).await.status, 200);
}

#[tokio::test]
async fn people_are_shown_the_way_to_the_login() {
    let server = Server::locked().await;
    let visit = [
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("sec-fetch-mode", "navigate"),
    ];
    let answer = server
        .anonymous()
        .get_with("/alice/dev/+simple/", &visit)
        .await;
    assert_eq!(answer.status, 302);
    assert_eq!(
        answer.header("location"),
        "/+login?goto_url=%2Falice%2Fdev%2F%2Bsimple%2F"
    );
    let page = server.anonymous().get_with("/+login", &visit).await;
    assert_eq!(page.status, 200);
}

/// Whether the proxy passes the prefix on or takes it off: the browser is sent to where it was.
#[tokio::test]
async fn the_way_back_from_the_login_has_the_prefix_and_the_query() {
    let mut settings = Settings::default();
    settings.auth.login_required = true;
    let http = HttpSettings {
        outside_url: Some("https://shop.test/pypi".parse().unwrap()),
        ..HttpSettings::default()
    };
    let server = Server::with(settings, http).await;
    server.user("alice").await;
    let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let visit = [browser, ("sec-fetch-mode", "navigate")];
    for path in ["/pypi/alice/dev", "/alice/dev"] {
        let answer = server
            .anonymous()
            .get_with(&format!("{path}?a=b&c=%26"), &visit)
            .await;
        assert_eq!(answer.status, 302);
        let location = answer.header("location");
        assert_eq!(
            location,
            "/pypi/+login?goto_url=%2Fpypi%2Falice%2Fdev%3Fa%3Db%26c%3D%2526"
        );
        let request = server
            .anonymous()
            .request("POST", location)
            .header(browser.0, browser.1)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("username=alice&password=alice-secret".into())
            .unwrap();
        let answer = server.send(request).await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("location"), "/pypi/alice/dev?a=b&c=%26");
    }
}

#[tokio::test]
async fn nginx_is_told_who_has_logged_in() {
    let server = Server::locked().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server.index(&alice, "dev", json!({})).await;
    server.closed_index(&alice).await;
    let anonymous = server.anonymous();
    for (user, uri, agent, status) in [
        (&anonymous, "/+login?goto_url=/alice", "curl", 200),
        (&anonymous, "/+logout", "curl", 200),
        (&anonymous, "/+api", "curl", 200),
        (&anonymous, "/alice/dev/+api", "curl", 200),
        (&anonymous, "/", "curl", 401),
        (&anonymous, "/alice", "curl", 401),
        (&anonymous, "/+status", "curl", 401),
        (&anonymous, "/alice/dev/+simple/", "curl", 401),
        (&anonymous, "/alice/dev/+simple/", CLIENT.1, 403),
        (
            &anonymous,
            "/alice/dev/+f/abc/0123456789abc/x.whl",
            "pip/24",
            401,
        ),
        (&eve, "/", "curl", 200),
        (&eve, "/alice/dev/+f/abc/0123456789abc/x.whl", "pip/24", 200),
        (
            &eve,
            "/alice/closed/+f/abc/0123456789abc/x.whl",
            "pip/24",
            403,
        ),
        (
            &alice,
            "/alice/closed/+f/abc/0123456789abc/x.whl",
            "pip/24",
            200,
        ),
    ] {
        let headers = [("x-original-uri", uri), ("user-agent", agent)];
        let answer = user.get_with("/+authcheck", &headers).await;
        assert_eq!(answer.status, status, "{uri} {agent}");
    }
}
