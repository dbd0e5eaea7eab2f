//! The look of the pages: read at the start, checked beforehand, read again on SIGHUP.

use std::path::Path;

use reqwest::Method;
use reqwest::header::ACCEPT;

use super::reload::Reloading;
use crate::support::{Home, Server, finish};

const RED: &str = ":root { --cs-accent: #900; }";
const BLUE: &str = ":root { --cs-accent: #009; }";

/// The start page, and the theme's style sheet that it names.
async fn look(server: &Server) -> (String, String) {
    let api = server.anonymous();
    let page = api
        .request(Method::GET, "")
        .header(ACCEPT, "text/html")
        .send()
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    let style = page
        .split('"')
        .find(|part| part.ends_with("/theme.css"))
        .unwrap_or_else(|| panic!("{page}"))
        .to_owned();
    let answer = api.get(&style).await;
    assert_eq!(
        answer.headers()["cache-control"],
        "public, max-age=31536000, immutable"
    );
    (page, answer.text().await.unwrap())
}

fn settings(title: &str) -> String {
    // Relative to where the server was started.
    format!("[web]\ntheme = \"theme\"\ntitle = \"{title}\"\n")
}

#[tokio::test]
async fn a_changed_theme_is_on_the_next_page_and_a_bad_one_never() {
    let running = Reloading::prepared(&settings("First"), |home| {
        home.write("theme/theme.css", RED);
    });
    let (page, style) = look(&running.server).await;
    assert!(page.contains(">First</a>"), "{page}");
    assert_eq!(style, RED);

    running.home.write("theme/theme.css", BLUE);
    let status = running.reload(&settings("Second"));
    assert_eq!(status, format!("listening on {}", running.server.url));
    let (page, style) = look(&running.server).await;
    assert!(page.contains(">Second</a>"), "{page}");
    assert_eq!(style, BLUE);

    // Nothing of a theme with one bad file is taken, nor of what came with it.
    running.home.write("theme/theme.css", RED);
    running.home.write("theme/analytics.js", "");
    let status = running.reload(&settings("Third"));
    assert!(
        status.ends_with("those from before are in force"),
        "{status}"
    );
    let (page, style) = look(&running.server).await;
    assert!(page.contains(">Second</a>"), "{page}");
    assert_eq!(style, BLUE);

    std::fs::remove_dir_all(running.home.path().join("theme")).unwrap();
    let status = running.reload(&settings("Fourth"));
    assert!(
        status.ends_with("those from before are in force"),
        "{status}"
    );
    assert_eq!(look(&running.server).await.1, BLUE);
    let log = running.server.stop();
    let told = log
        .lines()
        .find(|line| line.contains("analytics.js: a theme may hold these types only"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(told.contains("the theme theme cannot be used"), "{told}");
}

#[test]
fn a_bad_theme_stops_the_start_and_leaves_no_data_behind() {
    let home = Home::new();
    home.write("theme/theme.css", RED);
    home.write("theme/index.html", "<script>");
    home.write("secret", "hunter2");
    std::os::unix::fs::symlink("../secret", home.path().join("theme/leak.css")).unwrap();
    for arguments in [
        &["serve", "--set=web.theme=theme"][..],
        &["config", "check", "--set=web.theme=theme"],
    ] {
        let output = finish(home.cheeseshop(arguments), "");
        let code = if arguments[0] == "serve" { 2 } else { 1 };
        assert_eq!(output.code, Some(code), "{output:?}");
        for part in [
            "the theme theme cannot be used:\n  ",
            "\n  index.html: a theme may hold these types only",
            "leak.css: is a link that leads out of the theme",
            "\nhint: docs/manual/web-pages.md",
        ] {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    }
    assert!(!home.data_dir().exists());
}

#[test]
fn texts_are_checked_with_the_place_where_they_are_written() {
    let home = Home::new();
    let file = home.write(
        "shop.toml",
        "[web]\ntitle = \"\"\nlinks = [\"Help help.example\"]\n",
    );
    let file = file.display().to_string();
    let output = finish(home.cheeseshop(&["config", "check", "--config", &file]), "");
    assert_eq!(output.code, Some(1), "{output:?}");
    for part in [
        format!("{file}:2: `web.title`: must not be empty"),
        format!("{file}:3: `web.links`: a link must be `LABEL URL`"),
    ] {
        assert!(output.stderr.contains(&part), "{part}: {}", output.stderr);
    }
}

#[test]
fn the_theme_that_is_shipped_keeps_the_rules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/theme");
    let setting = format!("--set=web.theme={}", folder.display());
    let home = Home::new();
    let output = finish(home.cheeseshop(&["config", "check", &setting]), "");
    assert_eq!(output.code, Some(0), "{output:?}");
}

/// devpi's option, in its three places, with a theme that was made for devpi-web.
#[tokio::test]
async fn a_theme_of_devpi_web_gives_what_fits_and_one_line_about_the_rest() {
    let home = Home::new();
    home.devpi_init(&[]);
    home.write("theme/templates/root.pt", "<html/>");
    home.write("theme/static/style.css", RED);
    home.write("theme/static/common.js", "alert(1)");
    let file = home.write("devpi.yaml", "devpi-server:\n  theme: theme\n");
    let file = file.display().to_string();
    for (arguments, variable) in [
        (&["--theme", "theme"][..], None),
        (&["-c", &file], None),
        (&[], Some("theme")),
    ] {
        let mut command = home.devpi_server(arguments);
        if let Some(theme) = variable {
            command.env("DEVPISERVER_THEME", theme);
        }
        let server = Server::spawn(&home, command);
        let page = server
            .anonymous()
            .request(Method::GET, "")
            .header(ACCEPT, "text/html")
            .send()
            .await
            .unwrap();
        let page = page.text().await.unwrap();
        let style = page.split('"').find(|part| part.ends_with("/style.css"));
        let style = style.unwrap_or_else(|| panic!("{arguments:?}: {page}"));
        let style = server.anonymous().get(style).await;
        assert_eq!(style.text().await.unwrap(), RED);
        server.stop();
    }
    let log = std::fs::read_to_string(home.path().join("server.log")).unwrap();
    let line = "theme theme: made for devpi-web: the style sheet, logo, icon, images and fonts of \
                static/ are taken; no effect have templates, static/common.js";
    assert_eq!(log.matches(line).count(), 3, "{log}");
}
