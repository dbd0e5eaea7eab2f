//! Headers that every answer carries.

use cheeseshop_app::App;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::DEVPI_SERVER_VERSION;

const API_VERSION: HeaderName = HeaderName::from_static("x-devpi-api-version");
const SERVER_VERSION: HeaderName = HeaderName::from_static("x-devpi-server-version");
const UUID: HeaderName = HeaderName::from_static("x-devpi-uuid");
const PRIMARY_UUID: HeaderName = HeaderName::from_static("x-devpi-primary-uuid");
/// The same under the name that clients before devpi-server 6.10 know.
const MASTER_UUID: HeaderName = HeaderName::from_static("x-devpi-master-uuid");
const SERIAL: HeaderName = HeaderName::from_static("x-devpi-serial");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `Vary` of what not everybody may have: another caller gets another answer, be it only the next person
/// at the same browser.
pub(crate) const VARY_BY_CALLER: HeaderValue = HeaderValue::from_static("Authorization, Cookie");

/// Values that do not change while the process runs.
#[derive(Clone, Debug)]
pub(crate) struct CommonHeaders {
    node_id: HeaderValue,
}

impl CommonHeaders {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            node_id: HeaderValue::from_str(app.node_id())
                .unwrap_or_else(|_| HeaderValue::from_static("")),
        }
    }

    /// Adds devpi's identity headers, the request id and what keeps browsers careful.
    ///
    /// The serial is read last, so an answer to a write names the write's own serial or a
    /// later one.
    pub(crate) fn add(&self, headers: &mut HeaderMap, request_id: &HeaderValue, app: &App) {
        headers.reserve(12);
        headers.insert(API_VERSION, HeaderValue::from_static("2"));
        headers.insert(
            SERVER_VERSION,
            HeaderValue::from_static(DEVPI_SERVER_VERSION),
        );
        headers.insert(UUID, self.node_id.clone());
        headers.insert(PRIMARY_UUID, self.node_id.clone());
        headers.insert(MASTER_UUID, self.node_id.clone());
        headers.insert(SERIAL, HeaderValue::from(app.known_serial().0));
        headers.insert(REQUEST_ID, request_id.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Pages that somebody uploaded bring policies of their own.
        headers
            .entry(X_FRAME_OPTIONS)
            .or_insert(HeaderValue::from_static("DENY"));
        headers
            .entry(REFERRER_POLICY)
            .or_insert(HeaderValue::from_static("same-origin"));
        let is_html = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("html"));
        if is_html && !headers.contains_key(CONTENT_SECURITY_POLICY) {
            // Whatever a file or a project name smuggles in, a browser runs none of it.
            headers
                .entry(CONTENT_SECURITY_POLICY)
                .or_insert(HeaderValue::from_static(
                    "default-src 'none'; base-uri 'none'; form-action 'none'; \
                     frame-ancestors 'none'",
                ));
        }
        // Documents of devpi's API and errors must not linger in caches; what may says so.
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers
                .entry(VARY)
                .or_insert(HeaderValue::from_static("Accept, Authorization"));
        }
    }
}
