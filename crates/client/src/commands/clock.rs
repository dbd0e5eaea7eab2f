//! The machine's clock, for commands.

use jiff::Timestamp;

/// The moment of the call.
#[expect(
    clippy::disallowed_methods,
    reason = "commands have no clock passed in; this is theirs"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
