//! Errors as installers see them: a status that they act on and one line for people.

use axum::response::Response;
use cheeseshop_app::Error;
use http::StatusCode;

use crate::failure::plain_text;

/// 404 sends an installer to its next index, 401 makes it look for credentials, 5xx makes it
/// try again, and 403 stops uv altogether, which is why absence never looks like it.
pub(crate) fn spell(error: &Error) -> Response {
    let status = match error {
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
    };
    plain_text(status, &error.to_string())
}
