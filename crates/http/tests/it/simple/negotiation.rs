//! PEP 691 over the wire; the whole table of qualities is beside the code.

use cheeseshop_test_support::Wheel;

use crate::support::Server;

const JSON: &str = "application/vnd.pypi.simple.v1+json";

#[tokio::test]
async fn a_page_comes_in_the_form_that_was_asked_for() {
    let server = Server::stocked().await;
    for (accept, status, content_type) in [
        (None, 200, "text/html; charset=utf-8"),
        (Some("*/*"), 200, "text/html; charset=utf-8"),
        (Some("text/html"), 200, "text/html; charset=utf-8"),
        (Some(JSON), 200, JSON),
        (
            Some("application/vnd.pypi.simple.v1+html"),
            200,
            "application/vnd.pypi.simple.v1+html",
        ),
        (Some("application/vnd.pypi.simple.latest+json"), 200, JSON),
        (
            Some(
                "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
            ),
            200,
            JSON,
        ),
        (Some("application/json"), 200, JSON),
        (Some("image/png"), 406, "text/plain; charset=utf-8"),
    ] {
        for path in ["/alice/dev/+simple/flask/", "/alice/dev/+simple/"] {
            // Twice: the second answer comes from memory.
            for _ in 0..2 {
                let headers: Vec<_> = accept.iter().map(|value| ("accept", *value)).collect();
                let answer = server.anonymous().get_with(path, &headers).await;
                assert_eq!(answer.status, status, "{accept:?}");
                assert_eq!(answer.header("content-type"), content_type, "{accept:?}");
                if status == 200 {
                    assert_eq!(answer.header("vary"), "Accept, Accept-Encoding");
                }
            }
        }
    }
}

#[tokio::test]
async fn html_and_json_list_the_same_files() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    for version in ["1.0", "1.1", "2.0"] {
        alice
            .publish("alice/dev", &Wheel::named("flask").version(version).build())
            .await;
    }
    let path = "/alice/dev/+simple/flask/";
    let json = server.anonymous().get_with(path, &[("accept", JSON)]).await;
    let html = server.anonymous().get(path).await.text();
    let names = json.file_names();
    assert_eq!(names.len(), 3);
    for name in &names {
        assert!(html.contains(&format!(">{name}</a>")), "{name} in {html}");
    }
    assert_eq!(html.matches("<a ").count(), 3);
}

#[tokio::test]
async fn bodies_are_encoded_as_the_client_can_read() {
    let server = Server::stocked().await;
    let path = "/alice/dev/+simple/flask/";
    let plain = server.anonymous().get(path).await;
    assert_eq!(plain.header("content-encoding"), "");
    let mut tags = vec![plain.header("etag").to_owned()];
    for (accepted, encoding, magic) in [
        ("gzip", "gzip", &[0x1f, 0x8b][..]),
        ("gzip, deflate, zstd", "zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        for _ in 0..2 {
            let answer = server
                .anonymous()
                .get_with(path, &[("accept-encoding", accepted)])
                .await;
            assert_eq!(answer.header("content-encoding"), encoding);
            assert!(answer.body.starts_with(magic));
            assert_eq!(
                answer.header("content-length"),
                answer.body.len().to_string()
            );
            if !tags.contains(&answer.header("etag").to_owned()) {
                tags.push(answer.header("etag").to_owned());
            }
        }
    }
    let json = server.anonymous().get_with(path, &[("accept", JSON)]).await;
    tags.push(json.header("etag").to_owned());
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 4, "every representation has its own tag");
}
