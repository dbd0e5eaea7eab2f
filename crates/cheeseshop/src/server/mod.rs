//! Connections: accepted up to a limit, served as HTTP/1.1 or HTTP/2, finished before the end.

mod asked;
mod flow;
mod share;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cheeseshop_http::{Channel, PeerAddress};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use self::asked::Asked;
use self::flow::{Answer, Running, Verdict};
use self::share::{Share, Shares};
use crate::listeners::{Listener, Place, Stream, Transport};
use crate::systemd::{Beat, Pulse};
use crate::tls::{ServerTls, TlsStream, Visitor};

pub(crate) use self::flow::{Flow, Watched};

/// How long accepting rests when the process has no file descriptor left.
const REST_WHEN_FULL: Duration = Duration::from_millis(50);

/// How often the log says that connections cannot be accepted, while that lasts.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// How long a stop waits for the first request of a connection that was there before.
const LATE_REQUEST: Duration = Duration::from_secs(1);

/// How often a silent HTTP/2 client is asked whether it is still there. What it is asked lies behind all
/// that was sent before, so it has as long for an answer as for reading that.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// Bytes that an HTTP/2 client may send ahead on one stream. The standard's 64 KiB would make an
/// upload wait for every round trip.
const HTTP2_STREAM_WINDOW: u32 = 1 << 20;

/// The same for all streams of a connection together.
const HTTP2_CONNECTION_WINDOW: u32 = 4 << 20;

/// The metric of connections that were ended because their client took nothing.
const NOT_READ: &str = "cheeseshop_connections_not_read_total";

/// The metric of connections that were closed because their client has many and places run short.
const TURNED_AWAY: &str = "cheeseshop_connections_turned_away_total";

/// How connections are treated.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    /// Connections open at once; more wait in the kernel's queue.
    pub(crate) max_connections: usize,
    /// How long the head of a request may take, and a kept connection may idle.
    pub(crate) header_read_timeout: Duration,
    /// How long a client may take nothing of what it is given.
    pub(crate) write_timeout: Duration,
    /// Peers that speak for many clients.
    pub(crate) proxies: Vec<IpNet>,
}

/// Serves until `stop`, then closes the listeners and lets running requests finish.
///
/// `tls` is there when TLS is spoken on one of the listeners: without it nobody is served there, and with
/// it the others are plain addresses beside TLS.
///
/// Comes back when the last connection has ended. Dropping the future ends nothing that runs;
/// the process does.
pub(crate) async fn serve<S, B>(
    listeners: Vec<Listener>,
    tls: Option<Arc<ServerTls>>,
    service: S,
    settings: ConnectionSettings,
    pulse: &Pulse,
    stop: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    metrics::describe_counter!(
        NOT_READ,
        "Connections ended because the client took nothing of its answer"
    );
    metrics::describe_counter!(
        TURNED_AWAY,
        "Connections closed because places ran short and the client had many"
    );
    let permits = Arc::new(Semaphore::new(settings.max_connections));
    let shares = Shares::of(settings.max_connections, settings.proxies.clone());
    let graceful = Arc::new(GracefulShutdown::new());
    let builder = Arc::new(protocol(&settings));
    let https_port = listeners.iter().find_map(https_port);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let permits = Arc::clone(&permits);
        let shares = Arc::clone(&shares);
        let builder = Arc::clone(&builder);
        let service = service.clone();
        let graceful = Arc::clone(&graceful);
        let kind = Kind::of(&listener, tls.as_ref(), https_port);
        let stop = stop.clone();
        let settings = settings.clone();
        let mut beat = pulse.beat();
        accepting.spawn(async move {
            let mut complaint = None;
            while let Some((stream, peer, permit)) =
                next(&listener, &permits, &stop, &mut beat, &mut complaint).await
            {
                let free = match &stream {
                    Either::Left(_) => permits.available_permits(),
                    // It is a proxy of ours.
                    Either::Right(_) => settings.max_connections,
                };
                let Some(share) = shares.take(peer.ip(), free) else {
                    metrics::counter!(TURNED_AWAY).increment(1);
                    tracing::debug!(%peer, "places run short, and a client has many already");
                    continue;
                };
                let connection = Connection {
                    stream,
                    kind: kind.clone(),
                    peer,
                    watcher: graceful.watcher(),
                    place: (permit, share),
                };
                tokio::spawn(run(
                    connection,
                    Arc::clone(&builder),
                    service.clone(),
                    settings.clone(),
                    stop.clone(),
                ));
            }
        });
    }
    while accepting.join_next().await.is_some() {}
    let graceful = Arc::into_inner(graceful).expect("the accepting tasks held the other handles");
    graceful.shutdown().await;
}

struct Connection {
    stream: Stream,
    kind: Kind,
    peer: SocketAddr,
    watcher: Watcher,
    place: (OwnedSemaphorePermit, Share),
}

/// What is spoken on the connections of a listener.
#[derive(Clone)]
enum Kind {
    /// Plain HTTP.
    Plain,
    /// Plain HTTP, although there is an address with TLS, which has this port if it is one of ours.
    BesideTls(Arc<ServerTls>, Option<u16>),
    Tls(Option<Arc<ServerTls>>),
}

impl Kind {
    fn of(listener: &Listener, tls: Option<&Arc<ServerTls>>, https_port: Option<u16>) -> Self {
        match (listener.transport(), listener.place(), tls) {
            (Transport::Tls, _, tls) => Self::Tls(tls.cloned()),
            // Whoever may open a socket of the file system is a proxy of ours.
            (Transport::Plain, Ok(Place::Tcp(..)), Some(tls)) => {
                Self::BesideTls(Arc::clone(tls), https_port)
            }
            (Transport::Plain, ..) => Self::Plain,
        }
    }

    /// Gets a connection ready for requests; `None`: nobody is there to send any.
    async fn prepare(
        self,
        stream: Stream,
        peer: SocketAddr,
        stop: &CancellationToken,
        flow: Arc<Flow>,
    ) -> Option<(Either<Watched, Box<TlsStream>>, Speaker)> {
        match self {
            Self::Plain => {
                let stream = Watched::new(stream, flow);
                Some((Either::Left(stream), Speaker::Known(Channel::Plain)))
            }
            Self::BesideTls(tls, https_port) => {
                let policy = tls.plain_policy();
                let channel = Channel::BesideTls { policy, https_port };
                let stream = Watched::new(stream, flow);
                Some((Either::Left(stream), Speaker::Known(channel)))
            }
            Self::Tls(tls) => {
                let (stream, visitor) = tls?.accept(stream, peer, stop, flow).await?;
                let speaker = Speaker::Visitor(Arc::new(visitor));
                Some((Either::Right(Box::new(stream)), speaker))
            }
        }
    }
}

/// Who speaks on a connection.
#[derive(Clone)]
enum Speaker {
    Known(Channel),
    /// What it may count as can change from request to request.
    Visitor(Arc<Visitor>),
}

impl Speaker {
    fn channel(&self) -> Channel {
        match self {
            Self::Known(channel) => channel.clone(),
            Self::Visitor(visitor) => visitor.channel(),
        }
    }
}

fn https_port(listener: &Listener) -> Option<u16> {
    match (listener.transport(), listener.place()) {
        (Transport::Tls, Ok(Place::Tcp(address, _))) => Some(address.port()),
        _ => None,
    }
}

fn protocol(settings: &ConnectionSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_read_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(flow::longest(settings.write_timeout))
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW);
    builder
}

/// The next connection, once there is room for it; `None` when it is time to stop.
async fn next(
    listener: &Listener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
    beat: &mut Beat,
    complaint: &mut Option<Instant>,
) -> Option<(Stream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = tokio::select! {
        () = stop.cancelled() => return None,
        () = beat.keep() => return None,
        permit = Arc::clone(permits).acquire_owned() => {
            permit.expect("the semaphore is never closed")
        }
    };
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            () = beat.keep() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => return Some((stream, peer, permit)),
            // The client went away before its turn came.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                // Out of file descriptors or memory: connections that end will make room.
                if complaint.is_none_or(|last| last.elapsed() > COMPLAINT_INTERVAL) {
                    tracing::error!(%error, "connections cannot be accepted");
                    *complaint = Some(Instant::now());
                }
                tokio::time::sleep(REST_WHEN_FULL).await;
            }
        }
    }
}

async fn run<S, B>(
    connection: Connection,
    builder: Arc<auto::Builder<TokioExecutor>>,
    service: S,
    settings: ConnectionSettings,
    stop: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Connection {
        stream,
        kind,
        peer,
        watcher,
        place,
    } = connection;
    let flow = Arc::new(Flow::default());
    let prepared = kind.prepare(stream, peer, &stop, Arc::clone(&flow));
    let Some((stream, speaker)) = prepared.await else {
        return;
    };
    let first_request = settings.header_read_timeout;
    let idle = first_request;
    let answers = Arc::clone(&flow);
    let asked = Arc::new(Asked::default());
    let asking = Arc::clone(&asked);
    let service = service_fn(move |mut request: Request<Incoming>| {
        asking.note();
        request.extensions_mut().insert(PeerAddress(peer));
        let channel = speaker.channel();
        if channel != Channel::default() {
            request.extensions_mut().insert(channel);
        }
        let answering = service.clone().oneshot(request);
        let running = Running::on(&answers);
        async move {
            let Ok(response) = answering.await;
            Ok::<_, Infallible>(response.map(|body| Answer::new(body, running)))
        }
    });
    let serving = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .into_owned();
    // Looked at whenever something comes: a token of its own has a lock of its own.
    let stop = stop.child_token();
    let result = {
        let serving = async {
            let mut serving = pin!(serving);
            let is_stopping = tokio::select! {
                result = serving.as_mut() => return result,
                () = stop.cancelled() => true,
                () = asked.silence(idle) => false,
            };
            // Whoever was let in before the stop is answered, also when the request is still on its way.
            if is_stopping {
                tokio::select! {
                    result = serving.as_mut() => return result,
                    () = asked.wait() => {}
                    () = tokio::time::sleep(LATE_REQUEST) => {}
                }
            }
            // What runs is finished, and nothing new begins.
            serving.as_mut().graceful_shutdown();
            flow.end();
            serving.await
        };
        // Which protocol a client speaks is read without a time limit by the library, so a client
        // that sends nothing, or half a word, is sent away here.
        let serving = async {
            let mut serving = pin!(serving);
            match tokio::time::timeout(first_request, serving.as_mut()).await {
                Ok(result) => result,
                Err(_) if asked.is_so() => serving.await,
                Err(_) => Ok(()),
            }
        };
        tokio::select! {
            result = serving => result,
            verdict = flow.stuck(settings.write_timeout, &stop) => {
                if verdict == Verdict::DoesNotRead {
                    metrics::counter!(NOT_READ).increment(1);
                    tracing::info!(
                        %peer,
                        "a client has taken nothing of its answer for too long; its connection is ended"
                    );
                }
                Ok(())
            }
        }
    };
    if let Err(error) = result {
        // Clients hang up in the middle of things all day; that is for debugging only.
        tracing::debug!(%peer, error, "a connection ended early");
    }
    // Stopping waits for what holds one.
    drop(watcher);
    drop(place);
}
