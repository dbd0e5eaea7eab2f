//! What is known of a request beside its handler's business.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use cheeseshop_domain::Caller;
use http::{HeaderMap, HeaderValue, Method};

use crate::channel::Channel;
use crate::web::look::Look;

const X_REQUEST_ID: &str = "x-request-id";

/// Filled by the front, read by handlers and by whoever finishes the answer.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one request"
)]
#[derive(Debug)]
pub(crate) struct RequestContext {
    pub(crate) started: Instant,
    pub(crate) id: HeaderValue,
    pub(crate) method: Method,
    /// The path as the client sent it, without the query: a query may carry secrets.
    pub(crate) path: String,
    pub(crate) client: Option<IpAddr>,
    /// How the request came to us.
    pub(crate) channel: Channel,
    /// The base of absolute URLs, without a slash at the end.
    pub(crate) base_url: String,
    /// Whether links of simple pages are to be absolute.
    pub(crate) absolute_links: bool,
    /// Whether a JSON document may be the answer, and whether it was asked for by name.
    pub(crate) accepts_json: bool,
    pub(crate) asks_for_json: bool,
    /// Whether a browser asks for a page.
    pub(crate) asks_for_html: bool,
    /// Whether a proxy that is believed asks where files lie, to send them itself.
    pub(crate) sends_files_itself: bool,
    /// Who asks, once somebody found out: it is asked once per request.
    pub(crate) caller: OnceLock<Caller>,
    /// Set once credentials were read and turned out wrong: the caller is anonymous then, but
    /// need not be told to send any.
    pub(crate) rejected: OnceLock<()>,
    /// Set once a token was read and turned out not to hold.
    pub(crate) refused_token: OnceLock<()>,
    /// How pages look.
    pub(crate) look: Arc<Look>,
    /// The pattern of the route that took it.
    pub(crate) route: OnceLock<axum::extract::MatchedPath>,
}

/// Hands out ids that are unlike those of other processes and easy to search for.
#[derive(Debug)]
pub(crate) struct RequestIds {
    start: u64,
    count: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self {
            // The standard library seeds its hash maps from the system's randomness.
            start: RandomState::new().build_hasher().finish(),
            count: AtomicU64::new(0),
        }
    }

    /// The id that a trusted proxy gave, else a new one.
    pub(crate) fn id_of(&self, headers: &HeaderMap, trusted: bool) -> HeaderValue {
        if trusted
            && let Some(given) = headers.get(X_REQUEST_ID)
            && given.len() <= 128
            && given.as_bytes().iter().all(u8::is_ascii_graphic)
        {
            return given.clone();
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        // An odd factor permutes the numbers, so neighbours do not look alike.
        let number = self
            .start
            .wrapping_add(count)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut text = [0_u8; 16];
        for (position, byte) in text.iter_mut().enumerate() {
            let nibble = (number >> (60 - 4 * position)) & 0xf;
            *byte = b"0123456789abcdef"[usize::try_from(nibble).expect("four bits")];
        }
        HeaderValue::from_bytes(&text).expect("hex digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &str) -> HeaderMap {
        [(
            http::HeaderName::from_static(X_REQUEST_ID),
            value.parse().unwrap(),
        )]
        .into_iter()
        .collect()
    }

    #[test]
    fn ids_differ_and_have_sixteen_digits() {
        let ids = RequestIds::new();
        let first = ids.id_of(&HeaderMap::new(), false);
        let second = ids.id_of(&HeaderMap::new(), false);
        assert_ne!(first, second);
        assert_eq!(first.len(), 16);
    }

    #[test]
    fn a_proxys_id_is_kept_if_the_proxy_is_trusted_and_the_id_is_plain() {
        let ids = RequestIds::new();
        assert_eq!(ids.id_of(&given("abc-1"), true), "abc-1");
        assert_ne!(ids.id_of(&given("abc-1"), false), "abc-1");
        assert_ne!(ids.id_of(&given("a b"), true), "a b");
        let long = "x".repeat(129);
        assert_ne!(ids.id_of(&given(&long), true), long);
    }
}
