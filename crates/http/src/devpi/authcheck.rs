//! `/+authcheck`: may this caller have that URL? For nginx's `auth_request`, where nginx sends
//! files itself.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use cheeseshop_domain::IndexName;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::{lockdown, outside};

const X_ORIGINAL_URI: &str = "x-original-uri";

/// 200 or the reason why not. A URL below an index needs the right to read the index; an index
/// that is not there counts as unreadable (403), for `auth_request` knows no 404.
pub(crate) async fn check(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let original = original(&ask)?;
    if original == Original::Open {
        return Ok(StatusCode::OK.into_response());
    }
    if shared.app.settings().auth.login_required {
        lockdown::admit(&shared, &ask.context, &ask.headers).await?;
    }
    let Original::Index(index) = original else {
        return Ok(StatusCode::OK.into_response());
    };
    let caller = ask.caller(&shared.app).await?;
    match shared.app.index(&caller, &index).await {
        Ok(_) => Ok(StatusCode::OK.into_response()),
        Err(Error::Unauthenticated(text)) if !lockdown::is_devpi_client(&ask.headers) => {
            Err(DevpiError(Error::Unauthenticated(text)))
        }
        Err(Error::Unauthenticated(text) | Error::NotFound(text)) => {
            Err(DevpiError(Error::Forbidden(text)))
        }
        Err(error) => Err(DevpiError(error)),
    }
}

/// What the original URL is about.
#[derive(Debug, PartialEq, Eq)]
enum Original {
    /// How clients find out how to log in, and how they do it.
    Open,
    /// No index: users, the state of the server.
    Server,
    /// An index and whatever lies below it.
    Index(IndexName),
}

fn original(ask: &Ask) -> Result<Original, Error> {
    let no_route = || Error::Forbidden("there is nothing at this URL".to_owned());
    let uri = ask
        .headers
        .get(X_ORIGINAL_URI)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(no_route)?;
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let path = outside::inner_path(path, outside::prefix(&ask.context.base_url));
    let segments: Vec<Cow<'_, str>> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8())
        .collect::<Result<_, _>>()
        .map_err(|_| no_route())?;
    // nginx decodes the path and takes the dots out of it before it looks for a file; we would
    // judge by another index than the one that it then serves.
    if segments.iter().any(|segment| leads_elsewhere(segment)) {
        return Err(no_route());
    }
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match segments[..] {
        _ if lockdown::is_open(&format!("/{}", segments.join("/"))) => Ok(Original::Open),
        [] | [_] | [_, "+tokens" | "+token-create", ..] => Ok(Original::Server),
        [user, index, ..] => IndexName::new(user, index)
            .map(Original::Index)
            .map_err(|_| no_route()),
    }
}

fn leads_elsewhere(segment: &str) -> bool {
    let is_odd = |character: char| matches!(character, '/' | '\\') || character.is_control();
    matches!(segment, "." | "..") || segment.contains(is_odd)
}
