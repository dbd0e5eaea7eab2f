//! The metrics of what is sent to other servers. No host is a label: users choose them.
//!
//! | name | labels |
//! |---|---|
//! | `cheeseshop_outgoing_requests_total` | `result`: `ok`, `status`, `timeout`, `connection`, `stopped` |

use metrics::counter;

/// Counts one request that a user asked for.
pub(super) fn outgoing_request(result: &'static str) {
    counter!("cheeseshop_outgoing_requests_total", "result" => result).increment(1);
}
