//! The frame of the pages that people walk through: where they are, the search, who they are.

use axum::response::Response;
use cheeseshop_domain::Caller;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, VARY};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::GOTO;
use super::html::Html;
use super::page::report;
use crate::ask::Ask;
use crate::devpi::documents::absolute;
use crate::outside::prefix;

/// A page, put together by a handler.
pub(crate) struct Page<'a> {
    ask: &'a Ask,
    caller: &'a Caller,
    /// Name and path of the places above this one, below the root.
    places: Vec<(String, String)>,
    /// What the field of the search shows.
    query: String,
}

impl<'a> Page<'a> {
    /// A page for this caller, at the root of the server.
    pub(crate) fn new(ask: &'a Ask, caller: &'a Caller) -> Self {
        Self {
            ask,
            caller,
            places: Vec::new(),
            query: String::new(),
        }
    }

    /// A page below `path`, such as `bob/dev/flask`: each of its segments becomes a link.
    #[must_use]
    pub(crate) fn below(mut self, path: &str) -> Self {
        let mut end = 0;
        for name in path.split('/') {
            end += name.len();
            self.places.push((name.to_owned(), path[..end].to_owned()));
            end += 1;
        }
        self
    }

    /// The page of what was searched for.
    #[must_use]
    pub(super) fn searching(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// The URL of a path below the root of the server.
    pub(crate) fn address(&self, path: &str) -> String {
        absolute(self.ask, path)
    }

    /// The name of the site.
    pub(super) fn site(&self) -> &str {
        self.ask.context.look.title()
    }

    /// The finished page. What it shows depends on who asks.
    pub(crate) fn show(&self, title: &str, body: &Html) -> Response {
        let mut response = report(&self.ask.context, title, self.navigation(), body);
        let headers = response.headers_mut();
        headers.insert(
            VARY,
            HeaderValue::from_static("Accept, Authorization, Cookie, User-Agent"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        response
    }

    fn navigation(&self) -> Html {
        let mut html = Html::new();
        let look = &self.ask.context.look;
        html.markup(
            "<header class=\"site\">\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n\
             <nav aria-label=\"Breadcrumb\">",
        )
        .part(&look.home(prefix(&self.ask.context.base_url)));
        for (name, path) in &self.places {
            html.markup(" / ").link(&self.address(path), name);
        }
        html.markup("</nav>\n<form role=\"search\" action=\"")
            .text(&self.address("+search"))
            .markup("\"><input type=\"search\" name=\"query\" aria-label=\"Search for projects\" value=\"")
            .text(&self.query)
            .markup("\"> <button>Search</button></form>\n<span class=\"account\">");
        if let Some(user) = self.caller.user_name() {
            html.text(user.as_str())
                .markup(" ")
                .link(&self.address("+logout"), "Log out");
        } else {
            let here = utf8_percent_encode(&self.ask.context.path, NON_ALPHANUMERIC);
            let login = format!("{}?{GOTO}={here}", self.address("+login"));
            html.link(&login, "Log in");
        }
        html.markup("</span>\n</header>\n");
        html
    }
}
