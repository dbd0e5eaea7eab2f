//! The pages of the server, of a user and of an index.

use axum::response::Response;
use cheeseshop_app::users::UserView;
use cheeseshop_domain::Index;
use serde_json::Value;

use super::html::Html;
use super::shop::Page;

/// How many projects an index shows at once.
pub(crate) const PROJECTS_AT_ONCE: usize = 500;

/// The query parameter that says after which project to go on.
pub(crate) const AFTER: &str = "after";

/// `/`: everybody with their indexes.
pub(crate) fn root_page(page: &Page<'_>, users: &[UserView]) -> Response {
    let mut body = Html::new();
    body.begin_table("Users", &["User", "Indexes"]);
    for view in users {
        let name = view.user.name.as_str();
        body.markup("<tr><td>")
            .link(&page.address(name), name)
            .text(&in_brackets(view.user.profile.title.as_ref()))
            .markup("</td><td>");
        for (number, index) in view.indexes.iter().enumerate() {
            if number > 0 {
                body.markup("<br>");
            }
            link_index(&mut body, page, index);
        }
        body.markup("</td></tr>\n");
    }
    body.end_table();
    page.show(page.site(), &body)
}

/// `/{user}`: their indexes.
pub(crate) fn user_page(page: &Page<'_>, view: &UserView) -> Response {
    let mut body = Html::new();
    for told in [&view.user.profile.title, &view.user.profile.description] {
        paragraph(&mut body, told.as_ref());
    }
    if view.indexes.is_empty() {
        body.markup("<p>No indexes.</p>\n");
    } else {
        body.markup("<ul>\n");
        for index in &view.indexes {
            body.markup("<li>");
            link_index(&mut body, page, index);
            body.markup("</li>\n");
        }
        body.markup("</ul>\n");
    }
    page.show(view.user.name.as_str(), &body)
}

/// `/{user}/{index}`: what it is, who may what, and its own projects after the one that the query
/// names; `None` for a mirror, whose list may be as long as PyPI's.
pub(crate) fn index_page(page: &Page<'_>, index: &Index, projects: Option<&[String]>) -> Response {
    let mut body = Html::new();
    for told in [&index.config.title, &index.config.description] {
        paragraph(&mut body, told.as_ref());
    }
    let simple = page.address(&format!("{}/+simple/", index.name));
    body.markup("<p>")
        .link(&simple, "Simple index")
        .markup(", for installers: <code>pip install --index-url ")
        .text(&simple)
        .markup("</code></p>\n<table>\n<tbody>\n");
    let mut settings = index.config.to_json();
    settings
        .entry("acl_read")
        .or_insert_with(|| Value::from(index.config.acl_read.to_strings()));
    for (key, value) in &settings {
        if matches!(key.as_str(), "title" | "description" | "custom_data") {
            continue;
        }
        body.markup("<tr><th scope=\"row\">")
            .text(key)
            .markup("</th><td>");
        match (key.as_str(), value) {
            ("bases", Value::Array(_)) => {
                for (number, base) in index.bases().iter().enumerate() {
                    body.markup(if number > 0 { ", " } else { "" });
                    let base = base.to_string();
                    body.link(&page.address(&base), &base);
                }
            }
            _ => {
                body.text(&told(value));
            }
        }
        body.markup("</td></tr>\n");
    }
    body.markup("</tbody>\n</table>\n");
    if let Some(projects) = projects {
        list_projects(&mut body, page, index, projects);
    }
    page.show(&format!("{} index", index.name), &body)
}

fn list_projects(body: &mut Html, page: &Page<'_>, index: &Index, projects: &[String]) {
    body.markup("<h2>Projects</h2>\n");
    if projects.is_empty() {
        body.markup("<p>None of its own.</p>\n");
        return;
    }
    body.markup("<ul>\n");
    for project in projects {
        let address = page.address(&format!("{}/{project}", index.name));
        body.markup("<li>")
            .link(&address, project)
            .markup("</li>\n");
    }
    body.markup("</ul>\n");
    if projects.len() == PROJECTS_AT_ONCE
        && let Some(last) = projects.last()
    {
        // Normalized names need no escape.
        let more = format!("{}?{AFTER}={last}", page.address(&index.name.to_string()));
        body.markup("<p>").link(&more, "More").markup("</p>\n");
    }
}

fn link_index(body: &mut Html, page: &Page<'_>, index: &Index) {
    let name = index.name.to_string();
    body.link(&page.address(&name), &name)
        .text(&in_brackets(index.config.title.as_ref()));
}

fn in_brackets(title: Option<&Value>) -> String {
    match title.map(told) {
        Some(title) if !title.is_empty() => format!(" ({title})"),
        _ => String::new(),
    }
}

fn paragraph(body: &mut Html, value: Option<&Value>) {
    if let Some(value) = value {
        body.markup("<p>").text(&told(value)).markup("</p>\n");
    }
}

/// A setting in words: titles and the like may be any JSON.
fn told(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => items.iter().map(told).collect::<Vec<_>>().join(", "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
