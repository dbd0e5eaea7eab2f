//! Connections: accepted up to a limit, served as HTTP/1.1 or HTTP/2, finished before the end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cheeseshop_http::PeerAddress;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use crate::listeners::{Listener, Stream};

/// How long accepting rests when the process has no file descriptor left.
const REST_WHEN_FULL: Duration = Duration::from_millis(50);

/// How often the log says that connections cannot be accepted, while that lasts.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

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
/// Comes back when the last connection has ended. Dropping the future ends nothing that runs;
/// the process does.
pub(crate) async fn serve<S, B>(
    listeners: Vec<Listener>,
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
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let permits = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = Arc::new(GracefulShutdown::new());
    let builder = Arc::new(protocol(&settings));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let permits = Arc::clone(&permits);
        let builder = Arc::clone(&builder);
        let service = service.clone();
        let graceful = Arc::clone(&graceful);
        let stop = stop.clone();
        let first_request = settings.header_read_timeout;
        accepting.spawn(async move {
            let mut complaint = None;
            while let Some((stream, peer, permit)) =
                next(&listener, &permits, &stop, &mut complaint).await
            {
                let connection = Connection {
                    stream,
                    peer,
                    watcher: graceful.watcher(),
                    permit,
                };
                tokio::spawn(run(
                    connection,
                    Arc::clone(&builder),
                    service.clone(),
                    first_request,
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
    peer: SocketAddr,
    watcher: Watcher,
    permit: OwnedSemaphorePermit,
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
    complaint: &mut Option<Instant>,
) -> Option<(Stream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = tokio::select! {
        () = stop.cancelled() => return None,
        permit = Arc::clone(permits).acquire_owned() => {
            permit.expect("the semaphore is never closed")
        }
    };
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
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
        peer,
        watcher,
        permit,
    } = connection;
    let asked = Arc::new(AtomicBool::new(false));
    let asking = Arc::clone(&asked);
    let service = service_fn(move |mut request: Request<Incoming>| {
        asking.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(PeerAddress(peer));
        service.clone().oneshot(request)
    });
    let serving = watcher.watch(
        builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service)
            .into_owned(),
    );
    let mut serving = pin!(serving);
    // Which protocol a client speaks is read without a time limit by the library, so a client
    // that sends nothing, or half a word, is sent away here.
    let result = match tokio::time::timeout(first_request, serving.as_mut()).await {
        Ok(result) => result,
        Err(_) if asked.load(Ordering::Relaxed) => serving.await,
        Err(_) => Ok(()),
    };
    if let Err(error) = result {
        // Clients hang up in the middle of things all day; that is for debugging only.
        tracing::debug!(%peer, error, "a connection ended early");
    }
    drop(permit);
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;

    use super::*;

    fn settings() -> ConnectionSettings {
        ConnectionSettings {
            max_connections: 2,
            header_read_timeout: Duration::from_mins(1),
        }
    }

    async fn listener() -> (Listener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Listener::Tcp(listener), address)
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
        let (listener, address) = listener().await;
        let stop = CancellationToken::new();
        let service = tower::service_fn(|request: Request<Incoming>| {
            let peer = request.extensions().get::<PeerAddress>();
            let text = peer.map_or_else(String::new, |peer| peer.0.ip().to_string());
            ready(Ok::<_, Infallible>(Response::new(text)))
        });
        let serving = tokio::spawn(serve(vec![listener], service, settings(), stop.clone()));
        let answer = ask(address).await;
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_running_request_finishes_after_the_stop_and_no_new_one_begins() {
        let (listener, address) = listener().await;
        let stop = CancellationToken::new();
        let started = Arc::new(Notify::new());
        let finish = Arc::new(Notify::new());
        let (starting, finishing) = (Arc::clone(&started), Arc::clone(&finish));
        let service = tower::service_fn(move |_: Request<Incoming>| {
            let (started, finish) = (Arc::clone(&starting), Arc::clone(&finishing));
            async move {
                started.notify_one();
                finish.notified().await;
                Ok::<_, Infallible>(Response::new("done".to_owned()))
            }
        });
        let serving = tokio::spawn(serve(vec![listener], service, settings(), stop.clone()));
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
        let (listener, address) = listener().await;
        let stop = CancellationToken::new();
        let service = tower::service_fn(|_: Request<Incoming>| {
            ready(Ok::<_, Infallible>(Response::new(String::new())))
        });
        let settings = ConnectionSettings {
            max_connections: 1,
            header_read_timeout: Duration::from_millis(20),
        };
        let serving = tokio::spawn(serve(vec![listener], service, settings, stop.clone()));
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
}
