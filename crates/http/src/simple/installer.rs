//! Installers on the plain index URL: `--index-url http://host/user/index` works as in devpi.
//!
//! They are redirected rather than served, so that a project's page has one URL and its
//! relative links one meaning; pip and uv resolve links against the final URL.

use axum::response::Response;
use http::header::USER_AGENT;
use http::{HeaderMap, StatusCode};

use super::page;
use crate::ask::Ask;
use crate::negotiate;

const INSTALLERS: [&str; 5] = ["distribute/", "setuptools/", "pip/", "pex/", "uv/"];

/// Sends those who mean the list of projects by `/{user}/{index}` to it.
pub(crate) fn redirects_to_list(ask: &Ask) -> Option<Response> {
    means_simple_api(&ask.headers).then(|| {
        let path = ask.context.path.as_str();
        let location = match path.strip_suffix('/') {
            Some(_) => "+simple/".to_owned(),
            None => format!("./{}/+simple/", last_segment(path)),
        };
        page::redirect(StatusCode::FOUND, &location, "Accept, User-Agent")
    })
}

/// Sends those who mean the page of a project by `/{user}/{index}/{project}` to it.
pub(crate) fn redirects_to_project(ask: &Ask) -> Option<Response> {
    means_simple_api(&ask.headers).then(|| {
        let path = ask.context.path.as_str();
        let location = match path.strip_suffix('/') {
            Some(path) => format!("../+simple/{}/", last_segment(path)),
            None => format!("./+simple/{}/", last_segment(path)),
        };
        page::redirect(StatusCode::FOUND, &location, "Accept, User-Agent")
    })
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn means_simple_api(headers: &HeaderMap) -> bool {
    is_installer(headers) || negotiate::asks_for_simple_json(headers)
}

/// devpi's rule: some word of the user agent is an installer's name followed by a slash.
fn is_installer(headers: &HeaderMap) -> bool {
    headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|agent| {
            agent
                .split(' ')
                .any(|word| INSTALLERS.iter().any(|name| word.starts_with(name)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installers_are_known_by_their_user_agent() {
        for (agent, expected) in [
            ("pip/24.0 {\"ci\":null}", true),
            ("uv/0.5", true),
            ("foo pip/1", true),
            ("setuptools/70", true),
            ("pip", false),
            ("Pip/24", false),
            ("twine/5", false),
            ("python-requests/2", false),
            ("notpip/2", false),
            ("Mozilla/5.0 (X11; Linux)", false),
        ] {
            let headers = [(USER_AGENT, agent.parse().unwrap())].into_iter().collect();
            assert_eq!(is_installer(&headers), expected, "{agent}");
        }
    }
}
