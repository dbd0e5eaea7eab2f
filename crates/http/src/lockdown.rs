//! The door of a server where nobody reads anything without logging in (`auth.login_required`).
//!
//! It stands in front of all routes and knows only those that are open, so that a route that is
//! added later is closed. Which indexes somebody may read who did log in is decided behind it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use http::header::{LOCATION, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::SimpleError;
use crate::front::Shared;
use crate::request_context::RequestContext;
use crate::{ask, failure, negotiate, outside};

/// The header by which browsers tell that somebody goes to a page, and no script asks for data.
const SEC_FETCH_MODE: &str = "sec-fetch-mode";

const REFUSAL: &str = "this server shows nothing without a login";

/// Whether the path, as the routes see it, is open to everybody: what is needed to log in, and what
/// machines ask to see whether the server is well.
pub(crate) fn is_open(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    match path {
        "/+api" | "/+login" | "/+logout" | "/+authcheck" | "/+health/live" | "/+health/ready" => {
            true
        }
        // The page of the login has a look, too.
        _ if path.starts_with("/+static/") => path.split('/').count() == 4,
        // `/{user}/+api` and `/{user}/{index}/+api`
        _ => path
            .strip_suffix("/+api")
            .and_then(|path| path.strip_prefix('/'))
            .is_some_and(|names| {
                !names.is_empty() && names.split('/').count() <= 2 && !names.starts_with('+')
            }),
    }
}

/// Sees whether somebody asks who said who they are.
pub(crate) async fn admit(
    shared: &Shared,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<(), Error> {
    let caller = ask::caller(&shared.app, context, headers).await?;
    if !caller.is_anonymous() {
        return Ok(());
    }
    // devpi's client takes a 401 for something else; for 403 it suggests a login.
    Err(if is_devpi_client(headers) {
        Error::Forbidden(REFUSAL.to_owned())
    } else {
        Error::Unauthenticated(REFUSAL.to_owned())
    })
}

/// The answer to a request that was not admitted: people are shown the way to the login, everybody
/// else gets the error.
pub(crate) fn refuse(
    shared: &Shared,
    context: &RequestContext,
    request: &Parts,
    body: Body,
    error: Error,
) -> Response {
    if matches!(error, Error::Unauthenticated(_)) && is_visit(&context.method, &request.headers) {
        return to_login(context, &request.uri);
    }
    failure::refuse(shared, context, &request.headers, body, error)
}

/// Whether the user agent is devpi's client.
pub(crate) fn is_devpi_client(headers: &HeaderMap) -> bool {
    headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|agent| agent.contains("devpi-client"))
}

fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET
        && headers
            .get(SEC_FETCH_MODE)
            .is_some_and(|mode| mode == "navigate")
        && negotiate::asks_for_html(headers)
}

/// `uri` is what the routes see. What the browser asked for begins with the prefix, whether or not
/// the proxy has passed that on.
fn to_login(context: &RequestContext, uri: &Uri) -> Response {
    let prefix = outside::prefix(&context.base_url);
    let inner = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let wanted = format!("{prefix}{inner}");
    let wanted = utf8_percent_encode(&wanted, NON_ALPHANUMERIC);
    let location = format!("{prefix}/+login?{}={wanted}", crate::web::GOTO);
    match HeaderValue::from_str(&location) {
        Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        Err(_) => SimpleError(Error::Unauthenticated(REFUSAL.to_owned())).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_to_log_in_is_open() {
        for (path, open) in [
            ("/+api", true),
            ("/+api/", true),
            ("/bob/+api", true),
            ("/bob/dev/+api", true),
            ("/bob/dev/+api/", true),
            ("/+login", true),
            ("/+login/", true),
            ("/+logout", true),
            ("/+authcheck", true),
            ("/+health/live", true),
            ("/+health/ready", true),
            ("/+static/0123456789abcdef/cheeseshop.css", true),
            ("/+static/", false),
            ("/+static/x", false),
            ("/+static/x/y/z", false),
            ("//+static/x/y", false),
            ("/bob/+static/x/y", false),
            ("/", false),
            ("", false),
            ("//+api", false),
            ("/bob", false),
            ("/bob/dev", false),
            ("/bob/dev/+simple/", false),
            ("/bob/dev/pkg/+api", false),
            ("/+status", false),
            ("/metrics", false),
            ("/+health", false),
            ("/+status/+api", false),
            ("/bob/dev/+ap%69", false),
            ("/bob/dev/+f/+api", false),
        ] {
            assert_eq!(is_open(path), open, "{path}");
        }
    }
}
