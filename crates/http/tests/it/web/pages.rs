//! The pages that people walk through, and who gets them.

use cheeseshop_test_support::{DocumentationArchive, Upstream, Wheel};
use serde_json::json;

use super::submit;
use crate::support::{Answer, Form, Server, User, file_path};

/// As Firefox asks for pages.
const BROWSER: (&str, &str) = (
    "accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
);

async fn page(user: &User<'_>, path: &str) -> Answer {
    let answer = user.get_with(path, &[BROWSER]).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(
        answer.header("content-type"),
        "text/html; charset=utf-8",
        "{path}"
    );
    answer
}

fn assert_holds(answer: &Answer, parts: &[&str]) {
    for part in parts {
        assert!(
            answer.text().contains(part),
            "`{part}` is missing in {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn every_place_has_a_page_that_leads_on() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server.index(&alice, "base", json!({})).await;
    server
        .index(
            &alice,
            "dev",
            json!({"bases": ["alice/base"], "title": "Ours"}),
        )
        .await;
    let wheel = Wheel::named("flask").version("1.0").build();
    alice.publish("alice/dev", &wheel).await;
    alice
        .publish("alice/base", &Wheel::named("flask").version("2.0").build())
        .await;
    let zip = DocumentationArchive::saying("hello").build();
    let form = Form::new()
        .field(":action", "doc_upload")
        .field("name", "flask")
        .field("version", "1.0")
        .content("flask.zip", &zip);
    assert_eq!(alice.post_form("/alice/dev/", &form).await.status, 200);
    let path = format!("/alice/dev/{}", file_path(&wheel));
    let report = json!({"testenvs": {}, "host": "h", "platform": "p"});
    assert_eq!(alice.json("POST", &path, &report).await.status, 200);

    let reader = server.anonymous();
    let here = "<a href=\"http://localhost:3141";
    let root = page(&reader, "/").await;
    assert_holds(
        &root,
        &[
            &format!("{here}/alice\">alice</a>"),
            &format!("{here}/alice/dev\">alice/dev</a> (Ours)"),
            "goto_url=%2F\">Log in</a>",
        ],
    );
    let user = page(&reader, "/alice").await;
    assert_holds(&user, &[&format!("{here}/alice/base\">alice/base</a>")]);
    let index = page(&reader, "/alice/dev").await;
    assert_holds(
        &index,
        &[
            "<title>alice/dev index</title>",
            "--index-url http://localhost:3141/alice/dev/+simple/",
            "acl_read</th><td>:ANONYMOUS:</td>",
            "acl_upload</th><td>alice</td>",
            &format!("bases</th><td>{here}/alice/base\">alice/base</a>"),
            &format!("{here}/alice/dev/flask\">flask</a>"),
        ],
    );
    let project = page(&reader, "/alice/dev/flask").await;
    assert_holds(
        &project,
        &[
            "<title>alice/dev/: flask versions</title>",
            &format!("{here}/alice/dev/flask/latest\">1.0</a>"),
            &format!("{here}/alice/dev/flask/1.0\">1.0</a>"),
            &format!("{here}/alice/base/flask/2.0\">2.0</a>"),
            &format!("{here}/alice/dev/flask/1.0/+d/index.html\">Documentation</a>"),
        ],
    );
    let text = project.text();
    assert!(
        text.find("flask/2.0\"") < text.find("flask/1.0\""),
        "the newest comes first: {text}"
    );
    let release = page(&reader, "/alice/dev/flask/1.0/").await;
    assert_holds(
        &release,
        &[
            "<title>alice/dev/: flask-1.0 metadata and description</title>",
            &format!("{here}{path}\">{}</a>", wheel.name),
            &format!("<td>{}</td>", wheel.bytes.len()),
            &wheel.sha256,
            &format!(
                "{here}/alice/dev/flask/1.0/+toxresults/{}\">1</a>",
                wheel.name
            ),
            "upload by alice to alice/dev, 2026-09-01 12:00:00 UTC",
        ],
    );
    let known = page(&alice, "/alice/dev").await;
    assert_holds(&known, &["alice <a href=\"http://localhost:3141/+logout\""]);
}

#[tokio::test]
async fn whoever_does_not_ask_for_html_by_name_gets_the_documents() {
    let server = Server::stocked().await;
    for path in [
        "/",
        "/alice",
        "/alice/dev",
        "/alice/dev/flask",
        "/alice/dev/flask/1.0",
    ] {
        for accept in [
            "*/*",
            "application/json",
            "text/html;q=0.1, application/json",
            "text/html;q=0, */*",
            "application/xhtml+xml, */*",
        ] {
            let answer = server
                .anonymous()
                .get_with(path, &[("accept", accept)])
                .await;
            assert_eq!(
                answer.header("content-type"),
                "application/json",
                "{path} {accept}"
            );
        }
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
    }
    // Installers go to the simple pages, whatever they accept.
    let answer = server
        .anonymous()
        .get_with("/alice/dev/flask", &[BROWSER, ("user-agent", "pip/24")])
        .await;
    assert_eq!(answer.status, 302);
}

#[tokio::test]
async fn pages_are_for_the_one_who_asks_and_run_nothing() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let bob = server.user("bob").await;
    server.closed_and_dev(&alice).await;
    alice
        .publish("alice/closed", &Wheel::named("secret").build())
        .await;
    for path in ["/", "/alice", "/alice/dev"] {
        let own = page(&alice, path).await;
        assert!(own.text().contains("alice/closed"), "{path}");
        let answer = page(&bob, path).await;
        assert!(!answer.text().contains("closed"), "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'none';")
        );
        assert_eq!(answer.header("cache-control"), "no-cache, private");
        for name in ["Accept", "Authorization", "Cookie"] {
            assert!(answer.header("vary").contains(name), "{path}");
        }
    }
    for path in [
        "/alice/closed",
        "/alice/closed/secret",
        "/alice/closed/secret/1.0",
        "/alice/closed/secret/latest",
        "/alice/dev/secret",
        "/alice/dev/secret/latest",
    ] {
        assert_eq!(bob.get_with(path, &[BROWSER]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_people_write_stays_text() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let evil = "<script>alert('x')</script>\"";
    let config = json!({"title": evil, "description": {"a": evil}, "custom_data": evil});
    server.index(&alice, "dev", config).await;
    let patch = json!({"title": evil, "description": [evil]});
    assert_eq!(alice.json("PATCH", "/alice", &patch).await.status, 200);
    submit(
        &alice,
        "alice/dev",
        "flask",
        "1.0",
        &[
            ("summary", evil),
            ("description", evil),
            ("author", evil),
            ("home_page", "javascript:alert(1)"),
            ("project_urls", "Code, https://code.test/?a=1&b=2"),
            ("project_urls", "Evil, javascript:alert(2)"),
            ("license", "UNKNOWN"),
        ],
    )
    .await;
    for path in [
        "/",
        "/alice",
        "/alice/dev",
        "/alice/dev/flask",
        "/alice/dev/flask/1.0",
    ] {
        let answer = page(&server.anonymous(), path).await;
        assert_holds(&answer, &["&lt;script&gt;"]);
        assert!(!answer.text().contains("<script"), "{}", answer.text());
    }
    let release = page(&server.anonymous(), "/alice/dev/flask/1.0").await;
    assert_holds(
        &release,
        &["href=\"https://code.test/?a=1&amp;b=2\">Code</a>"],
    );
    assert!(!release.text().contains("href=\"javascript"));
    assert!(!release.text().contains("UNKNOWN"));
}

#[tokio::test]
async fn what_goes_wrong_is_a_page_as_well() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server.closed_index(&alice).await;
    let reader = server.anonymous();
    let answer = reader.get_with("/alice/%3Cb%3E", &[BROWSER]).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_holds(
        &answer,
        &[
            "<title>Not Found</title>",
            "&lt;b&gt;",
            "http://localhost:3141/\"",
        ],
    );
    assert!(!answer.text().contains("<b>"));
    let answer = reader.get_with("/alice/closed", &[BROWSER]).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").starts_with("Basic"));
    assert_holds(&answer, &["/+login\">Log in</a>"]);
    let answer = reader.get_with("/alice/none", &[("accept", "*/*")]).await;
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn latest_and_stable_lead_to_releases_of_the_index_itself() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    server.base_and_dev(&alice).await;
    submit(&alice, "alice/dev", "flask", "1.0", &[]).await;
    submit(&alice, "alice/dev", "flask", "2.0rc1", &[]).await;
    submit(&alice, "alice/base", "flask", "3.0", &[]).await;
    submit(&alice, "alice/base", "only-rc", "1.0rc1", &[]).await;
    let reader = server.anonymous();
    for (path, title) in [
        ("/alice/dev/flask/latest", "alice/dev/: flask-2.0rc1 "),
        ("/alice/dev/Flask/stable", ""),
        ("/alice/dev/flask/stable", "alice/dev/: flask-1.0 "),
        ("/alice/base/flask/latest", "alice/base/: flask-3.0 "),
        // Nothing of its own.
        ("/alice/dev/only-rc/latest", "alice/dev/: only-rc-1.0rc1 "),
    ] {
        let answer = reader.get_with(path, &[BROWSER]).await;
        if title.is_empty() {
            assert_eq!(answer.status, 302, "{path}");
        } else {
            assert_eq!(answer.status, 200, "{path}");
            assert_holds(&answer, &[&format!("<title>{title}")]);
        }
    }
    for path in ["/alice/dev/only-rc/stable", "/alice/dev/none/latest"] {
        assert_eq!(
            reader.get_with(path, &[BROWSER]).await.status,
            404,
            "{path}"
        );
    }
    // As in devpi, programs get no document of them.
    let answer = reader.get_json("/alice/dev/flask/latest").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.message(),
        "The version latest of project flask does not exist."
    );
}

#[tokio::test]
async fn many_projects_come_in_parts() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    for number in 0..501 {
        let name = format!("p{number:03}");
        submit(&alice, "alice/dev", &name, "1.0", &[]).await;
    }
    let first = page(&server.anonymous(), "/alice/dev").await;
    assert_holds(&first, &["/alice/dev?after=p499\">More</a>", ">p499</a>"]);
    assert!(!first.text().contains("p500"));
    let second = page(&server.anonymous(), "/alice/dev?after=p499").await;
    assert_holds(&second, &[">p500</a>"]);
    assert!(!second.text().contains(">More<"));
    // Whose token is for one project sees that one alone.
    server.closed_index(&alice).await;
    for name in ["one", "two"] {
        submit(&alice, "alice/closed", name, "1.0", &[]).await;
    }
    let token = alice.token(&json!({"projects": ["two"]})).await;
    let answer = page(&alice.by_token(&token), "/alice/closed").await;
    assert_holds(&answer, &[">two</a>"]);
    assert!(!answer.text().contains(">one<"));
}

#[tokio::test]
async fn a_mirror_shows_no_list_and_can_be_asked_to_look_again() {
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").version("1.0").build());
    let server = Server::start().await;
    server.mirror(&upstream).await;
    let reader = server.anonymous();
    let index = page(&reader, "/root/mirror").await;
    assert!(!index.text().contains("<h2>Projects"), "{}", index.text());
    let project = page(&reader, "/root/mirror/flask").await;
    assert_holds(
        &project,
        &["method=\"post\" action=\"http://localhost:3141/root/mirror/flask/refresh\""],
    );
    assert!(!project.text().contains("upstream</a>"));
    let about = json!({"mirror_web_url_fmt": "https://pypi.test/project/{name}/"});
    let answer = server.root().json("PATCH", "/root/mirror", &about).await;
    assert_eq!(answer.status, 200);
    let project = page(&reader, "/root/mirror/flask").await;
    assert_holds(
        &project,
        &[
            "<a rel=\"nofollow noopener\" href=\"https://pypi.test/project/flask/\">its page upstream</a>",
        ],
    );
    let release = page(&reader, "/root/mirror/flask/latest").await;
    assert_holds(&release, &["flask-1.0-py3-none-any.whl"]);
}
