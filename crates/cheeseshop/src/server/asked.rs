//! What a client has asked for so far, and whether it still asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The requests that have come on a connection.
#[derive(Default)]
pub(super) struct Asked {
    count: AtomicU64,
    first: Notify,
}

impl Asked {
    pub(super) fn note(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) == 0 {
            self.first.notify_one();
        }
    }

    pub(super) fn is_so(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    pub(super) async fn wait(&self) {
        if !self.is_so() {
            self.first.notified().await;
        }
    }

    /// Comes back when requests have come, and then none for so long, or at most twice that. The library
    /// knows no end of an HTTP/2 connection whose client answers pings.
    pub(super) async fn silence(&self, time: Duration) {
        let mut before = 0;
        loop {
            tokio::time::sleep(time).await;
            let count = self.count.load(Ordering::Relaxed);
            if count > 0 && count == before {
                return;
            }
            before = count;
        }
    }
}
