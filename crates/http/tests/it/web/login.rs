//! Logging in and out in a browser.

use axum::body::Body;
use cheeseshop_http::HttpSettings;
use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::json;

use crate::support::{Answer, Server};

/// As Firefox asks for pages.
const BROWSER: (&str, &str) = (
    "accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
);

async fn post(server: &Server, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
    let mut request = server
        .anonymous()
        .request("POST", path)
        .header(BROWSER.0, BROWSER.1)
        .header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server
        .send(request.body(Body::from(form.to_owned())).unwrap())
        .await
}

const FORM: &str = "username=alice&password=alice-secret&submit=";

/// The cookie as a browser sends it back.
fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_form_gives_a_cookie_that_reads_and_writes_nothing() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server
        .index(&alice, "dev", json!({"acl_read": ["alice"]}))
        .await;
    let anonymous = server.anonymous();
    let page = anonymous.get_with("/+login", &[BROWSER]).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("name=\"password\""));
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self'"),
        "{page:?}"
    );

    let answer = post(&server, "/+login?goto_url=/alice/dev/+simple/", &[], FORM).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), "/alice/dev/+simple/");
    let cookie = answer.header("set-cookie");
    for part in [
        "; Path=/;",
        "; Max-Age=36000;",
        "; HttpOnly;",
        "; SameSite=Lax",
    ] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let cookie = cookie_of(&answer);
    let with_cookie = [BROWSER, ("cookie", cookie.as_str())];
    assert_eq!(
        anonymous
            .get_with("/alice/dev/+simple/", &[BROWSER])
            .await
            .status,
        401
    );
    let answer = anonymous
        .get_with("/alice/dev/+simple/", &with_cookie)
        .await;
    assert_eq!(answer.status, 200);
    let page = anonymous.get_with("/+login", &with_cookie).await;
    assert!(page.text().contains("logged in as <strong>alice</strong>"));

    for (method, path) in [
        ("DELETE", "/alice/dev"),
        ("PATCH", "/alice/dev"),
        ("PUT", "/alice/x"),
    ] {
        let answer = anonymous.send(method, path, &with_cookie).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 401 | 403),
            "{method} {answer:?}"
        );
    }
    assert_eq!(alice.get_json("/alice/dev").await.status, 200);
    assert_eq!(alice.get_json("/alice/x").await.status, 404);

    // A changed password ends it.
    alice
        .json("PATCH", "/alice", &json!({"password": "another one"}))
        .await;
    let answer = anonymous
        .get_with("/alice/dev/+simple/", &with_cookie)
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_wrong_password_gives_the_form_again() {
    let server = Server::start().await;
    server.user("alice").await;
    let form = "username=%3Cb%3E&password=wrong";
    let answer = post(&server, "/+login?goto_url=/alice", &[], form).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("www-authenticate"),
        "",
        "the browser would put its window before"
    );
    assert_eq!(answer.header("set-cookie"), "");
    let text = answer.text();
    assert!(
        text.contains("user &#39;&lt;b&gt;&#39; could not be authenticated"),
        "{text}"
    );
    for number in 0..20 {
        let form = format!("username=alice&password=wrong-{number}");
        let answer = post(&server, "/+login", &[], &form).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            return;
        }
    }
    panic!("nobody was told to wait");
}

#[tokio::test]
async fn pages_of_other_sites_log_nobody_in_or_out() {
    let server = Server::start().await;
    server.user("alice").await;
    for headers in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for path in ["/+login", "/+logout"] {
            let answer = post(&server, path, &[headers], FORM).await;
            assert_eq!(answer.status, 403, "{path}");
            assert_eq!(answer.header("set-cookie"), "");
        }
    }
    let own = [("origin", "http://localhost:3141")];
    assert_eq!(post(&server, "/+login", &own, FORM).await.status, 302);
}

#[tokio::test]
async fn what_a_cookie_cannot_do_is_not_offered() {
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    let server = Server::start().await;
    server.mirror(&upstream).await;
    let alice = server.user("alice").await;
    let config = json!({"acl_read": ["alice"], "bases": ["root/mirror"]});
    server.index(&alice, "closed", config).await;
    let cookie = cookie_of(&post(&server, "/+login", &[], FORM).await);
    let with_cookie = [BROWSER, ("cookie", cookie.as_str())];
    let (closed, open) = ("/alice/closed/flask", "/root/mirror/flask");
    for (user, path, headers, is_offered) in [
        (&alice, closed, &[BROWSER][..], true),
        (&server.anonymous(), closed, &with_cookie, false),
        (&server.anonymous(), open, &with_cookie, true),
    ] {
        let page = user.get_with(path, headers).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let offers = page.text().contains(&format!("{path}/refresh\""));
        assert_eq!(offers, is_offered, "{path} {headers:?}");
        let asked = user.send("POST", &format!("{path}/refresh"), headers).await;
        assert_eq!(asked.status == 302, is_offered, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn logging_out_takes_the_cookie_away() {
    let server = Server::start().await;
    let page = server.anonymous().get_with("/+logout", &[BROWSER]).await;
    assert_eq!(page.status, 200);
    let answer = post(&server, "/+logout", &[], "submit=").await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), "/");
    assert!(
        answer
            .header("set-cookie")
            .starts_with("auth_tkt=; Path=/; Max-Age=0;")
    );
    assert_eq!(server.anonymous().get("/+logout").await.status, 404);
    assert_eq!(server.anonymous().get_json("/+login").await.status, 404);
}

#[tokio::test]
async fn below_a_path_and_over_tls_the_cookie_stays_there() {
    let http = HttpSettings {
        outside_url: Some("https://shop.test/pypi".parse().unwrap()),
        ..HttpSettings::default()
    };
    let server = Server::with(cheeseshop_app::Settings::default(), http).await;
    server.user("alice").await;
    let answer = post(&server, "/pypi/+login", &[], FORM).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), "/pypi/");
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.contains("; Path=/pypi;") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
}
