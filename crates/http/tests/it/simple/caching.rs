use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::json;

use crate::support::Server;

const PAGE: &str = "/alice/dev/+simple/flask/";

#[tokio::test]
async fn only_a_matching_tag_gets_a_304() {
    let server = Server::stocked().await;
    let anonymous = server.anonymous();
    let first = anonymous.get(PAGE).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "strong: {tag}");
    let weak = format!("W/{tag}");
    let several = format!("\"x\", {tag}");
    for (sent, status) in [
        (tag.as_str(), 304),
        (weak.as_str(), 304),
        (several.as_str(), 304),
        ("*", 304),
        ("\"other\"", 200),
        ("", 200),
    ] {
        let answer = anonymous.get_with(PAGE, &[("if-none-match", sent)]).await;
        assert_eq!(answer.status, status, "{sent}");
        for name in ["etag", "cache-control", "vary"] {
            assert_eq!(answer.header(name), first.header(name), "{sent} {name}");
        }
        if status == 304 {
            assert!(answer.body.is_empty());
            assert_eq!(answer.header("content-type"), "");
        }
    }
    // The tag of one encoding does not stand for another.
    let answer = anonymous
        .get_with(
            PAGE,
            &[("if-none-match", &tag), ("accept-encoding", "gzip")],
        )
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn head_gives_the_headers_of_get() {
    let server = Server::stocked().await;
    let file = Wheel::named("flask").build();
    let file_path = format!("/alice/dev/{}", crate::support::file_path(&file));
    for path in [
        PAGE,
        "/alice/dev/+simple/",
        "/alice/dev",
        "/alice/dev/flask",
        file_path.as_str(),
    ] {
        for _ in 0..2 {
            let get = server.anonymous().get(path).await;
            let head = server.anonymous().send("HEAD", path, &[]).await;
            assert_eq!(get.status, 200, "{path}");
            assert_eq!(head.status, 200, "{path}");
            assert!(head.body.is_empty(), "{path}");
            for name in [
                "content-type",
                "etag",
                "cache-control",
                "vary",
                "last-modified",
            ] {
                assert_eq!(head.header(name), get.header(name), "{path} {name}");
            }
            assert_eq!(
                head.header("content-length"),
                get.body.len().to_string(),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn pages_live_as_long_as_their_index_allows() {
    let server = Server::stocked().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("django").build());
    server.mirror(&upstream).await;
    let alice = server.user("alicia").await;
    server
        .index(&alice, "private", json!({"acl_read": ["alicia"]}))
        .await;
    alice
        .publish("alicia/private", &Wheel::named("secret").build())
        .await;

    let hosted = server.anonymous().get(PAGE).await;
    assert_eq!(hosted.header("cache-control"), "no-cache");
    let mirrored = server.anonymous().get("/root/mirror/+simple/django/").await;
    assert_eq!(mirrored.status, 200, "{}", mirrored.text());
    assert_eq!(mirrored.header("cache-control"), "max-age=600");
    for path in [
        "/alicia/private/+simple/secret/",
        "/alicia/private/+simple/",
    ] {
        let private = alice.get(path).await;
        assert_eq!(private.status, 200);
        assert_eq!(private.header("cache-control"), "private, no-cache");
        assert_eq!(
            private.header("vary"),
            "Accept, Accept-Encoding, Authorization, Cookie"
        );
    }
}

#[tokio::test]
async fn a_page_of_a_mirror_is_promised_for_no_longer_than_it_is_believed_here() {
    let server = Server::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("django").build());
    for (expiry, promises) in [
        (0, ["no-cache", "no-cache"]),
        (1, ["max-age=1", "max-age=1"]),
        (2, ["max-age=2", "max-age=1"]),
        (602, ["max-age=600", "max-age=600"]),
        (600, ["max-age=600", "max-age=599"]),
    ] {
        let config = json!({
            "type": "mirror",
            "mirror_url": upstream.url(),
            "mirror_cache_expiry": expiry,
        });
        let name = format!("mirror{expiry}");
        server.index(&server.root(), &name, config).await;
        for page in ["", "django/"] {
            let path = format!("/root/{name}/+simple/{page}");
            for promise in promises {
                // Twice: from the work, and from memory.
                for _ in 0..2 {
                    let answer = server.anonymous().get(&path).await;
                    assert_eq!(answer.status, 200, "{path}");
                    assert_eq!(answer.header("cache-control"), promise, "{path}");
                }
                server.clock.advance(jiff::SignedDuration::from_secs(1));
            }
        }
    }
}

#[tokio::test]
async fn documents_and_errors_are_not_kept_by_caches() {
    let server = Server::stocked().await;
    for path in [
        "/alice/dev",
        "/+api",
        "/alice/dev/+simple/nothing/",
        "/nobody",
    ] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}
