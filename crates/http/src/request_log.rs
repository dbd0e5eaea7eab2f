//! One log line and one count per answered request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use cheeseshop_domain::error_chain;
use http::{HeaderValue, Method, StatusCode};

use crate::metrics;
use crate::request_context::RequestContext;

/// What the log line says.
pub(crate) struct Line<'a> {
    pub(crate) id: &'a HeaderValue,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) status: StatusCode,
    pub(crate) started: Instant,
    pub(crate) size_bytes: u64,
    pub(crate) user: Option<&'a str>,
    pub(crate) client: Option<IpAddr>,
    /// Why the body ended early, if it did.
    pub(crate) torn_off: Option<&'a str>,
}

impl Line<'_> {
    pub(crate) fn write(&self) {
        // Microseconds are as fine as anybody reads.
        let duration_ms = (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        tracing::info!(
            target: "cheeseshop_http::request",
            duration_ms,
            request.id = self.id.to_str().unwrap_or_default(),
            size_bytes = self.size_bytes,
            user.name = self.user,
            client.address = self.client.map(tracing::field::display),
            torn_off = self.torn_off,
            "{} {} {}",
            self.method,
            self.path,
            self.status.as_u16(),
        );
    }
}

/// An answer whose body is still on its way; written down when it is dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    context: Arc<RequestContext>,
    status: StatusCode,
    expected_bytes: Option<u64>,
    sent_bytes: u64,
    failure: Option<String>,
}

impl Pending {
    /// `expected_bytes`: what the client was promised, if anything.
    pub(crate) fn new(
        context: Arc<RequestContext>,
        status: StatusCode,
        expected_bytes: Option<u64>,
    ) -> Self {
        Self {
            context,
            status,
            expected_bytes,
            sent_bytes: 0,
            failure: None,
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent_bytes += bytes as u64;
    }

    /// The body ended in an error; the connection will be aborted.
    pub(crate) fn failed(&mut self, error: &axum::Error) {
        self.failure = Some(error_chain(error));
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let context = &self.context;
        let short = self
            .expected_bytes
            .is_some_and(|expected| self.sent_bytes < expected);
        let torn_off = match &self.failure {
            Some(failure) => Some(failure.as_str()),
            None if short => Some("the client went away"),
            None => None,
        };
        let route = context
            .route
            .get()
            .map_or("unmatched", axum::extract::MatchedPath::as_str);
        metrics::count(route, self.status, context.started.elapsed());
        Line {
            id: &context.id,
            method: &context.method,
            path: &context.path,
            status: self.status,
            started: context.started,
            size_bytes: self.sent_bytes,
            user: context
                .caller
                .get()
                .and_then(|caller| Some(caller.user_name()?.as_str())),
            client: context.client,
            torn_off,
        }
        .write();
    }
}
