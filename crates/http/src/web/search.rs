//! `/+search` and `/+searchhelp`, devpi-web's pages.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::Error;
use cheeseshop_app::search::{Found, Query};

use super::html::Html;
use super::shop::Page;
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;

/// How many projects a page shows: devpi-web's number.
const AT_ONCE: usize = 10;

/// What somebody looks for, in bytes.
const MAX_QUERY: usize = 4096;

/// `GET /+search?query=WORDS&page=NUMBER`. There is no document of it, as in devpi.
pub(crate) async fn search(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    ask.html_only()?;
    let text = ask.parameter("query").unwrap_or_default();
    if text.len() > MAX_QUERY {
        return Err(Error::Invalid("the query is too long".to_owned()).into());
    }
    // Whatever is no number is the first page, as in devpi.
    let number = ask
        .parameter("page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(1_usize)
        .max(1);
    let caller = ask.caller(&shared.app).await?;
    let query = Query::parse(&text);
    let start = (number - 1).saturating_mul(AT_ONCE);
    let part = start..start.saturating_add(AT_ONCE);
    let found = shared.app.search(&caller, &query, None, part).await?;
    let page = Page::new(&ask, &caller).searching(&text);
    let mut body = Html::new();
    if found.count == 0 {
        body.markup("<p>Your search <strong>")
            .text(&text)
            .markup("</strong> did not match anything. ")
            .link(&page.address("+searchhelp"), "What can be found")
            .markup("</p>\n");
    } else {
        list_hits(&mut body, &page, &found);
        list_pages(&mut body, &page, &text, number, &found);
    }
    Ok(page.show("Search", &body))
}

/// `GET /+searchhelp`
pub(crate) async fn help(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    ask.html_only()?;
    let caller = ask.caller(&shared.app).await?;
    let mut body = Html::new();
    body.markup(
        "<p>Projects are found by their names, on every index that you may read: all words have to \
         occur in the name, anywhere, in any case; <code>-</code>, <code>_</code> and \
         <code>.</code> are the same.</p>\n\
         <table>\n<tbody>\n\
         <tr><th scope=\"row\"><code>flask log</code></th>\
         <td>names with <code>flask</code> and <code>log</code></td></tr>\n\
         <tr><th scope=\"row\"><code>flask user:bob</code></th>\
         <td>on the indexes of one user</td></tr>\n\
         <tr><th scope=\"row\"><code>flask index:dev</code></th>\
         <td>on the indexes of that name, whoever has them</td></tr>\n\
         </tbody>\n</table>\n\
         <p>Of a mirror the names that are known here are looked through; the upstream is not \
         asked.</p>\n",
    );
    Ok(Page::new(&ask, &caller).show("How to search", &body))
}

fn list_hits(body: &mut Html, page: &Page<'_>, found: &Found) {
    body.begin_table("Projects", &["Project", "Index", "Summary"]);
    for hit in &found.hits {
        let index = hit.index.name.to_string();
        let mut path = format!("{index}/{}", hit.name);
        let mut text = hit.name.clone();
        if let Some(version) = &hit.version {
            path = format!("{path}/{version}");
            text = format!("{text}-{version}");
        }
        body.markup("<tr><td>")
            .link(&page.address(&path), &text)
            .markup("</td><td>")
            .link(&page.address(&index), &index)
            .markup("</td><td>")
            .text(hit.summary.as_deref().unwrap_or_default())
            .markup("</td></tr>\n");
    }
    body.end_table();
}

fn list_pages(body: &mut Html, page: &Page<'_>, query: &str, number: usize, found: &Found) {
    let count = found.count.div_ceil(AT_ONCE);
    let mut link = |number: usize, text: &str| {
        let asked: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", query)
            .append_pair("page", &number.to_string())
            .finish();
        body.markup("<p>")
            .link(&format!("{}?{asked}", page.address("+search")), text)
            .markup("</p>\n");
    };
    if number > 1 {
        link((number - 1).min(count), "Previous");
    }
    if number < count {
        link(number + 1, "Next");
    }
    body.markup("<p>")
        .text(&found.count.to_string())
        .markup(if found.is_cut_off {
            " found, and there are more.</p>\n"
        } else {
            " found.</p>\n"
        });
}
