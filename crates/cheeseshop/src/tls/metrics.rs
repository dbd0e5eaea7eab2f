//! The metrics of TLS.
//!
//! * `cheeseshop_tls_certificate_not_after_seconds`: when the first of the server's certificates
//!   expires, in seconds since 1970.
//! * `cheeseshop_tls_last_reload_successful`: 1, or 0 when the files could not be taken over the last
//!   time, so that those from before are in force.
//! * `cheeseshop_tls_last_reload_success_timestamp_seconds`: when they were taken over last.
//! * `cheeseshop_tls_reloads_total{result}`: how often files were taken over (`ok`) or could not be
//!   (`failed`). Those that cannot are tried again.
//! * `cheeseshop_tls_client_revoked_next_update_seconds`: when the first of the lists of revoked
//!   certificates is out of date.
//! * `cheeseshop_tls_handshakes_total{result}`: finished and failed handshakes.

use jiff::Timestamp;
use metrics::{counter, describe_counter, describe_gauge, gauge};

const NOT_AFTER: &str = "cheeseshop_tls_certificate_not_after_seconds";
const RELOADED: &str = "cheeseshop_tls_last_reload_successful";
const RELOADED_AT: &str = "cheeseshop_tls_last_reload_success_timestamp_seconds";
const RELOADS: &str = "cheeseshop_tls_reloads_total";
const NEXT_UPDATE: &str = "cheeseshop_tls_client_revoked_next_update_seconds";
const HANDSHAKES: &str = "cheeseshop_tls_handshakes_total";

/// Tells the recorder what the metrics mean; it must be installed by then.
pub(super) fn describe() {
    describe_gauge!(
        NOT_AFTER,
        "When the first certificate of the server expires, in seconds since 1970"
    );
    describe_gauge!(
        RELOADED,
        "Whether the files of [tls] could be read the last time"
    );
    describe_gauge!(
        RELOADED_AT,
        "When the files of [tls] were read and taken last, in seconds since 1970"
    );
    describe_counter!(RELOADS, "Reloads of the files of [tls] by result");
    describe_gauge!(
        NEXT_UPDATE,
        "When the first list of revoked client certificates is out of date, in seconds since 1970"
    );
    describe_counter!(HANDSHAKES, "TLS handshakes by result");
}

pub(super) fn first_end(end: Timestamp) {
    gauge!(NOT_AFTER).set(seconds(end));
}

/// When the first list of revoked certificates ends.
pub(super) fn lists_end(end: Timestamp) {
    gauge!(NEXT_UPDATE).set(seconds(end));
}

/// The files in force were taken over at this moment.
pub(super) fn taken_over(at: Timestamp) {
    gauge!(RELOADED).set(1.0);
    gauge!(RELOADED_AT).set(seconds(at));
}

/// Files were read again, and are in force or not.
pub(super) fn reloaded(is_in_force: bool) {
    let result = if is_in_force { "ok" } else { "failed" };
    counter!(RELOADS, "result" => result).increment(1);
    if !is_in_force {
        gauge!(RELOADED).set(0.0);
    }
}

fn seconds(time: Timestamp) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are exact for longer than the year 9999"
    )]
    let seconds = time.as_second() as f64;
    seconds
}

/// How a handshake has ended: `ok`, `closed`, `timeout`, `plain_http`, `client_certificate`,
/// `failed`.
pub(super) fn handshake(result: &'static str) {
    counter!(HANDSHAKES, "result" => result).increment(1);
}
