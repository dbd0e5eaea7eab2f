//! A rendered page as an answer: negotiated type, encoding, validators, freshness.

use std::iter;
use std::sync::LazyLock;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cheeseshop_app::App;
use cheeseshop_app::pages::{CachePolicy, Encoding, LONGEST_PROMISE, Page};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION, VARY, WARNING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::ask::Ask;
use crate::failure::plain_text;
use crate::negotiate::SimpleType;
use crate::{conditional, negotiate};

const LAST_SERIAL: HeaderName = HeaderName::from_static("x-pypi-last-serial");
const STALE: HeaderName = HeaderName::from_static("x-cheeseshop-stale");

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// `max-age` by its seconds: every answer from memory needs one.
static MAX_AGE: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
    let spelled = (1..=LONGEST_PROMISE)
        .map(|seconds| HeaderValue::try_from(format!("max-age={seconds}")).unwrap_or(NO_CACHE));
    iter::once(NO_CACHE).chain(spelled).collect()
});

/// Status, headers and body of a page; 304 to whoever holds it.
pub(crate) fn answer(
    app: &App,
    request: &HeaderMap,
    method: &Method,
    media_type: SimpleType,
    encoding: Encoding,
    page: &Page,
) -> (StatusCode, HeaderMap, Bytes) {
    let encoding = page.effective(encoding);
    let etag = page.etag(encoding);
    let mut headers = HeaderMap::with_capacity(24);
    headers.insert(VARY, vary(page.cache_policy));
    headers.insert(CACHE_CONTROL, cache_control(app, page.cache_policy));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    if let Some(serial) = page.last_serial {
        headers.insert(LAST_SERIAL, HeaderValue::from(serial));
    }
    if page.stale {
        headers.insert(STALE, HeaderValue::from_static("upstream"));
        headers.insert(
            WARNING,
            HeaderValue::from_static("110 - \"Response is Stale\""),
        );
    }
    if conditional::is_held(request, etag) {
        return (StatusCode::NOT_MODIFIED, headers, Bytes::new());
    }
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(media_type.content_type()),
    );
    if let Some(name) = negotiate::content_encoding(encoding) {
        headers.insert(CONTENT_ENCODING, name);
    }
    let body = page.body(encoding);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = if method == Method::HEAD {
        Bytes::new()
    } else {
        body
    };
    (StatusCode::OK, headers, body)
}

/// As [`answer`], for the routes.
pub(crate) fn response(
    app: &App,
    ask: &Ask,
    media_type: SimpleType,
    encoding: Encoding,
    page: &Page,
) -> Response {
    let (status, headers, body) =
        answer(app, &ask.headers, &ask.method, media_type, encoding, page);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if ask.context.absolute_links {
        // Its links depend on how the server was addressed, which caches do not look at.
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// PEP 691: nothing that the client accepts is on offer.
pub(crate) fn not_acceptable() -> Response {
    plain_text(
        StatusCode::NOT_ACCEPTABLE,
        "this page comes as application/vnd.pypi.simple.v1+json, \
         application/vnd.pypi.simple.v1+html or text/html",
    )
}

/// A redirect. A place that is given relative to the request's own path holds behind any proxy and
/// prefix; one that is not has to begin with the outside URL.
pub(crate) fn redirect(status: StatusCode, location: &str, vary: &'static str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = status.into_response();
    response.headers_mut().insert(LOCATION, location);
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static(vary));
    response
}

fn vary(policy: CachePolicy) -> HeaderValue {
    HeaderValue::from_static(match policy {
        // What is private depends on who asks.
        CachePolicy::Private => "Accept, Accept-Encoding, Authorization, Cookie",
        CachePolicy::Revalidate | CachePolicy::FreshUntil(_) => "Accept, Accept-Encoding",
    })
}

fn cache_control(app: &App, policy: CachePolicy) -> HeaderValue {
    match policy {
        CachePolicy::Private => HeaderValue::from_static("private, no-cache"),
        CachePolicy::Revalidate => NO_CACHE,
        CachePolicy::FreshUntil(until) => MAX_AGE
            .get(usize::from(app.seconds_left(until)))
            .cloned()
            .unwrap_or(NO_CACHE),
    }
}
