//! The metrics of mirrors. No index or project is a label: there are too many, and some are
//! nobody's business.
//!
//! | name | labels |
//! |---|---|
//! | `cheeseshop_upstream_requests_total` | `result`: `ok`, `not_modified`, `absent`, `status`, `timeout`, `connection`, `invalid` |
//! | `cheeseshop_upstream_bytes_total` | `kind`: `page`, `file` |
//! | `cheeseshop_mirror_cache_total` | `kind`: `listing`, `project_list`, `file`, `core_metadata`; `result`: `hit`, `miss`, `stale`, `joined` |
//! | `cheeseshop_flights_active` | `kind` as above |
//! | `cheeseshop_mirror_refused_files_total` | `reason`: `length`, `digest` |

use metrics::{counter, gauge};

/// Tells the recorder what there is to be counted. An alert sees the step from 0 to 1 only where there was a 0.
pub(crate) fn describe() {
    for reason in ["length", "digest"] {
        counter!("cheeseshop_mirror_refused_files_total", "reason" => reason).increment(0);
    }
}

/// Counts one request to an upstream.
pub(super) fn upstream_request(result: &'static str) {
    counter!("cheeseshop_upstream_requests_total", "result" => result).increment(1);
}

/// Counts bytes received from upstreams.
pub(super) fn upstream_bytes(kind: &'static str, bytes: usize) {
    counter!("cheeseshop_upstream_bytes_total", "kind" => kind).increment(bytes as u64);
}

/// Counts a look into what is kept.
pub(super) fn cache(kind: &'static str, result: &'static str) {
    counter!("cheeseshop_mirror_cache_total", "kind" => kind, "result" => result).increment(1);
}

/// Counts a caller that was served by a flight that another one had started.
pub(super) fn joined_flight(kind: &'static str) {
    cache(kind, "joined");
}

/// Counts an upstream file that was not what its listing promised.
pub(super) fn refused_file(reason: &'static str) {
    counter!("cheeseshop_mirror_refused_files_total", "reason" => reason).increment(1);
}

/// A flight, counted for as long as it lives.
pub(super) struct ActiveFlight(&'static str);

impl ActiveFlight {
    pub(super) fn begin(kind: &'static str) -> Self {
        gauge!("cheeseshop_flights_active", "kind" => kind).increment(1.0);
        Self(kind)
    }
}

impl Drop for ActiveFlight {
    fn drop(&mut self) {
        gauge!("cheeseshop_flights_active", "kind" => self.0).decrement(1.0);
    }
}
