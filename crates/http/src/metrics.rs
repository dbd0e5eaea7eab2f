//! The metrics of this crate, all in one place.
//!
//! * `cheeseshop_http_requests_total{route,status}`: answered requests.
//! * `cheeseshop_http_hot_answers_total{route}`: those answered from memory, before any route.
//! * `cheeseshop_http_request_duration_seconds{route}`: from the first byte of the request's
//!   head until the last byte of the answer was handed over.
//!
//! `route` is the pattern of the route, never the path, so that the number of series is small.

use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "cheeseshop_http_requests_total";
const HOT_ANSWERS: &str = "cheeseshop_http_hot_answers_total";
const DURATION: &str = "cheeseshop_http_request_duration_seconds";

/// Tells the recorder what the metrics mean; it must be installed by then.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, "Answered HTTP requests by route and status");
    describe_counter!(HOT_ANSWERS, "HTTP requests answered from memory by route");
    describe_histogram!(DURATION, "Seconds from request to the end of its answer");
}

pub(crate) fn count(route: &str, status: StatusCode, took: Duration) {
    let route = route.to_owned();
    counter!(REQUESTS, "route" => route.clone(), "status" => status.as_str().to_owned())
        .increment(1);
    histogram!(DURATION, "route" => route).record(took.as_secs_f64());
}

/// The series of one route on the hot path, looked up once.
pub(crate) struct HotRoute {
    route: &'static str,
    ok: OnceLock<Counter>,
    held: OnceLock<Counter>,
    hot: OnceLock<Counter>,
    duration: OnceLock<Histogram>,
}

impl HotRoute {
    pub(crate) const fn new(route: &'static str) -> Self {
        Self {
            route,
            ok: OnceLock::new(),
            held: OnceLock::new(),
            hot: OnceLock::new(),
            duration: OnceLock::new(),
        }
    }

    pub(crate) fn count(&self, status: StatusCode, took: Duration) {
        self.hot
            .get_or_init(|| counter!(HOT_ANSWERS, "route" => self.route))
            .increment(1);
        let series = match status {
            StatusCode::OK => &self.ok,
            StatusCode::NOT_MODIFIED => &self.held,
            other => return count(self.route, other, took),
        };
        series
            .get_or_init(|| {
                counter!(REQUESTS, "route" => self.route, "status" => status.as_str().to_owned())
            })
            .increment(1);
        self.duration
            .get_or_init(|| histogram!(DURATION, "route" => self.route))
            .record(took.as_secs_f64());
    }
}
