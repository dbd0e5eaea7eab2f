//! Themes and texts of the operator: where they show, and where nothing changes.

use std::collections::BTreeSet;

use axum::body::Body;
use cheeseshop_app::Settings;
use cheeseshop_http::theme::{STYLE, Theme, ThemeFile};
use cheeseshop_http::{Appearance, HttpSettings, Look, WebSettings};
use cheeseshop_test_support::{DocumentationArchive, Wheel};
use serde_json::json;

use crate::support::{Answer, Form, Server, User, file_path};

const BROWSER: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

const CSS: &str = ":root { --cs-accent: #123456; } body { background: url(\"back.svg\"); }";
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";

fn file(name: &str, text: &str) -> ThemeFile {
    ThemeFile {
        name: name.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

/// A theme with a style sheet, a logo and an image, and texts that are markup if nobody escapes them.
fn company(css: &str) -> Look {
    let files = vec![
        file("theme.css", css),
        file("logo.svg", SVG),
        file("back.svg", SVG),
    ];
    let settings = WebSettings {
        title: "Corp <b>\"Shop\"".to_owned(),
        footer: "Run by <i>IT</i>".to_owned(),
        ..serde_json::from_value(json!({
            "links": ["Help & <desk> https://help.example/?a=1&b=2", "Rules http://wiki.example/"]
        }))
        .unwrap()
    };
    Look::new(&settings, Some(Theme::new(files, STYLE).unwrap()))
}

/// A server with a release that has everything, and the means to change its look.
async fn stocked(look: Option<Look>) -> (Server, Appearance) {
    let appearance = Appearance::default();
    if let Some(look) = look {
        appearance.set(look);
    }
    let http = HttpSettings {
        appearance: appearance.clone(),
        ..HttpSettings::default()
    };
    let server = Server::with(Settings::default(), http).await;
    let alice = server.user_with_dev("alice").await;
    let wheel = wheel();
    alice.publish("alice/dev", &wheel).await;
    let form = Form::new()
        .field(":action", "doc_upload")
        .field("name", "flask")
        .field("version", "1.0")
        .content("flask.zip", &DocumentationArchive::saying("hello").build());
    assert_eq!(alice.post_form("/alice/dev/", &form).await.status, 200);
    let report = json!({"testenvs": {}, "host": "h", "platform": "p"});
    let path = format!("/alice/dev/{}", file_path(&wheel));
    assert_eq!(alice.json("POST", &path, &report).await.status, 200);
    (server, appearance)
}

fn wheel() -> cheeseshop_test_support::BuiltFile {
    Wheel::named("flask").version("1.0").build()
}

/// Every kind of page that people see.
fn pages() -> Vec<String> {
    let results = format!("/alice/dev/flask/1.0/+toxresults/{}", wheel().name);
    [
        "/",
        "/alice",
        "/alice/dev",
        "/alice/dev/flask",
        "/alice/dev/flask/1.0",
        "/+search?query=flask",
        "/+search?query=nothing",
        "/+searchhelp",
        "/+login",
        "/+logout",
        "/alice/none",
        "/no/such/place/at/all",
        "/alice/dev/flask/1.0/+d/index.html",
        &results,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// What a page links to below `+static`.
fn assets(page: &Answer) -> BTreeSet<String> {
    page.text()
        .split('"')
        .filter(|part| part.contains("+static/"))
        .map(str::to_owned)
        .collect()
}

/// Resolves a link of a page as a browser does.
fn resolve(page: &str, link: &str) -> String {
    let page = url::Url::parse("http://localhost:3141")
        .and_then(|base| base.join(page))
        .unwrap();
    page.join(link).unwrap().path().to_owned()
}

async fn page(user: &User<'_>, path: &str) -> Answer {
    let answer = user.get_with(path, &[BROWSER]).await;
    assert_eq!(
        answer.header("content-type"),
        "text/html; charset=utf-8",
        "{path}"
    );
    answer
}

#[tokio::test]
async fn a_theme_and_the_texts_are_on_every_page_and_nothing_of_them_is_markup() {
    let (server, _) = stocked(Some(company(CSS))).await;
    let reader = server.anonymous();
    for path in pages() {
        let answer = page(&reader, &path).await;
        let text = answer.text();
        let is_framed = path.contains("/+d/");
        let mut parts = vec![
            "alt=\"Corp &lt;b&gt;&quot;Shop&quot;\"></a>",
            " · Corp &lt;b&gt;&quot;Shop&quot;</title>",
        ];
        if !is_framed {
            parts.extend([
                "<p>Run by &lt;i&gt;IT&lt;/i&gt;</p>",
                "href=\"https://help.example/?a=1&amp;b=2\">Help &amp; &lt;desk&gt;</a>",
                "href=\"http://wiki.example/\">Rules</a>",
            ]);
        }
        for part in parts {
            let is_root = path == "/" && part.starts_with(" · ");
            assert!(
                is_root || text.contains(part),
                "{path} lacks {part}: {text}"
            );
        }
        for part in ["<b>", "<i>", "<script", "<style", " style=", "javascript:"] {
            assert!(!text.contains(part), "{path} has {part}: {text}");
        }
        let names: Vec<String> = assets(&answer)
            .iter()
            .map(|link| link.rsplit('/').next().unwrap().to_owned())
            .collect();
        for name in ["cheeseshop.css", "favicon.svg", "logo.svg", "theme.css"] {
            assert!(names.contains(&name.to_owned()), "{path}: {names:?}");
        }
        // Ours comes first, so that the theme has the last word.
        assert!(
            text.find("cheeseshop.css") < text.find("theme.css"),
            "{path}"
        );
        for link in assets(&answer) {
            let found = reader.get(&resolve(&path, &link)).await;
            assert_eq!(found.status, 200, "{path}: {link}");
        }
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with(
                "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self';"
            ),
            "{path}: {policy}"
        );
        assert!(
            !policy.contains("unsafe") && !policy.contains("script"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn without_a_theme_pages_have_our_style_and_icon_and_no_footer() {
    let (server, _) = stocked(None).await;
    for path in pages() {
        let answer = page(&server.anonymous(), &path).await;
        let text = answer.text();
        assert!(
            !text.contains("<footer") && !text.contains("<img"),
            "{text}"
        );
        assert!(text.contains(">Cheeseshop</a>"), "{path}: {text}");
        assert_eq!(assets(&answer).len(), 2, "{path}: {text}");
    }
}

#[tokio::test]
async fn pages_have_landmarks_one_heading_and_labels() {
    let (server, _) = stocked(Some(company(CSS))).await;
    for path in &pages() {
        let answer = page(&server.anonymous(), path).await;
        let text = answer.text();
        for part in [
            "<html lang=\"en\">",
            "<header ",
            "<main id=\"content\">",
            "<h1>",
        ] {
            assert_eq!(text.matches(part).count(), 1, "{path}: {part}: {text}");
        }
        for table in text.split("<thead>").skip(1) {
            let head = table.split("</thead>").next().unwrap();
            assert!(!head.contains("<th>"), "{path}: {head}");
        }
        for input in text.split("<input ").skip(1) {
            let input = input.split('>').next().unwrap();
            let id = input
                .split("id=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let is_labelled = input.contains("aria-label=\"")
                || id.is_some_and(|id| text.contains(&format!("<label for=\"{id}\">")));
            assert!(is_labelled, "{path}: {input}");
        }
        for image in text.split("<img ").skip(1) {
            assert!(
                image.split('>').next().unwrap().contains(" alt=\""),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn files_of_a_theme_are_kept_for_ever_under_their_hash() {
    let (server, appearance) = stocked(Some(company(CSS))).await;
    let reader = server.anonymous();
    let root = page(&reader, "/").await;
    let style = assets(&root)
        .into_iter()
        .find(|link| link.ends_with("theme.css"))
        .unwrap();
    let answer = reader.get(&style).await;
    assert_eq!(answer.text(), CSS);
    assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(
        answer.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    let etag = answer.header("etag").to_owned();
    let kept = reader.get_with(&style, &[("if-none-match", &etag)]).await;
    assert_eq!(kept.status, 304);
    assert!(kept.body.is_empty());
    let head = reader.send("HEAD", &style, &[]).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), CSS.len().to_string());
    assert!(head.body.is_empty());

    let own = style.replace("theme.css", "cheeseshop.css");
    let plain = reader.get(&own).await;
    for encoding in ["gzip", "zstd"] {
        let packed = reader
            .get_with(&own, &[("accept-encoding", encoding)])
            .await;
        assert_eq!(packed.header("content-encoding"), encoding);
        assert_eq!(packed.header("vary"), "Accept-Encoding");
        assert!(packed.body.len() * 2 < plain.body.len(), "{encoding}");
        assert_ne!(packed.header("etag"), plain.header("etag"));
    }

    // A changed theme has another hash. Pages from before the change still find their files, as
    // they are now, and nobody keeps them under the old name.
    appearance.set(company("h1 { color: teal; }"));
    let changed = assets(&page(&reader, "/").await);
    assert!(!changed.contains(&style), "{changed:?}");
    let late = reader.get(&style).await;
    assert_eq!(late.text(), "h1 { color: teal; }");
    assert_eq!(late.header("cache-control"), "no-cache");
    for path in [
        "/+static/0/none.css",
        "/+static/0/",
        "/+static/0",
        "/+static/",
        "/+static",
        "/+static/0/..%2ftheme.css",
        "/+static/0/..%2f..%2fetc%2fpasswd",
        "/+static/0/THEME.css",
        "/+static/0/%ff",
    ] {
        let status = reader.get(path).await.status;
        assert!(status == 404 || status == 400, "{path}: {status}");
    }
}

#[tokio::test]
async fn an_svg_is_drawn_and_cannot_act() {
    let (server, _) = stocked(Some(company(CSS))).await;
    let answer = server.anonymous().get("/+static/0/logo.svg").await;
    assert_eq!(answer.text(), SVG);
    assert_eq!(answer.header("content-type"), "image/svg+xml");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.ends_with("; sandbox"), "{policy}");
    assert!(!policy.contains("script"), "{policy}");
}

#[tokio::test]
async fn below_a_path_of_the_outside_url_everything_is_found() {
    let appearance = Appearance::default();
    appearance.set(company(CSS));
    let http = HttpSettings {
        outside_url: Some("https://shop.test/pypi".parse().unwrap()),
        appearance,
        ..HttpSettings::default()
    };
    let server = Server::with(Settings::default(), http).await;
    let answer = page(&server.anonymous(), "/+login").await;
    let links = assets(&answer);
    assert_eq!(links.len(), 4, "{links:?}");
    for link in &links {
        assert!(link.starts_with("/pypi/+static/"), "{link}");
        assert_eq!(server.anonymous().get(link).await.status, 200, "{link}");
    }
    assert!(answer.text().contains("<a class=\"home\" href=\"/pypi/\">"));
}

#[tokio::test]
async fn the_page_of_the_login_looks_as_all_do_where_nothing_else_is_shown() {
    let appearance = Appearance::default();
    appearance.set(company(CSS));
    let http = HttpSettings {
        appearance,
        ..HttpSettings::default()
    };
    let mut settings = Settings::default();
    settings.auth.login_required = true;
    let server = Server::with(settings, http).await;
    let reader = server.anonymous();
    let login = page(&reader, "/+login").await;
    assert_eq!(assets(&login).len(), 4, "{}", login.text());
    for link in assets(&login) {
        assert_eq!(reader.get(&link).await.status, 200, "{link}");
    }
}

/// What programs get is what it was, to the byte.
#[tokio::test]
async fn programs_get_the_same_bytes_with_a_theme() {
    let (plain, _) = stocked(None).await;
    let (themed, _) = stocked(Some(company(CSS))).await;
    let file = format!("/alice/dev/{}", file_path(&wheel()));
    let call = "<?xml version='1.0'?><methodCall><methodName>search</methodName><params><param>\
                <value><struct><member><name>name</name><value><array><data><value><string>flask\
                </string></value></data></array></value></member></struct></value></param></params>\
                </methodCall>";
    let json = [("accept", "application/json")];
    let installer = [BROWSER, ("user-agent", "pip/25.0")];
    let simple = [("accept", "application/vnd.pypi.simple.v1+json")];
    let asked: Vec<(&str, &[(&str, &str)])> = vec![
        ("/", &json),
        ("/+api", &json),
        ("/alice", &json),
        ("/alice/dev", &json),
        ("/alice/dev/+api", &json),
        ("/alice/dev/flask", &json),
        ("/alice/dev/flask/1.0", &json),
        ("/alice/none", &json),
        ("/+login", &json),
        ("/no/such/place/at/all", &json),
        ("/alice/dev/+simple/", &simple),
        ("/alice/dev/+simple/flask/", &simple),
        ("/alice/dev/+simple/", &installer),
        ("/alice/dev/+simple/flask/", &installer),
        ("/alice/dev/+simple/", &[BROWSER]),
        ("/alice/dev/+simple/flask/", &[BROWSER]),
        ("/alice/dev/+simple/none/", &installer),
        ("/alice/dev/+findlinks/", &installer),
        ("/alice/dev/flask", &installer),
        ("/alice/dev/flask/1.0/+doc/index.html", &[BROWSER]),
        (&file, &installer),
    ];
    for (path, headers) in asked {
        let one = plain.anonymous().get_with(path, headers).await;
        let other = themed.anonymous().get_with(path, headers).await;
        assert_same(path, &one, &other);
    }
    let mut answers = Vec::new();
    for server in [&plain, &themed] {
        let request = http::Request::post("/alice/dev/")
            .header("host", "localhost:3141")
            .header("content-type", "text/xml")
            .body(Body::from(call))
            .unwrap();
        answers.push(server.send(request).await);
    }
    assert!(answers[0].text().contains("flask"), "{}", answers[0].text());
    assert_same("XML-RPC", &answers[0], &answers[1]);
}

fn assert_same(path: &str, one: &Answer, other: &Answer) {
    assert_eq!(one.status, other.status, "{path}");
    assert_eq!(one.body, other.body, "{path}");
    let headers = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        // Each server and request has its own.
        for name in [
            "x-devpi-uuid",
            "x-devpi-primary-uuid",
            "x-devpi-master-uuid",
            "x-request-id",
        ] {
            headers.remove(name);
        }
        headers
    };
    assert_eq!(headers(one), headers(other), "{path}");
}
