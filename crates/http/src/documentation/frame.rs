//! The page around documentation.

use axum::response::{IntoResponse, Response};
use cheeseshop_app::documentation::FoundDocumentation;
use cheeseshop_packaging::Version;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};

use super::encode;
use crate::web::page::escaped;

/// The page's style. Its digest stands in the policy below.
const STYLE: &str = "html,body{height:100%;margin:0}\
body{display:flex;flex-direction:column;font:1rem/1.5 system-ui,sans-serif}\
nav{padding:.4rem .8rem;border-bottom:1px solid #8888;display:flex;gap:1rem;flex-wrap:wrap}\
nav strong{margin-right:auto}\
iframe{flex:1;border:0;width:100%}";

/// The page runs no script and shows one frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'sha256-4XGfcySWSiOXzHq6to4thp5UkuMKgAkfYsBUVneVDM0='; \
     frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The sandbox of the frame: that of the header on what is in it.
const SANDBOX: &str = "allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox \
                       allow-downloads";

/// The page for `…/+d/<path>`. All links are relative, so that it works behind any proxy.
pub(super) fn page(found: &FoundDocumentation, versions: &[Version], path: &str) -> Response {
    let to_version = "../".repeat(path.matches('/').count() + 1);
    let content = format!("{to_version}+doc/{}", encode(path));
    let title = format!("{}-{} Documentation", found.project, found.version);
    let mut links = vec![link(
        &to_version,
        &format!("{} {}", found.project, found.version),
    )];
    let stable = versions.iter().find(|version| !version.is_prerelease());
    for (name, version) in [("latest", versions.first()), ("stable", stable)] {
        if let Some(version) = version.filter(|version| **version != found.version) {
            let location = format!("{to_version}../{name}/+d/index.html");
            links.push(link(&location, &format!("{name} ({version})")));
        }
    }
    links.push(link(&content, "without frame"));
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <nav aria-label=\"Documentation\"><strong>{title}</strong>\n{}\n</nav>\n\
         <iframe src=\"{}\" title=\"{title}\" sandbox=\"{SANDBOX}\"></iframe>\n\
         </body>\n</html>\n",
        links.join("\n"),
        escaped(&content),
        title = escaped(&title),
    );
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache, private")),
        (VARY, HeaderValue::from_static("Authorization")),
    ];
    (StatusCode::OK, headers, html).into_response()
}

fn link(location: &str, text: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escaped(location), escaped(text))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_admits_the_style_and_nothing_else() {
        let digest = STANDARD.encode(Sha256::digest(STYLE));
        let policy = POLICY.to_str().unwrap().to_owned();
        assert!(
            policy.contains(&format!("'sha256-{digest}'")),
            "{policy} lacks {digest}"
        );
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(
            link("a?b&c\"", "<script>'"),
            "<a href=\"a?b&amp;c&quot;\">&lt;script&gt;&#39;</a>"
        );
    }
}
