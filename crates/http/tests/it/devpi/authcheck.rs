use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{Server, file_path};

#[tokio::test]
async fn nginx_is_told_who_may_read_what() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server.index(&alice, "public", json!({})).await;
    server
        .index(&alice, "private", json!({"acl_read": ["alice"]}))
        .await;
    let private = "/alice/private/+f/abc/0123456789abc/x-1.0.tar.gz";
    let public = "/alice/public/+f/abc/0123456789abc/x-1.0.tar.gz?x=1";
    let anonymous = server.anonymous();
    for (user, uri, agent, status) in [
        (&anonymous, "/+login", "curl", 200),
        (&anonymous, "/alice/private/+api", "curl", 200),
        (&anonymous, "/+static/0/cheeseshop.css", "curl", 200),
        (&anonymous, "/+static/0/..%2f..%2fx", "curl", 403),
        (&anonymous, "/", "curl", 200),
        (&anonymous, public, "curl", 200),
        (&anonymous, private, "curl", 401),
        (&anonymous, private, "devpi-client/7.3.0 (py3)", 403),
        (&eve, private, "curl", 403),
        (&alice, private, "curl", 200),
        (&alice, "/alice/none/+simple/", "curl", 403),
        (&alice, "/a%00b/none/x", "curl", 403),
        // nginx takes these apart before it looks for the file.
        (
            &anonymous,
            "/alice/public/../private/+f/abc/0123456789abc/x",
            "curl",
            403,
        ),
        (
            &anonymous,
            "/alice/public/%2e%2e/private/+f/abc/x",
            "curl",
            403,
        ),
        (
            &anonymous,
            "/alice/public/.%2E/private/+f/abc/x",
            "curl",
            403,
        ),
        (
            &anonymous,
            "/alice/public/+f/..%2f..%2fprivate/x",
            "curl",
            403,
        ),
        (&anonymous, "/alice/public/x%5c..%5cprivate", "curl", 403),
        (
            &anonymous,
            "/./alice/private/+f/abc/0123456789abc/x",
            "curl",
            403,
        ),
        (
            &anonymous,
            "/alice/private/+f/abc/0123456789abc/x/+api",
            "curl",
            401,
        ),
        (
            &anonymous,
            "/alice/private/+simple/x/..%2f+api",
            "curl",
            403,
        ),
        (
            &anonymous,
            "//alice//private//+f/abc/0123456789abc/x",
            "curl",
            401,
        ),
    ] {
        let headers = [("x-original-uri", uri), ("user-agent", agent)];
        let answer = user.get_with("/+authcheck", &headers).await;
        assert_eq!(answer.status, status, "{uri} {agent}");
    }
    assert_eq!(alice.get("/+authcheck").await.status, 403);
}

#[tokio::test]
async fn nginx_is_told_which_projects_a_token_covers() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let closed = json!({"acl_read": ["alice"]});
    server.index(&alice, "private", closed).await;
    let heir = json!({"bases": ["alice/private"]});
    server.index(&alice, "public", heir).await;
    let (mine, other) = (Wheel::named("mine").build(), Wheel::named("other").build());
    for wheel in [&mine, &other] {
        alice.publish("alice/private", wheel).await;
    }
    let open = Wheel::named("open").build();
    alice.publish("alice/public", &open).await;
    let (mine, other, open) = (file_path(&mine), file_path(&other), file_path(&open));
    let token = alice.token(&json!({"projects": ["Mine"]})).await;
    let limited = alice.by_token(&token);
    for (uri, by_token, by_password) in [
        ("/alice/private/", 200, 200),
        ("/alice/private/+simple/", 200, 200),
        ("/alice/private/+findlinks", 200, 200),
        ("/alice/private/+simple/mine/", 200, 200),
        ("/alice/private/+simple/other/", 403, 200),
        ("/alice/private/%2Bsimple/other/", 403, 200),
        ("/alice/private/MINE/1.0/+doc/index.html", 200, 200),
        ("/alice/private/other/1.0/+doc/index.html", 403, 200),
        ("/alice/private/other", 403, 200),
        (&format!("/alice/private/{mine}"), 200, 200),
        (&format!("/alice/private/{mine}.metadata"), 200, 200),
        (&format!("/alice/private/{other}"), 403, 200),
        (
            &format!("/alice/private//{other}?x=/+simple/mine"),
            403,
            200,
        ),
        (&format!("/alice/private/{other}.metadata"), 403, 200),
        (&format!("/alice/public/{mine}"), 200, 200),
        (&format!("/alice/public/{other}"), 403, 200),
        // What everybody may read, a token takes from nobody.
        (&format!("/alice/public/{open}"), 200, 200),
        ("/alice/public/+simple/open/", 200, 200),
        // Of what it is, nobody can tell.
        (
            "/alice/private/+f/abc/0123456789abc/mine-1.0.tar.gz",
            403,
            200,
        ),
        ("/alice/private/+f/abc/0123456789abc", 403, 200),
        ("/alice/private/+e/mine/mine-1.0.tar.gz", 403, 200),
        ("/alice/private/+later/mine", 403, 200),
        ("/alice/private/%21/1.0", 403, 200),
    ] {
        for (user, expected) in [(&limited, by_token), (&alice, by_password)] {
            let answer = user
                .get_with("/+authcheck", &[("x-original-uri", uri)])
                .await;
            assert_eq!(answer.status, expected, "{uri}");
        }
    }
}
