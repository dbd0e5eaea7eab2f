//! The pages for people in a real browser: what a theme does there, and what it cannot do.

use std::net::TcpListener;
use std::path::Path;

use cheeseshop_test_support::{Browser, DocumentationArchive, Wheel};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, Home, Server};

/// A font that is on every machine of the tests.
const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";

const PASSWORD: &str = "a password";

const STYLE: &str = r#"
@font-face { font-family: "Corporate"; src: url("corporate.ttf"); }
:root { --cs-accent: #123456; --cs-header-background: #fedcba; --cs-font-heading: "Corporate"; }
@media (prefers-color-scheme: dark) { :root { --cs-header-background: #654321; } }
main { background-image: url("mask.svg"); }
"#;

const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"80\" height=\"40\">\
                    <rect width=\"80\" height=\"40\" fill=\"teal\"/></svg>";

/// A server with a release that has documentation and a test result, and who uploaded them.
struct Shop {
    _home: Home,
    server: Server,
    bob: Api,
    file: String,
}

impl Shop {
    async fn open(theme: impl FnOnce(&Home)) -> Self {
        let home = Home::new();
        theme(&home);
        let server = Server::start(
            &home,
            &[
                "--set=web.theme=theme",
                "--set=web.title=Packages of Corp",
                "--set=web.footer=Run by the tools team",
                "--set=web.links=Help desk https://help.example/",
                "--set=mirror.root_pypi_url=http://127.0.0.1:9/",
            ],
        );
        let bob = server.new_user("bob", PASSWORD).await;
        let config = json!({"bases": [], "title": "Everything that the team has made itself"});
        server.root().await.create_index("bob/dev", &config).await;
        let wheel = Wheel::named("a-project-with-quite-a-long-name")
            .version("2026.11.23.post1")
            .build();
        bob.upload("bob/dev", &wheel).await;
        let documentation = reqwest::multipart::Form::new()
            .text(":action", "doc_upload")
            .text("name", "a-project-with-quite-a-long-name")
            .text("version", "2026.11.23.post1")
            .part(
                "content",
                reqwest::multipart::Part::bytes(
                    DocumentationArchive::saying("hello").build().to_vec(),
                )
                .file_name("documentation.zip"),
            );
        let answer = bob
            .request(Method::POST, "bob/dev/")
            .multipart(documentation)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let file = bob
            .files("bob/dev", "a-project-with-quite-a-long-name")
            .await;
        let url = file[0].url.split('#').next().unwrap().to_owned();
        let report = json!({"host": "build-host-17", "platform": "linux", "toxversion": "4.30",
            "testenvs": {"py311": {"python": {"version": "3.11.2 (main)"}, "test": [
                {"command": "pytest", "output": "one\ntwo", "retcode": "1"}]}}});
        let answer = bob.send(Method::POST, &url, &report).await;
        assert_eq!(answer.status(), 200);
        Self {
            _home: home,
            server,
            bob,
            file: wheel.name.clone(),
        }
    }

    /// Every kind of page.
    async fn pages(&self) -> Vec<String> {
        let project = "bob/dev/a-project-with-quite-a-long-name";
        let release = format!("{project}/2026.11.23.post1");
        let results = format!("{release}/+toxresults/{}", self.file);
        let runs = self.bob.document(&results).await;
        let run = runs["result"][0]["href"].as_str().unwrap();
        let run = format!("{results}/{}", run.rsplit('/').next().unwrap());
        [
            "",
            "bob",
            "bob/dev",
            "root/pypi",
            project,
            &release,
            &results,
            &run,
            &format!("{release}/+d/index.html"),
            "+search?query=project",
            "+searchhelp",
            "+login",
            "+logout",
            "bob/none",
        ]
        .map(|path| self.server.at(path))
        .to_vec()
    }
}

fn company(home: &Home) {
    home.write("theme/theme.css", STYLE);
    home.write("theme/logo.svg", LOGO);
    home.write("theme/mask.svg", LOGO);
    std::fs::copy(Path::new(FONT), home.path().join("theme/corporate.ttf")).unwrap();
}

#[tokio::test]
async fn a_theme_applies_on_every_page_and_the_browser_refuses_nothing() {
    let shop = Shop::open(company).await;
    let mut browser = Browser::start();
    for page in shop.pages().await {
        browser.open(&page);
        browser.settle();
        let colour = browser.style("header", "background-color");
        assert_eq!(colour, "rgb(254, 220, 186)", "{page}");
        let logo = "document.querySelector('header img')";
        assert_eq!(
            browser.evaluate(&format!("{logo}.naturalWidth")),
            80,
            "{page}"
        );
        assert_eq!(
            browser.evaluate(&format!("{logo}.alt")),
            "Packages of Corp",
            "{page}"
        );
        let mut complaints = browser.complaints();
        if page.ends_with("/none") {
            // That is what it is.
            complaints.retain(|text| !text.contains("the server responded with a status of 404"));
        }
        assert_eq!(complaints, [""; 0], "{page}");
    }
    browser.open(&shop.server.at("+login"));
    browser.settle();
    assert_eq!(
        browser.style("button", "background-color"),
        "rgb(18, 52, 86)"
    );
    let fonts =
        "[...document.fonts].filter(font => font.status == 'loaded').map(font => font.family)";
    let fonts = browser.evaluate(fonts);
    assert!(fonts.to_string().contains("Corporate"), "{fonts}");
    let image = browser.style("main", "background-image");
    assert!(image.contains("/mask.svg"), "{image}");
    let loaded = "performance.getEntriesByType('resource').filter(entry => \
                  entry.responseStatus == 200).map(entry => entry.name.split('/').pop()).sort()";
    assert_eq!(
        browser.evaluate(loaded),
        json!([
            "cheeseshop.css",
            "corporate.ttf",
            "logo.svg",
            "mask.svg",
            "theme.css"
        ])
    );
    // Dark is a theme's own business where it says so, and ours where it does not.
    browser.prefer(&[("prefers-color-scheme", "dark")]);
    assert_eq!(
        browser.style("header", "background-color"),
        "rgb(101, 67, 33)"
    );
    assert_eq!(browser.style("body", "background-color"), "rgb(21, 24, 28)");
}

#[tokio::test]
async fn a_hostile_theme_reaches_no_other_server_and_runs_nothing() {
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", outside.local_addr().unwrap());
    let shop = Shop::open(|home| {
        let style = format!(
            "@import url(\"{address}/import.css\"); @font-face {{ font-family: F; src: \
             url(\"{address}/font.woff2\"); }} body {{ background: url(\"{address}/spy.png\"); \
             font-family: F; }} p {{ background: url(javascript:alert(1)); }}"
        );
        home.write("theme/theme.css", &style);
        home.write(
            "theme/logo.svg",
            &format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\" \
                 onload=\"document.documentElement.setAttribute('acted', 1)\"><script>\
                 document.documentElement.setAttribute('acted', 1)</script>\
                 <image href=\"{address}/spy.png\"/><foreignObject><form \
                 xmlns=\"http://www.w3.org/1999/xhtml\" action=\"{address}\"/></foreignObject></svg>"
            ),
        );
    })
    .await;
    let mut browser = Browser::start();
    browser.open(&shop.server.at("+login"));
    browser.settle();
    let complaints = browser.complaints().join("\n");
    for part in ["import.css", "font.woff2", "spy.png"] {
        let refused = complaints
            .lines()
            .any(|line| line.contains(part) && line.contains("Content Security Policy"));
        assert!(refused, "{part}: {complaints}");
    }
    let logo = browser.evaluate("document.querySelector('header img').src");
    // Opened for itself it is a document, and still nothing in it acts.
    browser.open(logo.as_str().unwrap());
    let acted = browser.evaluate("document.documentElement.getAttribute('acted')");
    assert_eq!(acted, Value::Null);
    assert_eq!(browser.evaluate("document.documentElement.tagName"), "svg");
    let complaints = browser.complaints().join("\n");
    assert!(complaints.contains("script"), "{complaints}");
    outside.set_nonblocking(true).unwrap();
    let connection = outside.accept().map(|(_, from)| from);
    assert!(connection.is_err(), "{connection:?}");
}

#[tokio::test]
async fn pages_fit_a_telephone_and_the_keyboard_and_keep_still_when_asked() {
    let shop = Shop::open(|home| {
        home.write("theme/theme.css", "a { transition: color 2s; }");
    })
    .await;
    let mut browser = Browser::start();
    browser.resize(360, 740);
    browser.prefer(&[("prefers-reduced-motion", "reduce")]);
    for page in shop.pages().await {
        browser.open(&page);
        browser.settle();
        let overhang =
            "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overhang), 0, "{page} is too wide");
        let still = browser.style("a", "transition-duration");
        assert_eq!(still, "0s", "{page}");
        browser.press("Tab", 9);
        let focus = browser.evaluate("document.activeElement.tagName");
        assert_ne!(focus, "BODY", "{page}");
        let outline = browser.style(":focus", "outline-style");
        assert_eq!(outline, "solid", "{page}");
    }
    // Whoever wants contrast gets it.
    browser.prefer(&[("prefers-contrast", "more")]);
    assert_eq!(browser.style("body", "color"), "rgb(0, 0, 0)");
}
