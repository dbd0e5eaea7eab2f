//! `cheeseshop serve`: the server, from an empty machine to the last finished request.
//!
//! Order of starting: settings, addresses, data directory and its lock, database, blobs, first
//! start, requests. Order of stopping: no new connections, running requests, background work,
//! database. What a service manager wants to hear of it is told on the way.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cheeseshop_http::HttpSettings;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::ephemeral;
use crate::cli::{ServeArgs, SettingArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::lifecycle::{Request, Signals};
use crate::listeners::{Inherited, Listener, Place, Transport};
use crate::node::Node;
use crate::reload::{Reload, Source};
use crate::systemd::{Pulse, ServiceManager, Watchdog};
use crate::tls::ServerTls;
use crate::{backup_watch, limits, listeners, logging, output, server, theme, tls, vitals};

/// How often finished measurements are folded into the histograms.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// How long background work may take to end when the server stops, and then what was fetched from upstreams to be
/// stored.
const SETTLE_TIME: Duration = Duration::from_secs(5);

/// How much of the latter may pass before a file that is under way to another server is given up; the rest is for
/// noting so.
const SENDING_TIME: Duration = Duration::from_secs(3);

/// Bounds of duration histograms in seconds: hot pages take microseconds, uploads minutes.
const DURATION_BUCKETS: &[f64] = &[
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 30.0, 120.0,
];

/// Serves until a signal, making whatever is missing first.
pub(crate) async fn run(settings: &SettingArgs, arguments: &ServeArgs) -> Result<(), Failure> {
    if arguments.ephemeral {
        return Box::pin(ephemeral::run(settings, arguments)).await;
    }
    let config = Config::load(settings, &flags(arguments))?;
    logging::start(&config.log)?;
    let server = Server::open(config, "cheeseshop serve").await?;
    server.node.announce_first_start().await?;
    let again = || Config::load(settings, &flags(arguments));
    server.serve(&[], Box::new(again)).await
}

/// A server that listens already and answers nobody yet.
pub(crate) struct Server {
    config: Config,
    node: Node,
    listeners: Vec<Listener>,
    /// Where it listens; port 0 is replaced by the one that was taken.
    places: Vec<Place>,
    tls: Option<Arc<ServerTls>>,
    /// The service manager has opened the sockets, whatever `server.listen` says.
    is_activated: bool,
    signals: Signals,
    manager: ServiceManager,
}

impl Server {
    /// Opens the addresses and the installation, which is held by this process alone from then
    /// on. `purpose` is what others are told who want to hold it.
    pub(crate) async fn open(config: Config, purpose: &str) -> Result<Self, Failure> {
        let open_files = limits::raise_open_files();
        tracing::debug!(open_files, "starting");
        let signals = Signals::listen()?;
        let manager = ServiceManager::of(&config.surroundings);
        manager.status("opening the data directory");
        // Before anything is made: a bad theme or a port in use must not leave a data directory behind.
        config
            .http
            .appearance
            .set(theme::read_and_tell(&config.web)?);
        let names = config.surroundings.get("LISTEN_FDNAMES");
        let Inherited { activated, kept } = listeners::take_inherited(names)?;
        let is_activated = !activated.is_empty();
        let listeners = if is_activated {
            kept.close(&manager);
            activated
        } else {
            listeners::open(&config.listen, config.socket_mode, kept, &manager)?
        };
        let places: Vec<Place> = listeners
            .iter()
            .filter_map(|listener| listener.place().ok())
            .collect();
        let tls = open_tls(&config, &listeners)?;
        if tls.is_some() {
            config.suits_tls()?;
        }
        if is_activated {
            tracing::info!(
                sockets = place_list(&places),
                "listening on the sockets of the service manager; `server.listen` is not used"
            );
        }
        let opening = Box::pin(Node::open_exclusively(&config, purpose));
        let node = manager.patient(opening).await?;
        Ok(Self {
            config,
            node,
            listeners,
            places,
            tls,
            is_activated,
            signals,
            manager,
        })
    }

    /// What it was opened with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The URLs under which it is reached on this machine: as the addresses are written, or as
    /// they came out where port 0 was asked for.
    pub(crate) fn urls(&self) -> Vec<String> {
        let written = &self.config.listen;
        if self.is_activated || written.iter().any(|address| address.ends_with(":0")) {
            let taken = self.places.iter().map(|place| reachable(place.clone()));
            return taken.map(|place| place.to_string()).collect();
        }
        written
            .iter()
            .map(|address| listeners::url_of(address))
            .collect()
    }

    /// Ends without having served.
    pub(crate) async fn close(self) {
        self.node.close().await;
    }

    /// Serves until a signal. `lines` are printed with the addresses, once requests are answered.
    /// On SIGHUP the settings are read again from their source.
    pub(crate) async fn serve(self, lines: &[String], source: Source<'_>) -> Result<(), Failure> {
        let outside_url = self.config.http.outside_url.clone();
        let places = self.places.clone();
        let host = self.tls.as_ref().and_then(|tls| tls.host_name());
        let reload = Reload::new(&self.config, self.tls.clone(), source);
        let ready = async || {
            announce(outside_url.as_ref(), host.as_deref(), &places, lines);
            Ok(())
        };
        self.serve_until(std::future::pending(), ready, Some(reload))
            .await
    }

    /// Serves until a signal, or until `reason` comes back with the name of another one. `ready` runs once
    /// requests are answered; when it fails, serving ends. Without `reload` SIGHUP does nothing here.
    pub(crate) async fn serve_until(
        self,
        reason: impl Future<Output = &'static str>,
        ready: impl AsyncFnOnce() -> Result<(), Failure>,
        mut reload: Option<Reload<'_>>,
    ) -> Result<(), Failure> {
        let Self {
            config,
            node,
            mut listeners,
            places,
            tls,
            mut signals,
            manager,
            ..
        } = self;
        let metrics = start_metrics()?;
        let http = HttpSettings {
            prometheus: Some(metrics.clone()),
            ..config.http.clone()
        };
        let (backups, revocations) = (http.backups.clone(), http.revocations.clone());
        let service = cheeseshop_http::service(node.app.clone(), http);

        let stop_accepting = CancellationToken::new();
        let stop_background = CancellationToken::new();
        let mut background = JoinSet::new();
        let app = node.app.clone();
        let token = stop_background.clone();
        background.spawn(async move { app.follow_changes(token).await });
        background.spawn(keep_metrics(metrics, stop_background.clone()));
        background.spawn(backup_watch::watch(
            node.directory.path().to_owned(),
            backups,
            stop_background.clone(),
        ));
        let kept = node.kept_root_password();
        background.spawn(kept.watch(node.app.clone(), stop_background.clone()));
        background.spawn(vitals::watch(
            node.app.clone(),
            vitals::Places::of(&config),
            stop_background.clone(),
        ));
        if let Some(tls) = &tls {
            let (tls, stop) = (Arc::clone(tls), stop_background.clone());
            background.spawn(tls::watch(tls, revocations, stop));
        }
        listeners::hand_over(&mut listeners, &manager);
        let pulse = Pulse::default();
        let mut serving = tokio::spawn({
            let (connections, pulse) = (config.connections.clone(), pulse.clone());
            let stop = stop_accepting.clone();
            async move { server::serve(listeners, tls, service, connections, &pulse, stop).await }
        });
        if let Some(watchdog) = Watchdog::wanted(&config.surroundings) {
            // To the very end of the process: stopping can hang as well.
            tokio::spawn(watchdog.feed(manager.clone(), pulse, node.database()));
        }

        let status = format!("listening on {}", place_list(&places));
        let is_ready = Cell::new(false);
        let stop_signal = async {
            loop {
                match (signals.next().await, &mut reload) {
                    (Request::Stop(name), _) => return name,
                    (Request::Reload, None) => {}
                    (Request::Reload, Some(reload)) if is_ready.get() => {
                        manager.reloading();
                        let outcome = reload.run();
                        manager.ready(&format!("{status}{}", outcome.remark()));
                    }
                    // READY would be told before it is true.
                    (Request::Reload, Some(reload)) => {
                        reload.run();
                    }
                }
            }
        };
        let failure = async {
            match ready().await {
                Ok(()) => {
                    manager.ready(&status);
                    is_ready.set(true);
                    std::future::pending().await
                }
                Err(failure) => failure,
            }
        };
        let mut result = Ok(());
        tokio::select! {
            signal = stop_signal => {
                tracing::info!(signal, "stopping: running requests may finish");
            }
            reason = reason => {
                tracing::info!(reason, "stopping: running requests may finish");
            }
            failure = failure => result = Err(failure),
            _ = &mut serving => {
                return Err(Failure::could_not_try("accepting connections has ended unexpectedly"));
            }
        }
        manager.stopping();
        let work = Work {
            serving,
            stop_accepting,
            background,
            stop_background,
        };
        let stopping = work.finish(node, &mut signals, config.stop_grace);
        manager.patient(stopping).await;
        tracing::info!("stopped");
        result
    }
}

/// What runs while a server serves, and how each part of it is told to end.
struct Work {
    serving: JoinHandle<()>,
    stop_accepting: CancellationToken,
    background: JoinSet<()>,
    stop_background: CancellationToken,
}

impl Work {
    /// Lets running requests finish for at most `grace`, and tidies up. A signal ends the first, another one the
    /// second.
    async fn finish(mut self, node: Node, signals: &mut Signals, grace: Duration) {
        self.stop_accepting.cancel();
        tokio::select! {
            _ = &mut self.serving => tracing::info!("all requests have finished"),
            signal = signals.next_stop() => {
                tracing::warn!(signal, "stopping at once: running requests are cut off");
            }
            () = tokio::time::sleep(grace) => {
                tracing::warn!(
                    seconds = grace.as_secs(),
                    "running requests took longer than `server.stop_grace` and are cut off"
                );
            }
        }
        self.stop_background.cancel();
        tokio::select! {
            () = tidy_up(node, self.background) => {}
            signal = signals.next_stop() => {
                tracing::warn!(signal, "stopping at once: nothing is waited for any more");
            }
        }
    }
}

/// Ends background work, waits for what is on its way from and to other servers, and closes the database.
async fn tidy_up(node: Node, mut background: JoinSet<()>) {
    let ending = async { while background.join_next().await.is_some() {} };
    if tokio::time::timeout(SETTLE_TIME, ending).await.is_err() {
        // A look at a disk that is away, such as a network's, may never come back.
        tracing::warn!("background work does not end and is left behind: does a disk not answer?");
    }
    let settling = async {
        tokio::join!(node.app.stop_sending(SENDING_TIME), node.app.settle());
    };
    if tokio::time::timeout(SETTLE_TIME, settling).await.is_err() {
        tracing::warn!(
            "downloads from upstreams were cut off, they start over when asked for; or a push to \
             another server was, see its line \"pushing to another server\" in this log"
        );
    }
    node.close().await;
}

pub(crate) fn flags(arguments: &ServeArgs) -> Vec<(&'static str, &'static str, String)> {
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
///
/// `host` is a name that the certificate is for.
fn announce(
    outside_url: Option<&url::Url>,
    host: Option<&str>,
    places: &[Place],
    lines: &[String],
) {
    for place in places {
        output::data(&format!("Listening on {place}"));
    }
    for line in lines {
        output::data(line);
    }
    let base = match outside_url {
        Some(url) => Some(url.as_str().trim_end_matches('/').to_owned()),
        None => to_paste(places, host),
    };
    // What stands in front of a socket of the file system nobody has told us.
    if let Some(base) = base {
        output::data(&format!(
            "Install with: pip install --index-url {base}/root/pypi/+simple/ NAME"
        ));
    }
}

/// The URL of the best of the places: one with TLS, by a name that clients believe.
fn to_paste(places: &[Place], host: Option<&str>) -> Option<String> {
    let https = places.iter().find_map(|place| match place {
        Place::Tcp(address, Transport::Tls) => Some(address.port()),
        _ => None,
    });
    if let (Some(port), Some(host)) = (https, host) {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        return Some(match port {
            443 => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        });
    }
    let is_tls = |place: &&Place| matches!(place, Place::Tcp(_, Transport::Tls));
    let is_tcp = |place: &&Place| matches!(place, Place::Tcp(..));
    let place = places.iter().find(is_tls);
    let place = place.or_else(|| places.iter().find(is_tcp))?;
    Some(reachable(place.clone()).to_string())
}

/// Opens what `[tls]` says, if anybody listens for it.
fn open_tls(config: &Config, listeners: &[Listener]) -> Result<Option<Arc<ServerTls>>, Failure> {
    let is_spoken = listeners
        .iter()
        .any(|listener| listener.transport() == Transport::Tls);
    match (is_spoken, config.tls.is_on()) {
        (true, true) => ServerTls::open(&config.tls).map(Some),
        (true, false) => Err(Failure::could_not_try(
            "TLS is to be spoken on a socket of the service manager, and there is no certificate",
        )
        .with_hint(
            "set `tls.certificate` and `tls.key`, or call the socket something else than https",
        )),
        (false, true) => {
            tracing::warn!(
                "[tls] has a certificate, and no address speaks TLS: begin one in `server.listen` \
                 with https://"
            );
            Ok(None)
        }
        (false, false) => Ok(None),
    }
}

/// `0.0.0.0` is where to listen, not where to connect.
fn reachable(mut place: Place) -> Place {
    if let Place::Tcp(address, _) = &mut place
        && address.ip().is_unspecified()
    {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    place
}

fn place_list(places: &[Place]) -> String {
    places
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
