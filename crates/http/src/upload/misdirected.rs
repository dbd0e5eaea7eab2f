//! Uploads sent to the Simple API, the most common mistake of all.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};

use super::error;
use crate::ask::Ask;
use crate::drain;
use crate::front::Shared;

/// 405, which uv takes for "probably the simple URL", with the right URL in the reason phrase
/// and in the body.
pub(crate) async fn refuse(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    request: Request,
) -> Response {
    let index = match ask.index() {
        Ok(index) => index.to_string(),
        Err(_) => "USER/INDEX".to_owned(),
    };
    drain::in_background(
        &ask.headers,
        request.into_body(),
        shared.app.settings().publish.max_file_bytes,
        shared.settings.drain_time(),
    );
    let text = format!(
        "this is the URL for installers; upload to {}/{index}/",
        ask.context.base_url
    );
    let mut response = error::answer(
        StatusCode::METHOD_NOT_ALLOWED,
        &text,
        ask.context.asks_for_json,
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
