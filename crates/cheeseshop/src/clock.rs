//! The machine's clock: the only place of the product that reads it.

use cheeseshop_domain::Clock;
use jiff::Timestamp;

/// The real time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
