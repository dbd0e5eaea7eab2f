//! How fast the body of a request has to come.
//!
//! A limit of pauses alone lets a client send a byte a minute and hold its connection, its memory and
//! the end of the server for as long as it likes. So a body has to come in pieces that are worth the
//! wait. Time in which we do not ask for more is not the client's.

use std::time::Duration;

/// Bytes that have to come in the time that a body may pause; far less than the slowest line brings.
const LEAST: usize = 1024;

/// The time that a client has left.
#[derive(Debug)]
pub(crate) struct Pace {
    idle: Duration,
    left: Duration,
    missing: usize,
}

impl Pace {
    /// For a body that may pause so long.
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            idle,
            left: idle,
            missing: LEAST,
        }
    }

    /// How long it may take until more comes.
    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// So many bytes have come after a wait.
    pub(crate) fn came(&mut self, bytes: usize, wait: Duration) {
        self.missing = self.missing.saturating_sub(bytes);
        if self.missing == 0 {
            *self = Self::new(self.idle);
        } else {
            self.left = self.left.saturating_sub(wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    #[test]
    fn crumbs_do_not_buy_time_and_bites_do() {
        let mut pace = Pace::new(IDLE);
        for _ in 0..6 {
            pace.came(1, IDLE / 6);
        }
        assert_eq!(pace.left(), Duration::ZERO);
        let mut pace = Pace::new(IDLE);
        for _ in 0..100 {
            pace.came(LEAST / 2, IDLE / 3);
            assert!(pace.left() > Duration::ZERO);
        }
        pace.came(LEAST, IDLE);
        assert_eq!(pace.left(), IDLE);
    }
}
