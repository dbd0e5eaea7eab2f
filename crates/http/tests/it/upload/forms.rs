use axum::body::Body;
use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::json;

use crate::support::{Form, Server};

#[tokio::test]
async fn an_upload_is_200_without_a_body_and_is_listed() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    for (path, file) in [
        ("/alice/dev/", Wheel::named("flask").build()),
        ("/alice/dev", Sdist::named("flask").build()),
    ] {
        let answer = alice.post_form(path, &Form::of(&file)).await;
        assert_eq!(answer.status, 200, "{} {}", answer.reason(), answer.text());
        assert!(answer.body.is_empty());
        let page = server.anonymous().get("/alice/dev/+simple/flask/").await;
        assert!(page.text().contains(&file.name));
    }
}

#[tokio::test]
async fn the_file_may_come_before_the_fields() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let file = Wheel::named("flask").build();
    let answer = alice
        .post_form("/alice/dev/", &Form::content_first(&file))
        .await;
    assert_eq!(answer.status, 200, "{} {}", answer.reason(), answer.text());
}

#[tokio::test]
async fn unknown_repeated_and_empty_fields_do_no_harm() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let file = Wheel::named("flask").build();
    let form = Form::fields_of(&file)
        .field("classifiers", "A :: B")
        .field("classifiers", "C :: D")
        .field("license", "UNKNOWN")
        .field("comment", "")
        .field("attestations", "[]")
        .field("something_new", "x")
        .content(&file.name, &file.bytes);
    let answer = alice.post_form("/alice/dev/", &form).await;
    assert_eq!(answer.status, 200, "{} {}", answer.reason(), answer.text());
    let release = alice.get_json("/alice/dev/flask/1.0").await.json();
    assert_eq!(
        release["result"]["classifiers"],
        json!(["A :: B", "C :: D"])
    );
    assert_eq!(release["result"]["license"], "");
}

#[tokio::test]
async fn a_submit_form_registers_a_release_in_either_encoding() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let form = Form::submit("flask", "1.0").field("summary", "small");
    let answer = alice.post_form("/alice/dev/", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.reason());
    let request = alice
        .request("POST", "/alice/dev/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(
            "%3Aaction=submit&name=flask&version=2.0&summary=gr%C3%B6%C3%9Fer+%2B",
        ))
        .unwrap();
    assert_eq!(server.send(request).await.status, 200);
    for (version, summary) in [("1.0", "small"), ("2.0", "größer +")] {
        let release = alice
            .get_json(&format!("/alice/dev/flask/{version}"))
            .await
            .json();
        assert_eq!(release["result"]["summary"], summary);
    }
}

#[tokio::test]
async fn the_same_bytes_again_are_fine_and_others_are_a_conflict() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server
        .index(&alice, "prod", json!({"volatile": false}))
        .await;
    let first = Wheel::named("flask").build();
    let other = Wheel::named("flask").file("flask/other.py", "pass").build();
    assert_eq!(first.name, other.name);
    alice.publish("alice/prod", &first).await;
    let again = alice.upload("alice/prod", &first).await;
    assert_eq!(again.status, 200);
    assert_eq!(
        again.reason(),
        "Upload of identical file to non volatile index."
    );
    server.index(&alice, "same", json!({})).await;
    alice.publish("alice/same", &first).await;
    let again = alice.upload("alice/same", &first).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.reason(), "Upload of identical file.");
    let conflict = alice.upload("alice/prod", &other).await;
    assert_eq!(conflict.status, 409);
    assert_eq!(
        conflict.reason(),
        format!("{} already exists in non-volatile index", first.name)
    );
    assert!(conflict.text().contains("already exists"), "for HTTP/2");
    let listed = server
        .anonymous()
        .get_with(
            "/alice/prod/+simple/flask/",
            &[("accept", "application/vnd.pypi.simple.v1+json")],
        )
        .await
        .json();
    assert_eq!(listed["files"][0]["hashes"]["sha256"], first.sha256);

    server.index(&alice, "dev", json!({})).await;
    alice.publish("alice/dev", &first).await;
    alice.publish("alice/dev", &other).await;
    let listed = server
        .anonymous()
        .get_with(
            "/alice/dev/+simple/flask/",
            &[("accept", "application/vnd.pypi.simple.v1+json")],
        )
        .await
        .json();
    assert_eq!(listed["files"][0]["hashes"]["sha256"], other.sha256);
}
