//! Answers from memory, before any route is matched.
//!
//! What passes here costs a look-up and the headers of the answer. Whatever needs waiting,
//! decoding or deciding is left to the routes, which give the same answer in the long way.

use bytes::Bytes;
use cheeseshop_app::pages::PageOptions;
use cheeseshop_domain::Caller;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use crate::channel::{Channel, ClientCertificate};
use crate::credentials::{self, Decisive};
use crate::front::Shared;
use crate::metrics::HotRoute;
use crate::{PeerAddress, files, negotiate, outside, simple};

static PROJECT_PAGE: HotRoute = HotRoute::new("/{user}/{index}/+simple/{project}/");
static FILE: HotRoute = HotRoute::new("/{user}/{index}/+f/{first}/{second}/{name}");

/// A finished answer without its common headers.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) user: Option<String>,
    pub(crate) route: &'static HotRoute,
}

/// The answer, if it is at hand.
pub(crate) fn answer(shared: &Shared, request: &Parts, path: &str) -> Option<Answer> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return None;
    }
    let (user, index, rest) = split(path)?;
    if let Some(project) = rest.strip_prefix("+simple/") {
        let project = project.strip_suffix('/')?;
        return project_page(shared, request, user, index, project);
    }
    if rest.starts_with("+f/") || rest.starts_with("+e/") {
        return file(shared, request, user, index, rest);
    }
    None
}

fn project_page(
    shared: &Shared,
    request: &Parts,
    user: &str,
    index: &str,
    project: &str,
) -> Option<Answer> {
    if shared.settings.absolute_urls || request.headers.contains_key("x-devpi-absolute-urls") {
        return None;
    }
    let media_type = negotiate::simple_type(&request.headers)?;
    let encoding = negotiate::encoding(&request.headers);
    let caller = caller(shared, request)?;
    let options = PageOptions {
        representation: media_type.representation(),
        encoding,
        absolute_base: None,
    };
    let page = shared
        .app
        .cached_project_page(&caller, user, index, project, &options)?;
    let (status, headers, body) = simple::page::answer(
        &shared.app,
        &request.headers,
        &request.method,
        media_type,
        encoding,
        &page,
    );
    Some(Answer {
        status,
        headers,
        body,
        user: user_name(&caller),
        route: &PROJECT_PAGE,
    })
}

fn file(shared: &Shared, request: &Parts, user: &str, index: &str, path: &str) -> Option<Answer> {
    if negotiate::asks_for_json(&request.headers) {
        return None;
    }
    let caller = caller(shared, request)?;
    let file = shared.app.cached_file(&caller, user, index, path)?;
    let whole = file.small()?;
    let is_public = files::is_public(&shared.app, user, index);
    let head = files::head(&request.headers, &file, is_public);
    let body = match (&head.part, &request.method) {
        (Some(part), &Method::GET) => {
            whole.slice(usize::try_from(part.start).ok()?..usize::try_from(part.end).ok()?)
        }
        _ => Bytes::new(),
    };
    Some(Answer {
        status: head.status,
        headers: head.headers,
        body,
        user: user_name(&caller),
        route: &FILE,
    })
}

/// `/USER/INDEX/` and what follows.
fn split(path: &str) -> Option<(&str, &str, &str)> {
    let (user, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (index, rest) = rest.split_once('/')?;
    // A name that needs decoding takes the long way.
    (!user.contains('%') && !index.contains('%')).then_some((user, index, rest))
}

/// Who asks, if that is known without waiting.
fn caller(shared: &Shared, request: &Parts) -> Option<Caller> {
    let peer = request.extensions.get::<PeerAddress>().map(|peer| peer.0);
    let address = || outside::client_address(&shared.settings, &request.headers, peer);
    let channel = request.extensions.get::<Channel>();
    let certificate = channel.map_or(&ClientCertificate::Nobody, Channel::client);
    if matches!(certificate, ClientCertificate::Refused(_)) {
        // Whatever else is sent: nothing is answered, and the long way tells why.
        return None;
    }
    match credentials::decisive(&request.method, &request.headers, certificate) {
        Decisive::Sent(credentials) => shared.app.remembered_caller(&credentials?, address()),
        // Whether an old one leaves it to the certificate, the long way finds out.
        Decisive::Cookie(credentials) => shared.app.remembered_caller(&credentials, address()),
        Decisive::Certificate => match certificate {
            ClientCertificate::Nobody => Some(Caller::anonymous()),
            ClientCertificate::User(name) => shared.app.known_caller(name, address()),
            // Why not, the long way tells.
            ClientCertificate::Unclear(_) | ClientCertificate::Refused(_) => None,
        },
    }
}

fn user_name(caller: &Caller) -> Option<String> {
    caller.user_name().map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_behind_the_index() {
        for (path, expected) in [
            (
                "/bob/dev/+simple/flask/",
                Some(("bob", "dev", "+simple/flask/")),
            ),
            ("/bob/dev/", Some(("bob", "dev", ""))),
            ("/bob/dev", None),
            ("/", None),
            ("", None),
            ("/b%6fb/dev/+simple/flask/", None),
        ] {
            assert_eq!(split(path), expected, "{path}");
        }
    }
}
