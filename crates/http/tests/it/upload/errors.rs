use axum::body::Body;
use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::json;

use crate::support::{FORM_TYPE, Form, Server};

#[tokio::test]
async fn the_reason_phrase_says_what_is_wrong() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let file = Wheel::named("flask").build();
    let fields = || Form::fields_of(&file);
    let bare = |action: &str| {
        Form::new()
            .field(":action", action)
            .field("name", "flask")
            .field("version", "1.0")
    };
    for (form, reason) in [
        (fields(), "content file field not found"),
        (bare("frobnicate"), "action 'frobnicate' not supported"),
        (
            bare("file_upload").content("flask-1.0.tar.xz", b"x"),
            "'flask-1.0.tar.xz' is not a valid archive name",
        ),
        (
            bare("file_upload").content("django-1.0.tar.gz", b"x"),
            "filename 'django-1.0.tar.gz' does not match project name 'flask'",
        ),
        (
            bare("file_upload").content("flask-2.0.tar.gz", b"x"),
            "filename 'flask-2.0.tar.gz' does not contain version '1.0'",
        ),
    ] {
        let answer = alice.post_form("/alice/dev/", &form).await;
        assert_eq!(answer.status, 400, "{reason}");
        assert_eq!(answer.reason(), reason);
        assert_eq!(answer.text(), format!("{reason}\n"));
    }
    let page = server.anonymous().get("/alice/dev/+simple/flask/").await;
    assert_eq!(page.status, 404, "a refused upload changes nothing");
}

#[tokio::test]
async fn whoever_may_not_upload_is_told_so() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let eve = server.user("eve").await;
    server.index(&alice, "dev", json!({})).await;
    let upstream = Upstream::start().await;
    server.mirror(&upstream).await;
    let file = Wheel::named("flask").build();

    let anonymous = server.anonymous().upload("alice/dev", &file).await;
    assert_eq!(anonymous.status, 401);
    assert_eq!(anonymous.reason(), "Unauthorized: no permission to submit");
    assert_eq!(anonymous.header("www-authenticate"), "Basic realm=\"pypi\"");
    let wrong = crate::support::User::with_password(&server, "alice", "wrong");
    let wrong = wrong.upload("alice/dev", &file).await;
    assert_eq!(wrong.status, 401);
    let blame = "name or password is wrong, or the login has expired (no permission to submit)";
    assert_eq!(wrong.reason(), format!("Unauthorized: {blame}"));
    assert_eq!(wrong.text(), format!("{blame}\n"));
    let eve = eve.upload("alice/dev", &file).await;
    assert_eq!(eve.status, 403);
    assert_eq!(eve.reason(), "no permission to submit");
    let mirror = server.root().upload("root/mirror", &file).await;
    assert_eq!(mirror.status, 404);
    assert_eq!(mirror.reason(), "cannot submit to mirror index");
    let nowhere = alice.upload("alice/none", &file).await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.reason(), "The stage alice/none could not be found.");
}

#[tokio::test]
async fn an_upload_to_the_installers_url_names_the_right_one() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let file = Wheel::named("flask").build();
    for path in [
        "/alice/dev/+simple/",
        "/alice/dev/+simple",
        "/alice/dev/+simple/flask/",
    ] {
        let answer = alice.post_form(path, &Form::of(&file)).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.header("allow"), "GET, HEAD");
        for text in [answer.reason().to_owned(), answer.text()] {
            assert!(text.contains("http://localhost:3141/alice/dev/"), "{text}");
        }
    }
}

#[tokio::test]
async fn devpis_client_gets_the_message_as_json_too() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let form = Form::new().field(":action", "nonsense");
    let request = alice
        .request("POST", "/alice/dev/")
        .header("accept", "application/json")
        .header("content-type", FORM_TYPE)
        .body(Body::from(form.body()))
        .unwrap();
    let answer = server.send(request).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.message(), answer.reason());
}

#[tokio::test]
async fn malformed_forms_are_400() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    for (content_type, body) in [
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=abc", "no boundary in here"),
        (
            "multipart/form-data; boundary=abc",
            "--abc\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a.whl\"\r\n\r\nunended",
        ),
        ("application/json", "{not json"),
        ("text/plain", ":action=submit"),
    ] {
        let request = alice
            .request("POST", "/alice/dev/")
            .header("content-type", content_type)
            .body(Body::from(body))
            .unwrap();
        let answer = server.send(request).await;
        assert_eq!(answer.status, 400, "{content_type} {body}");
    }
    let request = alice
        .request("POST", "/alice/dev/")
        .body(Body::from("rubbish"))
        .unwrap();
    let answer = server.send(request).await;
    assert_eq!(answer.message(), "Bad request: could not decode json");
}

#[tokio::test]
async fn nothing_from_a_request_gets_into_the_status_line() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    let form = Form::new()
        .field(":action", "a\r\nX-Evil: 1\r\n\r\n<b>grün</b>")
        .field("name", "flask")
        .field("version", "1.0");
    let answer = alice.post_form("/alice/dev/", &form).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .reason()
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte)),
        "{:?}",
        answer.reason()
    );
    assert_eq!(answer.header("x-evil"), "");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}
