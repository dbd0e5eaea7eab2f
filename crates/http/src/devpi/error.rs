//! Errors as devpi's clients see them.

use axum::response::Response;
use cheeseshop_app::Error;
use http::StatusCode;

use super::envelope;
use crate::failure::plain_text;

/// `{"message": …}` when JSON may be the answer, plain text otherwise.
pub(crate) fn spell(error: &Error, accepts_json: bool) -> Response {
    let text = error.to_string();
    if accepts_json {
        envelope::message(status(error), &text)
    } else {
        plain_text(status(error), &text)
    }
}

/// The status that an error has here, in whatever form it is told.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Gone(_) => StatusCode::GONE,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::ReadOnly(_) => StatusCode::METHOD_NOT_ALLOWED,
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::UpstreamFailed { timeout: true, .. } => StatusCode::GATEWAY_TIMEOUT,
        Error::UpstreamFailed { timeout: false, .. } => StatusCode::BAD_GATEWAY,
        Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Error::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
