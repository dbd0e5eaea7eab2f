//! What the watchers of a server are told of logins.
//!
//! * `cheeseshop_failed_logins_total{reason}`: credentials that did not hold: `password`, `token` (also one that
//!   has expired), or `throttled`, when they were not looked at since too many had been wrong.

use metrics::{counter, describe_counter};

use crate::Error;

const FAILED: &str = "cheeseshop_failed_logins_total";

/// Tells the recorder what there is to be counted; it must be installed by then. An alert sees the step from 0 to 1
/// only where there was a 0.
pub(crate) fn describe() {
    describe_counter!(
        FAILED,
        "Passwords and tokens that were wrong, or sent too often"
    );
    for reason in ["password", "token", "throttled"] {
        counter!(FAILED, "reason" => reason).increment(0);
    }
}

/// Credentials of a kind were wrong.
pub(super) fn wrong(kind: &'static str) {
    counter!(FAILED, "reason" => kind).increment(1);
}

/// Credentials of a kind were refused with an error.
pub(super) fn refused(kind: &'static str, error: &Error) {
    match error {
        Error::Throttled { .. } => wrong("throttled"),
        Error::Forbidden(_) => wrong(kind),
        // The server's own trouble.
        _ => {}
    }
}
