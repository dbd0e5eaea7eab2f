use serde_json::json;

use crate::support::Server;

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
