//! `cheeseshop serve`: the server, from an empty machine to the last finished request.
//!
//! Order of starting: settings, data directory and its lock, addresses, database, blobs, first
//! start, requests. Order of stopping: no new connections, running requests, background work,
//! database.

use std::net::SocketAddr;
use std::time::Duration;

use cheeseshop_http::HttpSettings;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{ServeArgs, SettingArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::lifecycle::StopSignals;
use crate::node::Node;
use crate::systemd::ServiceManager;
use crate::{limits, listeners, logging, output, server};

/// How often finished measurements are folded into the histograms.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// How long what was fetched from upstreams may take to be stored when the server stops.
const SETTLE_TIME: Duration = Duration::from_secs(5);

/// Bounds of duration histograms in seconds: hot pages take microseconds, uploads minutes.
const DURATION_BUCKETS: &[f64] = &[
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0,
];

/// Serves until a signal.
pub(crate) async fn run(settings: &SettingArgs, arguments: &ServeArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &flags(arguments))?;
    logging::start(&config.log)?;
    let open_files = limits::raise_open_files();
    tracing::debug!(open_files, "starting");
    let mut signals = StopSignals::listen()?;
    let manager = ServiceManager::at(config.surroundings.get("NOTIFY_SOCKET"));

    // Before anything is made: a port in use must not leave a data directory behind.
    let listeners = listeners::open(&config.listen)?;
    let addresses: Vec<SocketAddr> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect();
    let node = Node::open_exclusively(&config, "cheeseshop serve").await?;
    let metrics = start_metrics()?;
    let http = HttpSettings {
        prometheus: Some(metrics.clone()),
        ..config.http.clone()
    };
    let service = cheeseshop_http::service(node.app.clone(), http);
    node.announce_first_start().await?;

    let stop_accepting = CancellationToken::new();
    let stop_background = CancellationToken::new();
    let mut background = JoinSet::new();
    let app = node.app.clone();
    let token = stop_background.clone();
    background.spawn(async move { app.follow_changes(token).await });
    background.spawn(keep_metrics(metrics, stop_background.clone()));
    let mut serving = tokio::spawn(server::serve(
        listeners,
        service,
        config.connections.clone(),
        stop_accepting.clone(),
    ));

    announce(&config, &addresses);
    manager.ready(&format!("listening on {}", address_list(&addresses)));

    tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "stopping: running requests may finish");
        }
        _ = &mut serving => {
            return Err(Failure::could_not_try("accepting connections has ended unexpectedly"));
        }
    }
    manager.stopping();
    stop_accepting.cancel();
    tokio::select! {
        _ = &mut serving => tracing::info!("all requests have finished"),
        signal = signals.next() => {
            tracing::warn!(signal, "stopping at once: running requests are cut off");
        }
        () = tokio::time::sleep(config.stop_grace) => {
            tracing::warn!(
                seconds = config.stop_grace.as_secs(),
                "running requests took longer than `server.stop_grace` and are cut off"
            );
        }
    }
    stop_background.cancel();
    while background.join_next().await.is_some() {}
    let settled = tokio::time::timeout(SETTLE_TIME, node.app.settle()).await;
    if settled.is_err() {
        tracing::warn!("downloads from upstreams were cut off; they start over when asked for");
    }
    node.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn flags(arguments: &ServeArgs) -> Vec<(&'static str, &'static str, String)> {
    let mut flags = Vec::new();
    if !arguments.listen.is_empty() {
        flags.push(("--listen", "server.listen", arguments.listen.join(",")));
    }
    if let Some(url) = &arguments.outside_url {
        flags.push(("--outside-url", "server.outside_url", url.clone()));
    }
    if arguments.offline {
        flags.push(("--offline", "mirror.offline", "true".to_owned()));
    }
    if let Some(spec) = &arguments.restrict_modify {
        flags.push(("--restrict-modify", "auth.restrict_modify", spec.clone()));
    }
    flags
}

fn start_metrics() -> Result<PrometheusHandle, Failure> {
    PrometheusBuilder::new()
        .set_buckets(DURATION_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| Failure::caused_by("cannot measure", &error))
}

async fn keep_metrics(metrics: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(METRICS_UPKEEP) => metrics.run_upkeep(),
        }
    }
}

/// Tells where the server listens and what to paste. Scripts read the first line.
fn announce(config: &Config, addresses: &[SocketAddr]) {
    for address in addresses {
        output::data(&format!("Listening on http://{address}"));
    }
    let base = match (&config.http.outside_url, addresses.first()) {
        (Some(url), _) => url.as_str().trim_end_matches('/').to_owned(),
        (None, Some(address)) => format!("http://{}", reachable(*address)),
        (None, None) => return,
    };
    output::data(&format!(
        "Install with: pip install --index-url {base}/root/pypi/+simple/ NAME"
    ));
}

/// `0.0.0.0` is where to listen, not where to connect.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn address_list(addresses: &[SocketAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
