//! An index that not everybody may read, with nginx sending the bytes.

use cheeseshop_test_support::{Wheel, noise};
use reqwest::StatusCode;
use serde_json::json;

use super::{ACCEL, Site, Visitor, header, wait_for_lines};

#[tokio::test(flavor = "multi_thread")]
async fn permission_is_asked_for_each_file_though_nginx_sends_it() {
    let site = Site::start(&[ACCEL], &[]);
    let bob = site.server.new_user("bob", "secret").await;
    let eve = site.user("eve", "other").await;
    let config = json!({"bases": [], "acl_read": ["bob"]});
    bob.create_index("bob/closed", &config).await;
    let file = Wheel::named("big")
        .file("big/data.bin", noise(700_000))
        .build();
    bob.upload("bob/closed", &file).await;
    let listed = bob.files("bob/closed", "big").await;
    let path = listed[0].url.replace(&site.server.url, "");
    let anonymous = site.visitor();
    let insider = site.visitor().with_login("bob", "secret");
    for headers in [&[][..], &[("range", "bytes=0-9")]] {
        let answer = insider.get_with(&path, headers).await;
        assert!(answer.status().is_success());
        assert_eq!(header(&answer, "vary"), "Authorization, Cookie");
        assert!(header(&answer, "cache-control").contains("private"));
        // Right after it, and so with whatever a shared cache would have kept.
        let refused = anonymous.get_with(&path, headers).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert!(refused.headers().contains_key("www-authenticate"));
        let refused = eve.get_with(&path, headers).await;
        assert!(
            [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&refused.status()),
            "{refused:?}"
        );
        assert!(refused.bytes().await.unwrap().len() < 1000);
    }
    let wrong = site.visitor().with_login("bob", "wrong");
    assert_eq!(wrong.get(&path).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_callers_say_of_where_they_come_from_is_dropped() {
    let site = Site::start(&[], &[]);
    let visitor = site.visitor();
    let spoofed = [
        ("forwarded", "for=6.6.6.6;host=evil.test;proto=http"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "http"),
        ("x-real-ip", "6.6.6.6"),
        ("x-outside-url", "http://evil.test/"),
        ("x-request-id", "chosen-by-a-caller"),
    ];
    let answer = visitor.get_with("/+api", &spoofed).await;
    assert!(!header(&answer, "x-request-id").contains("chosen"));
    let document: serde_json::Value =
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(
        document["result"]["login"],
        format!("{}/+login", visitor.url)
    );
    wait_for_lines(&site.server, 1, |line| {
        line.contains("GET /+api 200") && line.contains("client.address=127.0.0.1")
    });
    assert!(!site.server.log().contains("6.6.6.6"));
    // Another site's name is not this site.
    let visitor = Visitor::configured(
        &site.authority,
        site.port,
        reqwest::ClientBuilder::http1_only,
    );
    let answer = visitor.get_with("/+api", &[("host", "evil.test")]).await;
    assert_eq!(answer.status().as_u16(), 421);
}
