//! `/{user}/{index}/+findlinks`

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};

use crate::ask::Ask;
use crate::failure::SimpleError;
use crate::front::Shared;
use crate::{files, negotiate};

/// Links to all files of the index and the hosted indexes that it inherits, for pip's
/// `--find-links`. Absolute, as in devpi.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, SimpleError> {
    let index = ask.index()?;
    let caller = ask.caller(&shared.app).await?;
    let list = shared
        .app
        .find_links(&caller, &index, &ask.context.base_url)
        .await?;
    let is_public = files::is_public(&shared.app, index.user.as_str(), &index.index);
    let caching = if is_public {
        "no-cache"
    } else {
        "no-cache, private"
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(negotiate::HTML)),
        (CACHE_CONTROL, HeaderValue::from_static(caching)),
        (
            VARY,
            HeaderValue::from_static("Authorization, X-Devpi-Auth, X-Outside-Url"),
        ),
    ];
    Ok((headers, Body::from_stream(list)).into_response())
}
