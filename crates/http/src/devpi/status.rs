//! `/+status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use cheeseshop_domain::api::{Kind, MetricKind, Status, StatusMetric};
use jiff::Timestamp;

use super::envelope;
use crate::DEVPI_SERVER_VERSION;
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;

/// Where data and program lie and what we listen on is nobody's business, so those are null.
pub(crate) async fn status(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let status = shared.app.status().await?;
    let committed = status.last_commit.map_or(0.0, unix_seconds);
    let gauge =
        |name: &str, value: u64| StatusMetric(name.to_owned(), MetricKind::Gauge, value.into());
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut metrics = vec![
        gauge("cheeseshop_users", count(status.users)),
        gauge("cheeseshop_indexes", count(status.indexes)),
    ];
    if let Some((finished, bytes)) = shared.settings.backups.get() {
        metrics.push(gauge(
            "cheeseshop_backup_finished_timestamp_seconds",
            finished,
        ));
        metrics.push(gauge("cheeseshop_backup_bytes", bytes));
    }
    if let Some(end) = shared.settings.revocations.get() {
        metrics.push(gauge(
            "cheeseshop_tls_client_revoked_next_update_seconds",
            end,
        ));
    }
    let result = Status {
        serverdir: None,
        server_code: None,
        host: None,
        port: None,
        outside_url: shared
            .settings
            .outside_url
            .as_ref()
            .map(|_| ask.context.base_url.clone()),
        uuid: status.node_id,
        role: "MASTER".to_owned(),
        versioninfo: BTreeMap::from([
            ("devpi-server".to_owned(), DEVPI_SERVER_VERSION.to_owned()),
            (
                "cheeseshop".to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
        ]),
        serial: status.serial.0,
        last_commit_timestamp: committed,
        // Whatever is derived from the log is dropped before a commit is acknowledged.
        event_serial: status.serial.0,
        event_serial_timestamp: committed,
        event_serial_in_sync_at: committed,
        metrics,
        polling_replicas: BTreeMap::new(),
    };
    Ok(envelope::result(Kind::Status, result))
}

fn unix_seconds(time: Timestamp) -> f64 {
    time.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}
