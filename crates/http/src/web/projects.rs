//! The pages of a project and of a release.

use axum::response::Response;
use cheeseshop_app::releases::{ProjectDocument, ReleaseDocument, ReleaseLink};
use cheeseshop_domain::{IndexName, LogEntry, MirrorConfig};
use cheeseshop_packaging::HashAlgorithm;
use serde_json::Value;

use super::html::Html;
use super::shop::Page;

/// Metadata that stands elsewhere on the page of a release.
const SHOWN_APART: [&str; 4] = ["name", "version", "summary", "description"];

/// `/{user}/{index}/{project}`: its releases, newest first, with those of later indexes behind.
/// A project that mirrors take part in can be read about upstream, and looked for there again by a button
/// that leads to `refresh`, where whoever asks may press it.
pub(crate) fn project_page(
    page: &Page<'_>,
    index: &IndexName,
    document: &ProjectDocument,
    mirrors: &[&MirrorConfig],
    refresh: Option<&str>,
) -> Response {
    let name = document.name.normalized();
    let mut body = Html::new();
    body.markup("<p>").link(
        &page.address(&format!("{index}/+simple/{name}/")),
        "Simple index",
    );
    if let Some(latest) = document.releases.iter().find(|held| held.index == *index) {
        let address = page.address(&format!("{index}/{name}/latest"));
        body.markup(", latest version here: ")
            .link(&address, latest.version.as_str());
    }
    for about in mirrors.iter().filter_map(|mirror| mirror.web_url(name)) {
        body.markup(", ").outward_link(&about, "its page upstream");
    }
    body.markup("</p>\n");
    if let Some(refresh) = refresh {
        body.markup("<form method=\"post\" action=\"")
            .text(refresh)
            .markup("\"><button>Ask the upstream again</button></form>\n");
    }
    if let Some(summary) = document.releases.first().and_then(summary) {
        body.markup("<p>").text(summary).markup("</p>\n");
    }
    body.begin_table("Releases", &["Version", "Index", "Files", "Documentation"]);
    for release in &document.releases {
        release_row(&mut body, page, name, release);
        for shadowed in &release.shadowing {
            release_row(&mut body, page, name, shadowed);
        }
    }
    body.end_table();
    page.show(&format!("{index}/: {name} versions"), &body)
}

fn release_row(body: &mut Html, page: &Page<'_>, project: &str, release: &ReleaseDocument) {
    let path = format!("{}/{project}/{}", release.index, release.version);
    body.markup("<tr><td>")
        .link(&page.address(&path), release.version.as_str())
        .markup(if release.metadata.contains_key("yanked") {
            " (yanked)"
        } else {
            ""
        })
        .markup("</td><td>");
    let index = release.index.to_string();
    let files = release.links.iter().filter(|link| is_file(link)).count();
    body.link(&page.address(&index), &index)
        .markup("</td><td>")
        .text(&files.to_string())
        .markup("</td><td>");
    link_documentation(body, page, &path, release);
    body.markup("</td></tr>\n");
}

/// `/{user}/{index}/{project}/{version}`: what is known of a release, and its files.
pub(crate) fn release_page(
    page: &Page<'_>,
    index: &IndexName,
    project: &str,
    release: &ReleaseDocument,
) -> Response {
    let path = format!("{}/{project}/{}", release.index, release.version);
    let mut body = Html::new();
    if let Some(summary) = summary(release) {
        body.markup("<p>").text(summary).markup("</p>\n");
    }
    body.markup("<p>").link(
        &page.address(&format!("{index}/+simple/{project}/")),
        "Simple index",
    );
    if release.index != *index {
        let holder = release.index.to_string();
        body.markup(", held by ")
            .link(&page.address(&holder), &holder);
    }
    body.markup(" ");
    link_documentation(&mut body, page, &path, release);
    body.markup("</p>\n");
    list_files(&mut body, page, &path, &release.links);
    list_metadata(&mut body, release);
    for shadowed in &release.shadowing {
        let path = format!("{}/{project}/{}", shadowed.index, shadowed.version);
        body.markup("<p>The same version is on ")
            .link(&page.address(&path), &shadowed.index.to_string())
            .markup(" as well.</p>\n");
    }
    if let Some(description) = text(release, "description") {
        body.markup("<h2>Description</h2>\n<pre>")
            .lines(description)
            .markup("</pre>\n");
    }
    let title = format!(
        "{index}/: {project}-{} metadata and description",
        release.version
    );
    page.show(&title, &body)
}

fn list_files(body: &mut Html, page: &Page<'_>, release: &str, links: &[ReleaseLink]) {
    if !links.iter().any(is_file) {
        body.markup("<p>No files.</p>\n");
        return;
    }
    body.begin_table(
        "Files",
        &["File", "Bytes", "Digest", "Test results", "History"],
    );
    for file in links.iter().filter(|link| is_file(link)) {
        let name = file.path.name().to_string();
        let address = page.address(&format!("{}/{}", file.index, file.path));
        body.markup("<tr><td class=\"name\">")
            .link(&address, &name)
            .markup("</td><td>")
            .text(&file.size.map_or_else(String::new, |size| size.to_string()))
            .markup("</td><td class=\"digest\"><code>");
        if let Some((algorithm, digest)) = file.hashes.best() {
            if algorithm != HashAlgorithm::Sha256 {
                body.text(algorithm.as_str()).markup(" ");
            }
            body.text(digest);
        }
        body.markup("</code></td><td>");
        let results = links
            .iter()
            .filter(|link| link.tested.as_ref() == Some(&file.path));
        let count = results.count();
        if count > 0 {
            let address = page.address(&format!("{release}/+toxresults/{name}"));
            body.link(&address, &count.to_string());
        }
        body.markup("</td><td class=\"history\">");
        for entry in file.log.iter().flatten() {
            body.text(&history(entry)).markup("<br>");
        }
        body.markup("</td></tr>\n");
    }
    body.end_table();
}

fn list_metadata(body: &mut Html, release: &ReleaseDocument) {
    let mut rows = Html::new();
    for (key, value) in &release.metadata {
        let mut items: Vec<&str> = match value {
            Value::String(text) => vec![text],
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => continue,
        };
        items.retain(|item| says_something(item));
        if SHOWN_APART.contains(&key.as_str()) || items.is_empty() {
            continue;
        }
        rows.markup("<tr><th scope=\"row\">")
            .text(&key.replace('_', " "))
            .markup("</th><td>");
        for (number, item) in items.into_iter().enumerate() {
            rows.markup(if number > 0 { "<br>" } else { "" });
            match item.split_once(',') {
                Some((label, address)) if key == "project_urls" => {
                    rows.outward_link(address.trim(), label);
                }
                _ => {
                    rows.outward_link(item, item);
                }
            }
        }
        rows.markup("</td></tr>\n");
    }
    if !rows.is_empty() {
        body.markup("<h2>Metadata</h2>\n<table>\n<tbody>\n")
            .part(&rows)
            .markup("</tbody>\n</table>\n");
    }
}

fn link_documentation(body: &mut Html, page: &Page<'_>, path: &str, release: &ReleaseDocument) {
    if let Some(archive) = release.links.iter().find(|link| link.rel == "doczip") {
        let download = page.address(&format!("{}/{}", archive.index, archive.path));
        body.link(
            &page.address(&format!("{path}/+d/index.html")),
            "Documentation",
        )
        .markup(" (")
        .link(&download, "download")
        .markup(")");
    }
}

fn is_file(link: &ReleaseLink) -> bool {
    link.rel == "releasefile"
}

fn summary(release: &ReleaseDocument) -> Option<&str> {
    text(release, "summary")
}

/// A text of the metadata that says something.
fn text<'a>(release: &'a ReleaseDocument, key: &str) -> Option<&'a str> {
    let text = release.metadata.get(key)?.as_str()?;
    says_something(text).then_some(text)
}

/// Old tools send `UNKNOWN` for nothing.
fn says_something(text: &str) -> bool {
    !text.trim().is_empty() && text != "UNKNOWN"
}

/// `upload by bob to bob/dev, 2026-09-01 12:00:00 UTC`
fn history(entry: &LogEntry) -> String {
    let mut told = entry.what.as_str().to_owned();
    for (word, value) in [("by", &entry.who), ("from", &entry.src), ("to", &entry.dst)] {
        if let Some(value) = value {
            told = format!("{told} {word} {value}");
        }
    }
    format!("{told}, {} UTC", entry.when.strftime("%Y-%m-%d %H:%M:%S"))
}
