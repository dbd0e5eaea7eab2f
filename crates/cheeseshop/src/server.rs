//! Connections: accepted up to a limit, served as HTTP/1.1 or HTTP/2, finished before the end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cheeseshop_http::{Channel, PeerAddress};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use crate::listeners::{Listener, Place, Stream, Transport};
use crate::systemd::{Beat, Pulse};
use crate::tls::{ServerTls, TlsStream, Visitor};

/// How long accepting rests when the process has no file descriptor left.
const REST_WHEN_FULL: Duration = Duration::from_millis(50);

/// How often the log says that connections cannot be accepted, while that lasts.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// How long a stop waits for the first request of a connection that was there before.
const LATE_REQUEST: Duration = Duration::from_secs(1);

/// How often a silent HTTP/2 client is asked whether it is still there, and how long it may take
/// to answer.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// Bytes that an HTTP/2 client may send ahead on one stream. The standard's 64 KiB would make an
/// upload wait for every round trip.
const HTTP2_STREAM_WINDOW: u32 = 1 << 20;

/// The same for all streams of a connection together.
const HTTP2_CONNECTION_WINDOW: u32 = 4 << 20;

/// How connections are treated.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    /// Connections open at once; more wait in the kernel's queue.
    pub(crate) max_connections: usize,
    /// How long the head of a request may take, and a kept connection may idle.
    pub(crate) header_read_timeout: Duration,
}

/// Serves until `stop`, then closes the listeners and lets running requests finish.
///
/// `tls` is needed by listeners on which TLS is spoken: without it nobody is served there.
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
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let permits = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = Arc::new(GracefulShutdown::new());
    let builder = Arc::new(protocol(&settings));
    let https_port = listeners.iter().find_map(https_port);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let permits = Arc::clone(&permits);
        let builder = Arc::clone(&builder);
        let service = service.clone();
        let graceful = Arc::clone(&graceful);
        let kind = Kind::of(&listener, tls.as_ref(), https_port);
        let stop = stop.clone();
        let first_request = settings.header_read_timeout;
        let mut beat = pulse.beat();
        accepting.spawn(async move {
            let mut complaint = None;
            while let Some((stream, peer, permit)) =
                next(&listener, &permits, &stop, &mut beat, &mut complaint).await
            {
                let connection = Connection {
                    stream,
                    kind: kind.clone(),
                    peer,
                    watcher: graceful.watcher(),
                    permit,
                };
                tokio::spawn(run(
                    connection,
                    Arc::clone(&builder),
                    service.clone(),
                    first_request,
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
    permit: OwnedSemaphorePermit,
}

/// What is spoken on the connections of a listener.
#[derive(Clone)]
enum Kind {
    /// Plain HTTP.
    Plain,
    /// Plain HTTP, although there is an address with TLS, which has this port.
    BesideTls(Arc<ServerTls>, u16),
    Tls(Option<Arc<ServerTls>>),
}

impl Kind {
    fn of(listener: &Listener, tls: Option<&Arc<ServerTls>>, https_port: Option<u16>) -> Self {
        match (listener.transport(), listener.place(), tls, https_port) {
            (Transport::Tls, _, tls, _) => Self::Tls(tls.cloned()),
            // Whoever may open a socket of the file system is a proxy of ours.
            (Transport::Plain, Ok(Place::Tcp(..)), Some(tls), Some(port)) => {
                Self::BesideTls(Arc::clone(tls), port)
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
    ) -> Option<(Either<Stream, Box<TlsStream>>, Speaker)> {
        match self {
            Self::Plain => Some((Either::Left(stream), Speaker::Known(Channel::Plain))),
            Self::BesideTls(tls, https_port) => {
                let policy = tls.plain_policy();
                let channel = Channel::BesideTls { policy, https_port };
                Some((Either::Left(stream), Speaker::Known(channel)))
            }
            Self::Tls(tls) => {
                let (stream, visitor) = tls?.accept(stream, peer, stop).await?;
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
        .keep_alive_timeout(HTTP2_PING)
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
    first_request: Duration,
    stop: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Connection {
        stream,
        kind,
        peer,
        watcher,
        permit,
    } = connection;
    let Some((stream, speaker)) = kind.prepare(stream, peer, &stop).await else {
        return;
    };
    let idle = first_request;
    let asked = Arc::new(Asked::default());
    let asking = Arc::clone(&asked);
    let service = service_fn(move |mut request: Request<Incoming>| {
        asking.note();
        request.extensions_mut().insert(PeerAddress(peer));
        let channel = speaker.channel();
        if channel != Channel::default() {
            request.extensions_mut().insert(channel);
        }
        service.clone().oneshot(request)
    });
    let serving = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .into_owned();
    // Looked at whenever something comes: a token of its own has a lock of its own.
    let stop = stop.child_token();
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
        serving.await
    };
    let mut serving = pin!(serving);
    // Which protocol a client speaks is read without a time limit by the library, so a client
    // that sends nothing, or half a word, is sent away here.
    let result = match tokio::time::timeout(first_request, serving.as_mut()).await {
        Ok(result) => result,
        Err(_) if asked.is_so() => serving.await,
        Err(_) => Ok(()),
    };
    if let Err(error) = result {
        // Clients hang up in the middle of things all day; that is for debugging only.
        tracing::debug!(%peer, error, "a connection ended early");
    }
    // Stopping waits for what holds one.
    drop(watcher);
    drop(permit);
}

/// The requests that have come on a connection.
#[derive(Default)]
struct Asked {
    count: AtomicU64,
    first: Notify,
}

impl Asked {
    fn note(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) == 0 {
            self.first.notify_one();
        }
    }

    fn is_so(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    async fn wait(&self) {
        if !self.is_so() {
            self.first.notified().await;
        }
    }

    /// Comes back when requests have come, and then none for so long, or at most twice that. The library
    /// knows no end of an HTTP/2 connection whose client answers pings.
    async fn silence(&self, time: Duration) {
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

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::listeners::Transport;

    fn settings() -> ConnectionSettings {
        ConnectionSettings {
            max_connections: 2,
            header_read_timeout: Duration::from_mins(1),
        }
    }

    /// A server with these answers: its address, what stops it, and its task.
    async fn start<F>(
        settings: ConnectionSettings,
        answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    ) -> (SocketAddr, CancellationToken, JoinHandle<()>)
    where
        F: Future<Output = Result<Response<String>, Infallible>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listeners = vec![Listener::tcp(listener, Transport::Plain)];
        let stop = CancellationToken::new();
        let until = stop.clone();
        let serving = tokio::spawn(async move {
            let service = tower::service_fn(answer);
            serve(listeners, None, service, settings, &Pulse::default(), until).await;
        });
        (address, stop, serving)
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_peer_is_told_to_the_service() {
        let (address, stop, serving) = start(settings(), |request| {
            let peer = request.extensions().get::<PeerAddress>();
            let text = peer.map_or_else(String::new, |peer| peer.0.ip().to_string());
            ready(Ok(Response::new(text)))
        })
        .await;
        let answer = ask(address).await;
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_running_request_finishes_after_the_stop_and_no_new_one_begins() {
        let started = Arc::new(Notify::new());
        let finish = Arc::new(Notify::new());
        let (starting, finishing) = (Arc::clone(&started), Arc::clone(&finish));
        let (address, stop, serving) = start(settings(), move |_| {
            let (started, finish) = (Arc::clone(&starting), Arc::clone(&finishing));
            async move {
                started.notify_one();
                finish.notified().await;
                Ok(Response::new("done".to_owned()))
            }
        })
        .await;
        let asking = tokio::spawn(ask(address));
        started.notified().await;
        stop.cancel();
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!serving.is_finished());
        finish.notify_one();
        assert!(asking.await.unwrap().ends_with("done"));
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_sent_away() {
        let settings = ConnectionSettings {
            max_connections: 1,
            header_read_timeout: Duration::from_millis(20),
        };
        let answer = |_| ready(Ok(Response::new(String::new())));
        let (address, stop, serving) = start(settings, answer).await;
        for first_bytes in [&b""[..], b"PRI * HT", b"GET / HTTP/1.1\r\nHost"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(first_bytes).await.unwrap();
            let mut answer = Vec::new();
            // With one connection allowed the next round also shows that the place is free again.
            let _ = stream.read_to_end(&mut answer).await;
        }
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_http2_connection_is_ended_and_its_place_is_free() {
        let settings = ConnectionSettings {
            max_connections: 1,
            header_read_timeout: Duration::from_millis(20),
        };
        let answer = |_| ready(Ok(Response::new("done".to_owned())));
        let (address, stop, serving) = start(settings, answer).await;
        for _ in 0..2 {
            let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
                    .await
                    .unwrap();
            let connection = tokio::spawn(connection);
            let request = Request::get("http://a.test/").body(String::new()).unwrap();
            assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
            // The client would go on, and is still here.
            connection.await.unwrap().unwrap();
            drop(sender);
        }
        stop.cancel();
        serving.await.unwrap();
    }
}
