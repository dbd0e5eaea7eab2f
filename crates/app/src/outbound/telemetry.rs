//! The metrics of what is sent to other servers. No host is a label: users choose them.
//!
//! | name | labels |
//! |---|---|
//! | `cheeseshop_outgoing_requests_total` | `result`: `ok`, `status`, `timeout`, `connection`, `stopped` |

use metrics::counter;

/// Tells the recorder what there is to be counted. An alert sees the step from 0 to 1 only where there was a 0.
pub(crate) fn describe() {
    for result in ["ok", "status", "timeout", "connection", "stopped"] {
        counter!("cheeseshop_outgoing_requests_total", "result" => result).increment(0);
    }
}

/// Counts one request that a user asked for.
pub(super) fn outgoing_request(result: &'static str) {
    counter!("cheeseshop_outgoing_requests_total", "result" => result).increment(1);
}
