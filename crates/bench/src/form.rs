//! The upload form as twine sends it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cheeseshop_test_support::{BuiltFile, FORM_TYPE, Form};

use crate::http::Request;

/// The request that uploads a wheel.
pub(crate) fn upload(path: &str, file: &BuiltFile, user: &str, password: &str) -> Request {
    Request::with_body("POST", path, Form::of(file).body())
        .header("Content-Type", FORM_TYPE)
        .header("Authorization", basic(user, password))
}

/// The header value of Basic authentication.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
