//! The page around documentation.

use axum::response::{IntoResponse, Response};
use cheeseshop_app::documentation::FoundDocumentation;
use cheeseshop_packaging::Version;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};

use super::encode;
use crate::negotiate;
use crate::request_context::RequestContext;
use crate::response_headers::VARY_BY_CALLER;

/// The page runs no script and shows one frame; the rest is the look of our pages.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; frame-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The sandbox of the frame: that of the header on what is in it.
const SANDBOX: &str = "allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox \
                       allow-downloads";

/// The page for `…/+d/<path>`. All links are relative, so that it works behind any proxy.
pub(super) fn page(
    context: &RequestContext,
    found: &FoundDocumentation,
    versions: &[Version],
    path: &str,
) -> Response {
    let to_version = "../".repeat(path.matches('/').count() + 1);
    // Of the version, the project, the index and the user.
    let root = format!("{to_version}../../../..");
    let page = format!("{to_version}+doc/{}", encode(path));
    let title = format!("{}-{} Documentation", found.project, found.version);
    let look = &context.look;
    let mut html = look.head(&root, &title);
    html.markup("<body class=\"framed\">\n<header class=\"site\">")
        .part(&look.home(&root))
        .markup("<h1>")
        .text(&title)
        .markup("</h1>\n<nav aria-label=\"Documentation\">")
        .link(&to_version, &format!("{} {}", found.project, found.version))
        .markup("\n");
    let stable = versions.iter().find(|version| !version.is_prerelease());
    for (name, version) in [("latest", versions.first()), ("stable", stable)] {
        if let Some(version) = version.filter(|version| **version != found.version) {
            let location = format!("{to_version}../{name}/+d/index.html");
            html.link(&location, &format!("{name} ({version})"))
                .markup("\n");
        }
    }
    html.link(&page, "without frame")
        .markup("</nav></header>\n<main id=\"content\"><iframe src=\"")
        .text(&page)
        .markup("\" title=\"")
        .text(&title)
        .markup("\" sandbox=\"")
        .markup(SANDBOX)
        .markup("\"></iframe></main>\n</body>\n</html>\n");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(negotiate::HTML)),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache, private")),
        (VARY, VARY_BY_CALLER),
    ];
    (StatusCode::OK, headers, html.into_string()).into_response()
}
