//! Errors as devpi's clients see them.

use axum::response::Response;
use cheeseshop_app::Error;

use super::envelope;
use crate::failure::{plain_text, status};

/// `{"message": …}` when JSON may be the answer, plain text otherwise.
pub(crate) fn spell(error: &Error, accepts_json: bool) -> Response {
    let text = error.to_string();
    if accepts_json {
        envelope::message(status(error), &text)
    } else {
        plain_text(status(error), &text)
    }
}
