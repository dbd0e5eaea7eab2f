//! Small pages of our own: words and forms, no scripts.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

/// Nothing but the style below is loaded, and forms go nowhere but here.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);

/// A form stands in the middle of the window.
const FORM_STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:22rem;\
margin:15vh auto;padding:0 1rem;color-scheme:light dark}label{display:block;margin-top:1rem}\
input{width:100%;box-sizing:border-box;font:inherit;padding:.4rem}\
button{margin-top:1.5rem;font:inherit;padding:.4rem 1.2rem}\
[role=alert]{border-left:.25rem solid #c00;padding-left:.75rem}";

/// A report takes the room that it needs.
const REPORT_STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:70rem;\
margin:2rem auto;padding:0 1rem;color-scheme:light dark}h1{font-size:1.4rem}h2{font-size:1.1rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;\
border-bottom:1px solid #8886;vertical-align:top}.failed{color:#c00;font-weight:600}\
pre{overflow:auto;max-height:30rem;padding:.6rem;border-left:.25rem solid #8886;\
background:#8881}code{overflow-wrap:anywhere}header{display:flex;gap:1rem;flex-wrap:wrap;\
align-items:center;justify-content:space-between}input,button{font:inherit}";

/// A short form with this title; `body` is HTML.
pub(super) fn dialog(status: StatusCode, title: &str, body: &str) -> Response {
    page(status, FORM_STYLE, title, "", body)
}

/// What went wrong, for people, with the ways out.
pub(crate) fn problem(status: StatusCode, error: &Error, base_url: &str) -> Response {
    let base = escaped(base_url);
    let login = match error {
        Error::Unauthenticated(_) => format!(" <a href=\"{base}/+login\">Log in</a>"),
        _ => String::new(),
    };
    let body = format!(
        "<p role=\"alert\">{}</p>\n<p><a href=\"{base}/\">Start</a>{login}</p>\n",
        escaped(&error.to_string())
    );
    let title = status.canonical_reason().unwrap_or("Error");
    dialog(status, title, &body)
}

/// A report with this title; `body` is HTML.
pub(super) fn report(title: &str, body: &str) -> Response {
    page(StatusCode::OK, REPORT_STYLE, title, "", body)
}

/// The same with a header above the title; both are HTML.
pub(super) fn framed_report(title: &str, header: &str, body: &str) -> Response {
    page(StatusCode::OK, REPORT_STYLE, title, header, body)
}

fn page(status: StatusCode, style: &str, title: &str, header: &str, body: &str) -> Response {
    let title = escaped(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n\
         <body>\n{header}<h1>{title}</h1>\n{body}</body>\n</html>\n"
    );
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (status, headers, html).into_response()
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
