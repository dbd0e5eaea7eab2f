//! `/+static/{hash}/{name}`: the files that pages name.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::ask::Ask;
use crate::failure::{self, DevpiError};
use crate::front::Shared;
use crate::{conditional, negotiate};

/// An SVG is a document of its own once somebody opens it: it may be drawn and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; sandbox",
);

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Under another hash: a page from before a change, or from another node.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// `GET /+static/{hash}/{name}`
pub(crate) async fn asset(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let look = shared.settings.appearance.now();
    let (hash, name) = (ask.segment("hash")?, ask.segment("name")?);
    let asset = look.asset(name).ok_or_else(failure::nothing_here)?;
    let (encoding, body) = asset.body(negotiate::encoding(&ask.headers));
    let etag = asset.etag(encoding);
    let mut headers = HeaderMap::new();
    let caching = if hash == look.hash() {
        FOR_EVER
    } else {
        ASK_AGAIN
    };
    headers.insert(CACHE_CONTROL, caching);
    if asset.varies() {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    if conditional::is_held(&ask.headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(CONTENT_TYPE, asset.content_type());
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Some(name) = negotiate::content_encoding(encoding) {
        headers.insert(CONTENT_ENCODING, name);
    }
    let body = if ask.is_head() { Bytes::new() } else { body };
    Ok((StatusCode::OK, headers, Body::from(body)).into_response())
}
