//! Errors as installers see them: a status that they act on and one line for people.

use axum::response::Response;
use cheeseshop_app::Error;

use crate::failure::{plain_text, status};

/// 404 sends an installer to its next index, 401 makes it look for credentials, 5xx makes it
/// try again, and 403 stops uv altogether, which is why absence never looks like it.
pub(crate) fn spell(error: &Error) -> Response {
    plain_text(status(error), &error.to_string())
}
