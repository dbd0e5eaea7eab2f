//! The outside of every page of ours: words and forms, no scripts, and the look that is in force.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::html::Html;
use crate::negotiate;
use crate::request_context::RequestContext;

/// Nothing is loaded from anywhere else, nothing in a page itself is a style or a script, and forms
/// go nowhere but here. A theme brings style sheets, images and fonts, which are files of ours.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

/// A short form with this title.
pub(super) fn dialog(
    context: &RequestContext,
    status: StatusCode,
    title: &str,
    body: &Html,
) -> Response {
    let mut header = Html::new();
    header
        .markup("<header class=\"site\">\n")
        .part(&context.look.home(crate::outside::prefix(&context.base_url)))
        .markup("\n</header>\n");
    let page = Outside {
        class: "form",
        title,
        header,
    };
    page.around(context, status, body)
}

/// What went wrong, for people, with the ways out.
pub(crate) fn problem(context: &RequestContext, status: StatusCode, error: &Error) -> Response {
    let base = &context.base_url;
    let mut body = Html::new();
    body.markup("<p role=\"alert\">")
        .text(&error.to_string())
        .markup("</p>\n<p>")
        .link(&format!("{base}/"), "Start");
    if let Error::Unauthenticated(_) = error {
        body.markup(" ").link(&format!("{base}/+login"), "Log in");
    }
    body.markup("</p>\n");
    let title = status.canonical_reason().unwrap_or("Error");
    dialog(context, status, title, &body)
}

/// A page with this header above its title.
pub(super) fn report(context: &RequestContext, title: &str, header: Html, body: &Html) -> Response {
    let page = Outside {
        class: "report",
        title,
        header,
    };
    page.around(context, StatusCode::OK, body)
}

struct Outside<'a> {
    class: &'static str,
    title: &'a str,
    header: Html,
}

impl Outside<'_> {
    fn around(&self, context: &RequestContext, status: StatusCode, body: &Html) -> Response {
        let look = &context.look;
        let mut html = look.head(crate::outside::prefix(&context.base_url), self.title);
        html.markup("<body class=\"")
            .markup(self.class)
            .markup("\">\n")
            .part(&self.header)
            .markup("<main id=\"content\">\n<h1>")
            .text(self.title)
            .markup("</h1>\n")
            .part(body)
            .markup("</main>\n")
            .part(&look.footer())
            .markup("</body>\n</html>\n");
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static(negotiate::HTML)),
            (CONTENT_SECURITY_POLICY, POLICY),
        ];
        (status, headers, html.into_string()).into_response()
    }
}

/// A text as part of HTML, in an attribute as well.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            control if control.is_control() => {
                let _ = write!(escaped, "&#{};", 0xfffd);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_do_not_become_markup() {
        assert_eq!(
            escaped("<b a=\"1\" c='2'>&\0ü"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;&#65533;ü"
        );
    }
}
