//! Telling in time that certificates will expire.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::identity::Identity;
use super::{ServerTls, metrics};

/// How often the log says so.
const INTERVAL: Duration = Duration::from_hours(24);

/// Looks at the certificates now and once a day, until `stop`.
pub(crate) async fn watch(tls: Arc<ServerTls>, stop: CancellationToken) {
    metrics::describe();
    loop {
        look(&tls, super::now());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Tells the metrics and, when there is not much time left, the log.
pub(super) fn look(tls: &ServerTls, now: Timestamp) {
    let state = tls.state.load();
    if let Some(end) = state.identities.iter().map(Identity::not_after).min() {
        metrics::first_end(end);
    }
    for warning in state.ends_in_sight(now) {
        tracing::warn!("{warning}");
    }
}
