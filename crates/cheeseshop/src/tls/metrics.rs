//! The metrics of TLS.
//!
//! * `cheeseshop_tls_certificate_not_after_seconds`: when the first of the server's certificates
//!   expires, in seconds since 1970.
//! * `cheeseshop_tls_handshakes_total{result}`: finished and failed handshakes.

use jiff::Timestamp;
use metrics::{counter, describe_counter, describe_gauge, gauge};

const NOT_AFTER: &str = "cheeseshop_tls_certificate_not_after_seconds";
const HANDSHAKES: &str = "cheeseshop_tls_handshakes_total";

/// Tells the recorder what the metrics mean; it must be installed by then.
pub(super) fn describe() {
    describe_gauge!(
        NOT_AFTER,
        "When the first certificate of the server expires, in seconds since 1970"
    );
    describe_counter!(HANDSHAKES, "TLS handshakes by result");
}

pub(super) fn first_end(end: Timestamp) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are exact for longer than the year 9999"
    )]
    gauge!(NOT_AFTER).set(end.as_second() as f64);
}

/// How a handshake has ended: `ok`, `closed`, `timeout`, `plain_http`, `client_certificate`,
/// `failed`.
pub(super) fn handshake(result: &'static str) {
    counter!(HANDSHAKES, "result" => result).increment(1);
}
