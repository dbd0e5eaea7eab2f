//! Errors on their way to a client: made by a handler, spelled at the very end.
//!
//! A handler's error type names the face; turning it into a response only parks the error in
//! the response's extensions. The front, which still knows what the client accepts, then spells
//! it in its own words. The status is the same on every face: [`status`].

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use cheeseshop_domain::error_chain;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::front::Shared;
use crate::request_context::RequestContext;
use crate::{devpi, drain, simple, upload, web};

/// Which face an error belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    Simple,
    Upload,
    Devpi,
    /// A file URL: devpi's envelope for those who take JSON, short text for others.
    File,
}

/// An error that waits in the extensions of a response.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    face: Face,
    error: std::sync::Arc<Error>,
}

macro_rules! face_error {
    ($(#[$doc:meta])* $name:ident, $face:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name(pub(crate) Error);

        impl From<Error> for $name {
            fn from(error: Error) -> Self {
                Self(error)
            }
        }

        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                park($face, self.0)
            }
        }
    };
}

face_error!(
    /// An error of the Simple API.
    SimpleError,
    Face::Simple
);
face_error!(
    /// An error of an upload.
    UploadError,
    Face::Upload
);
face_error!(
    /// An error of devpi's JSON API.
    DevpiError,
    Face::Devpi
);
face_error!(
    /// An error of a file URL.
    FileError,
    Face::File
);

fn park(face: Face, error: Error) -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Failure {
        face,
        error: std::sync::Arc::new(error),
    });
    response
}

impl Failure {
    /// The answer to the client. What must stay here goes to the log, once.
    pub(crate) fn spell(&self, context: &RequestContext) -> Response {
        let for_installers = matches!(self.face, Face::Simple | Face::File);
        let blamed = blame_credentials(&self.error, for_installers, context);
        let error = blamed.as_ref().unwrap_or(&self.error);
        if let Error::Internal(source) = error {
            tracing::error!(
                request.id = context.id.to_str().unwrap_or_default(),
                error = error_chain(&**source),
                "{} {} failed",
                context.method,
                context.path,
            );
        }
        let mut response = match self.face {
            Face::Upload => upload::error::spell(error, context.asks_for_json),
            Face::Devpi if context.asks_for_html => {
                web::page::problem(context, status(error), error)
            }
            Face::Devpi => devpi::error::spell(error, context.accepts_json),
            Face::File if context.accepts_json => devpi::error::spell(error, true),
            // devpi's client asks for a refresh.
            Face::Simple if context.asks_for_json => devpi::error::spell(error, true),
            Face::Simple | Face::File => simple::error::spell(error),
        };
        if let Error::Forbidden(text) | Error::Unauthenticated(text) = error
            && for_installers
        {
            // pip, with `-vv`, prints the reason phrase and nothing of the body.
            let reason = upload::error::reason_phrase(text);
            response.extensions_mut().insert(reason);
        }
        add_hints(error, &mut response);
        response
    }
}

/// Whoever sent credentials and is asked for some would look for the mistake elsewhere. The
/// text that devpi's clients know stays inside.
///
/// A token that does not hold is a 403 everywhere, as in devpi, but for installers: pip takes that
/// for an index without the project and says nothing, and warns of wrong credentials for a 401.
fn blame_credentials(
    error: &Error,
    for_installers: bool,
    context: &RequestContext,
) -> Option<Error> {
    match error {
        Error::Unauthenticated(text) if context.rejected.get().is_some() => {
            Some(Error::Unauthenticated(format!(
                "name or password is wrong, or the login has expired ({text})"
            )))
        }
        Error::Forbidden(text) if for_installers && context.refused_token.get().is_some() => {
            Some(Error::Unauthenticated(text.clone()))
        }
        _ => None,
    }
}

/// The status of an error.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Gone(_) => StatusCode::GONE,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::ReadOnly(_) => StatusCode::METHOD_NOT_ALLOWED,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::UpstreamFailed { timeout: true, .. } => StatusCode::GATEWAY_TIMEOUT,
        Error::UpstreamFailed { timeout: false, .. } => StatusCode::BAD_GATEWAY,
        Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Error::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The answer to a request that gets no further than the front, in the words of the face that the caller
/// means. What they are sending is read and thrown away.
pub(crate) fn refuse(
    shared: &Shared,
    context: &RequestContext,
    headers: &HeaderMap,
    body: Body,
    error: Error,
) -> Response {
    let limit = shared.app.settings().publish.max_file_bytes;
    drain::in_background(headers, body, limit, shared.settings.drain_time());
    if context.asks_for_json {
        DevpiError(error).into_response()
    } else if context.method == Method::POST {
        UploadError(error).into_response()
    } else {
        SimpleError(error).into_response()
    }
}

/// Headers that tell a client what to do about an error, the same on all faces.
fn add_hints(error: &Error, response: &mut Response) {
    let headers = response.headers_mut();
    if let Error::Unauthenticated(_) = error {
        // Without the challenge pip and uv never send what they know.
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"pypi\""),
        );
    }
    let wait = match error {
        Error::Throttled { retry_after } | Error::UpstreamFailed { retry_after, .. } => {
            *retry_after
        }
        Error::Busy => Duration::from_secs(1),
        Error::NotFound(_)
        | Error::Gone(_)
        | Error::Forbidden(_)
        | Error::Unauthenticated(_)
        | Error::Invalid(_)
        | Error::Conflict(_)
        | Error::ReadOnly(_)
        | Error::TooLarge(_)
        | Error::NoSpace
        | Error::Internal(_) => return,
    };
    headers.insert(RETRY_AFTER, retry_after(wait));
}

/// What nobody has a route for.
pub(crate) fn nothing_here() -> Error {
    Error::NotFound("there is nothing at this URL".to_owned())
}

/// When to come back. Part of a second is rounded up: an early bird would only be sent away again.
pub(crate) fn retry_after(wait: Duration) -> HeaderValue {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX))
}

/// A short plain text with a status.
pub(crate) fn plain_text(status: StatusCode, text: &str) -> Response {
    (
        status,
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        format!("{text}\n"),
    )
        .into_response()
}
