//! What can go wrong with an upstream, and the gates that make it go wrong at the right moment.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{Semaphore, watch};

use super::PATIENCE;

/// What is wrong with a path.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The whole length is announced, and the connection cut after so many bytes of the body.
    Truncate {
        /// Bytes that are sent.
        after: usize,
    },
    /// As many bytes as promised, but others.
    WrongBytes,
    /// No answer until the gate lets the request pass.
    Hang(Gate),
    /// No answer before this time has passed: a distant upstream. For benchmarks; a test waits
    /// for an event and not for a time.
    Delay(Duration),
    /// Headers and so many bytes at once, the rest when the gate lets it pass.
    HangAfter {
        /// Bytes that are sent at once.
        bytes: usize,
        /// What the rest waits for.
        gate: Gate,
    },
    /// The body comes in chunks, each of which takes one permit of the gate.
    Stepwise {
        /// Bytes per chunk.
        chunk: usize,
        /// What each chunk waits for.
        gate: Gate,
    },
    /// This status with a short text.
    Status(u16),
    /// This status and `Retry-After` in seconds.
    RetryAfter(u16, u32),
    /// Redirects to this URL.
    Redirect(String),
    /// Ranges are ignored and not announced.
    NoRanges,
    /// The body comes without `Content-Length`, in chunks.
    NoContentLength,
    /// The connection is closed without an answer.
    DropConnection,
    /// This body with this content type and status 200, whatever was asked for: a captive
    /// portal, a proxy's error page.
    Body {
        /// `Content-Type`.
        content_type: String,
        /// The body.
        bytes: Bytes,
    },
}

/// Holds requests back until the test lets them pass. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: Semaphore,
    arrivals: watch::Sender<usize>,
}

impl Gate {
    /// A gate that lets nobody pass yet.
    pub fn closed() -> Self {
        Self(Arc::new(Inner {
            permits: Semaphore::new(0),
            arrivals: watch::Sender::new(0),
        }))
    }

    /// Lets this many more pass.
    pub fn release(&self, number: usize) {
        self.0.permits.add_permits(number);
    }

    /// Lets everybody pass from now on.
    pub fn open(&self) {
        // Waiting on a closed semaphore returns at once, see `pass`.
        self.0.permits.close();
    }

    /// How many have come to the gate so far.
    pub fn arrivals(&self) -> usize {
        *self.0.arrivals.borrow()
    }

    /// Waits until so many have come to the gate.
    ///
    /// # Panics
    ///
    /// When that takes longer than a minute.
    pub async fn wait_for_arrivals(&self, number: usize) {
        let mut arrivals = self.0.arrivals.subscribe();
        let waiting = arrivals.wait_for(|seen| *seen >= number);
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(
            matches!(waited, Ok(Ok(_))),
            "waited for {number} arrivals at a gate, saw {}",
            self.arrivals()
        );
    }

    pub(crate) async fn pass(&self) {
        self.0.arrivals.send_modify(|seen| *seen += 1);
        if let Ok(permit) = self.0.permits.acquire().await {
            permit.forget();
        }
    }
}

/// How the body of an answer is sent.
#[derive(Clone, Default)]
pub(super) struct Delivery {
    pub(super) cut_after: Option<usize>,
    pub(super) hang_after: Option<(usize, Gate)>,
    pub(super) stepwise: Option<(usize, Gate)>,
    pub(super) no_length: bool,
}

impl Delivery {
    /// Whether the body goes out in one piece with its length.
    pub(super) fn is_plain(&self) -> bool {
        self.cut_after.is_none()
            && self.hang_after.is_none()
            && self.stepwise.is_none()
            && !self.no_length
    }

    /// The body, piece by piece.
    pub(super) fn pieces(self, body: Bytes) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        struct Progress {
            rest: Bytes,
            sent: usize,
            delivery: Delivery,
        }
        let progress = Progress {
            rest: body,
            sent: 0,
            delivery: self,
        };
        stream::unfold(Some(progress), async |progress| {
            let mut progress = progress?;
            if progress.rest.is_empty() {
                return None;
            }
            let mut length = progress.rest.len();
            if let Some(cut) = progress.delivery.cut_after {
                if progress.sent >= cut {
                    // What was handed to the connection before has to be on the wire first.
                    tokio::task::yield_now().await;
                    return Some((Err(std::io::ErrorKind::ConnectionReset.into()), None));
                }
                length = length.min(cut - progress.sent);
            }
            if let Some((at, gate)) = progress.delivery.hang_after.clone() {
                if progress.sent < at {
                    length = length.min(at - progress.sent);
                } else {
                    gate.pass().await;
                    progress.delivery.hang_after = None;
                }
            }
            if let Some((chunk, gate)) = &progress.delivery.stepwise {
                gate.pass().await;
                length = length.min((*chunk).max(1));
            }
            let piece = progress.rest.split_to(length);
            progress.sent += length;
            Some((Ok(piece), Some(progress)))
        })
    }
}
