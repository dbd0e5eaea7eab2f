//! devpi's envelope as a response.

use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use cheeseshop_domain::api::{Envelope, Kind};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::failure::DevpiError;

/// 200 with a result.
pub(crate) fn result<T: Serialize>(kind: Kind, result: T) -> Response {
    send(StatusCode::OK, &Envelope::of(kind, result))
}

/// A message without a result.
pub(crate) fn message(status: StatusCode, text: &str) -> Response {
    send(status, &Envelope::message(text))
}

/// The envelope under a status. The content type has no parameter: devpi's client compares the
/// whole string and shows no message otherwise.
pub(crate) fn send<T: Serialize>(status: StatusCode, envelope: &Envelope<T>) -> Response {
    match envelope.to_body() {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => DevpiError(Error::internal(error)).into_response(),
    }
}
