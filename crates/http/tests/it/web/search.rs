//! Finding projects: the pages and `pip search`.

use axum::body::Body;
use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::json;

use crate::support::{Answer, Server, User};

const BROWSER: (&str, &str) = ("accept", "text/html");

async fn submit(user: &User<'_>, index: &str, name: &str, version: &str, summary: &str) {
    super::submit(user, index, name, version, &[("summary", summary)]).await;
}

async fn search(user: &User<'_>, query: &str) -> Vec<String> {
    let answer = user
        .get_with(&format!("/+search?{query}"), &[BROWSER])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    found(&answer)
}

/// The first link of each row.
fn found(answer: &Answer) -> Vec<String> {
    let text = answer.text();
    let rows = text
        .split("<tr><td><a href=\"http://localhost:3141/")
        .skip(1);
    rows.map(|row| row.split('"').next().unwrap().to_owned())
        .collect()
}

async fn call(user: &User<'_>, path: &str, body: &str) -> Answer {
    let request = user
        .request("POST", path)
        .header("content-type", "text/xml")
        .body(Body::from(body.to_owned()))
        .unwrap();
    user.dispatch(request).await
}

/// What `pip search WORD…` sends.
fn pip_search(words: &[&str]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("<value><string>{word}</string></value>\n"))
        .collect();
    let words = words.concat();
    let field = |name| {
        format!(
            "<member>\n<name>{name}</name>\n<value><array><data>\n{words}</data></array></value>\n</member>\n"
        )
    };
    format!(
        "<?xml version='1.0'?>\n<methodCall>\n<methodName>search</methodName>\n<params>\n<param>\n\
         <value><struct>\n{}{}</struct></value>\n</param>\n<param>\n<value><string>or</string></value>\n\
         </param>\n</params>\n</methodCall>\n",
        field("name"),
        field("summary")
    )
}

#[tokio::test]
async fn projects_are_found_by_parts_of_their_names() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    server.index(&alice, "prod", json!({})).await;
    submit(&alice, "alice/dev", "Flask.Login", "1.0", "Logging in").await;
    submit(&alice, "alice/dev", "Flask.Login", "1.10rc1", "Newer").await;
    submit(&alice, "alice/dev", "my-flask", "0.1", "<b>Mine</b>").await;
    submit(&alice, "alice/prod", "flask", "3.0", "").await;
    let reader = server.anonymous();
    for (query, expected) in [
        (
            "query=Flask",
            &[
                "alice/prod/flask/3.0",
                "alice/dev/Flask.Login/1.10rc1",
                "alice/dev/my-flask/0.1",
            ][..],
        ),
        ("query=flask+login", &["alice/dev/Flask.Login/1.10rc1"]),
        ("query=FLASK_LOG*", &["alice/dev/Flask.Login/1.10rc1"]),
        ("query=name:ask+index:prod", &["alice/prod/flask/3.0"]),
        ("query=flask+user:bob", &[]),
        ("query=nothing", &[]),
        ("query=%25", &[]),
        ("query=", &[]),
        ("", &[]),
        ("query=flask&page=2", &[]),
        ("query=flask&page=18446744073709551615", &[]),
    ] {
        assert_eq!(search(&reader, query).await, expected, "{query}");
    }
    let answer = reader
        .get_with("/+search?query=my+%3Cb%3E", &[BROWSER])
        .await;
    assert!(answer.text().contains("value=\"my &lt;b&gt;\""));
    assert!(!answer.text().contains("<b>"));
    let answer = reader.get_with("/+search?query=my", &[BROWSER]).await;
    assert!(answer.text().contains("&lt;b&gt;Mine&lt;/b&gt;"));
    // The name of a hit leads to its page, however it is spelled.
    let answer = reader
        .get_with("/alice/dev/Flask.Login/1.10rc1", &[BROWSER])
        .await;
    assert_eq!(answer.status, 302);
    // These are pages and nothing else, as in devpi.
    assert_eq!(reader.get_json("/+search?query=x").await.status, 404);
    assert_eq!(reader.get_json("/+searchhelp").await.status, 404);
    let help = reader.get_with("/+searchhelp", &[BROWSER]).await;
    assert!(help.text().contains("user:bob"));
    let long = format!("/+search?query={}", "x".repeat(5000));
    assert_eq!(reader.get_with(&long, &[BROWSER]).await.status, 400);
}

#[tokio::test]
async fn what_is_found_comes_in_pages_of_ten() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    for number in 0..12 {
        submit(&alice, "alice/dev", &format!("many-{number:02}"), "1.0", "").await;
    }
    let reader = server.anonymous();
    let first = reader.get_with("/+search?query=many", &[BROWSER]).await;
    assert_eq!(found(&first).len(), 10);
    assert!(
        first
            .text()
            .contains("/+search?query=many&amp;page=2\">Next</a>")
    );
    assert!(first.text().contains("12 found."));
    let second = reader
        .get_with("/+search?query=many&page=2", &[BROWSER])
        .await;
    assert_eq!(
        found(&second),
        ["alice/dev/many-10/1.0", "alice/dev/many-11/1.0"]
    );
}

#[tokio::test]
async fn nothing_is_found_that_one_may_not_read() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let bob = server.user("bob").await;
    server.closed_and_dev(&alice).await;
    submit(&alice, "alice/closed", "secret-one", "1.0", "").await;
    submit(&alice, "alice/closed", "secret-two", "1.0", "").await;
    let both = ["alice/closed/secret-one/1.0", "alice/closed/secret-two/1.0"];
    assert_eq!(search(&alice, "query=secret").await, both);
    assert!(search(&bob, "query=secret").await.is_empty());
    assert!(search(&server.anonymous(), "query=secret").await.is_empty());
    let token = alice.token(&json!({"projects": ["secret-two"]})).await;
    assert_eq!(
        search(&alice.by_token(&token), "query=secret").await,
        both[1..]
    );

    let body = pip_search(&["secret"]);
    let answer = call(&alice, "/alice/dev", &body).await;
    assert_eq!(answer.text().matches("<name>name</name>").count(), 2);
    let answer = call(&bob, "/alice/dev", &body).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    assert_eq!(call(&bob, "/alice/closed", &body).await.status, 404);
    let answer = call(&server.anonymous(), "/alice/closed", &body).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").starts_with("Basic"));
}

#[tokio::test]
async fn a_mirror_is_looked_through_without_asking_the_upstream() {
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").version("1.0").build());
    upstream.publish(&Wheel::named("flask-login").version("2.0").build());
    let server = Server::start().await;
    server.mirror(&upstream).await;
    let reader = server.anonymous();
    assert!(search(&reader, "query=flask").await.is_empty());
    assert_eq!(upstream.requests().len(), 0);
    // Once the list is known, and a version once somebody asked for it.
    reader.get("/root/mirror/+simple/").await;
    reader.get("/root/mirror/+simple/flask/").await;
    let asked = upstream.requests().len();
    assert_eq!(
        search(&reader, "query=flask").await,
        ["root/mirror/flask/1.0", "root/mirror/flask-login"]
    );
    // What a hosted index has is found there, and not in the mirror behind it.
    let alice = server.user("alice").await;
    server
        .index(&alice, "dev", json!({"bases": ["root/mirror"]}))
        .await;
    submit(&alice, "alice/dev", "flask", "9", "Ours").await;
    let answer = call(&reader, "/alice/dev/", &pip_search(&["flask", "django"])).await;
    let text = answer.text();
    assert_eq!(text.matches("<name>name</name>").count(), 2, "{text}");
    assert!(text.contains("<string>[alice/dev] Ours</string>"), "{text}");
    assert!(text.contains("<string>[root/mirror]</string>"), "{text}");
    assert_eq!(upstream.requests().len(), asked);
}

#[tokio::test]
async fn pip_is_answered_in_xml() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    submit(&alice, "alice/dev", "My.Pkg", "1.0", "A < B").await;
    let answer = call(&server.anonymous(), "/alice/dev", &pip_search(&["pkg"])).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
    assert_eq!(
        answer.text(),
        "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n\
         <value><struct>\n\
         <member>\n<name>name</name>\n<value><string>My.Pkg</string></value>\n</member>\n\
         <member>\n<name>summary</name>\n<value><string>[alice/dev] A &lt; B</string></value>\n</member>\n\
         <member>\n<name>version</name>\n<value><string>1.0</string></value>\n</member>\n\
         <member>\n<name>_pypi_ordering</name>\n<value><int>0</int></value>\n</member>\n\
         </struct></value>\n</data></array></value>\n</param>\n</params>\n</methodResponse>\n"
    );
    let unknown = pip_search(&["pkg"]).replace(">search<", ">foo<");
    for (body, fault) in [
        (unknown.as_str(), "ValueError(\"Unknown method 'foo'.\")"),
        ("<a", "malformed"),
        ("", "no &lt;methodCall&gt;"),
    ] {
        let answer = call(&server.anonymous(), "/alice/dev", body).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("<fault>"), "{}", answer.text());
        assert!(answer.text().contains(fault), "{}", answer.text());
    }
    let large = " ".repeat(100_000);
    let answer = call(&server.anonymous(), "/alice/dev", &large).await;
    assert_eq!(answer.status, 413);
    let answer = call(&server.anonymous(), "/alice/none", &pip_search(&["x"])).await;
    assert_eq!(answer.status, 404);
}
