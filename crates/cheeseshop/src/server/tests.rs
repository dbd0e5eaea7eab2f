//! Clients of all kinds, good and bad.

use std::future::ready;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::listeners::Transport;

fn settings() -> ConnectionSettings {
    ConnectionSettings {
        max_connections: 2,
        header_read_timeout: Duration::from_mins(1),
        write_timeout: Duration::from_mins(1),
        proxies: Vec::new(),
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
        write_timeout: Duration::from_mins(1),
        proxies: Vec::new(),
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
        write_timeout: Duration::from_mins(1),
        proxies: Vec::new(),
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

/// More than all buffers between the two ends hold.
const MUCH: usize = 32 << 20;

/// A server with one place, whose answers are long for `/much` and wait for the bell for `/late`.
async fn start_with_patience(
    write_timeout: Duration,
    bell: &Arc<Notify>,
) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let settings = ConnectionSettings {
        max_connections: 2,
        write_timeout,
        ..settings()
    };
    let bell = Arc::clone(bell);
    let answer = move |request: Request<Incoming>| {
        let bell = Arc::clone(&bell);
        async move {
            Ok(Response::new(match request.uri().path() {
                "/much" => "x".repeat(MUCH),
                "/late" => {
                    bell.notified().await;
                    "done".to_owned()
                }
                _ => "done".to_owned(),
            }))
        }
    };
    start(settings, answer).await
}

#[tokio::test]
async fn who_asks_and_does_not_read_is_sent_away_and_who_waits_is_not() {
    let bell = Arc::new(Notify::new());
    let (address, stop, serving) = start_with_patience(Duration::from_millis(60), &bell).await;
    // It has one of the two places all the time.
    let mut waiting = TcpStream::connect(address).await.unwrap();
    waiting
        .write_all(b"GET /late HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let pipelined = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".repeat(20_000);
    for request in [
        &b"GET /much HTTP/1.1\r\nHost: a.test\r\n\r\n"[..],
        &pipelined,
    ] {
        let mut stuck = TcpStream::connect(address).await.unwrap();
        // The server may go while there is still something to be asked.
        let _ = stuck.write_all(request).await;
        assert!(ask(address).await.ends_with("done"), "its place is free");
        let mut taken = Vec::new();
        let error = stuck.read_to_end(&mut taken).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(taken.len() < MUCH);
    }
    bell.notify_one();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_window_of_http2_that_is_never_opened_ends_the_connection() {
    let bell = Arc::new(Notify::new());
    let (address, stop, serving) = start_with_patience(Duration::from_millis(60), &bell).await;
    let _waiting = TcpStream::connect(address).await.unwrap();
    // A short answer is complete at once as far as the server goes, a long one is not, and the third
    // has begun to leave.
    for (window, path) in [(0, "/"), (0, "/much"), (65_535, "/much")] {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(window)
                .handshake(stream)
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let uri = format!("http://a.test{path}");
        let request = Request::get(uri).body(String::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert!(ask(address).await.ends_with("done"), "its place is free");
        let _ = connection.await.unwrap();
        drop(answer);
    }
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn an_http2_client_that_ignores_the_end_is_ended() {
    let settings = ConnectionSettings {
        max_connections: 1,
        header_read_timeout: Duration::from_millis(60),
        write_timeout: Duration::from_millis(60),
        proxies: Vec::new(),
    };
    let answer = |_| ready(Ok(Response::new("done".to_owned())));
    let (address, stop, serving) = start(settings, answer).await;
    let mut stubborn = TcpStream::connect(address).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // Empty settings, and a GET of `/` over http on stream 1 by names of the static table.
    let frames = [
        &[0, 0, 0, 4, 0, 0, 0, 0, 0][..],
        &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84],
    ];
    stubborn.write_all(preface).await.unwrap();
    stubborn.write_all(&frames.concat()).await.unwrap();
    // It answers neither a ping nor the wish to end, and has the only place.
    assert!(ask(address).await.ends_with("done"));
    let mut taken = Vec::new();
    stubborn.read_to_end(&mut taken).await.unwrap();
    let is_answer = |part: &[u8]| part == b"done";
    assert!(taken.windows(4).any(is_answer), "it was served");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_stop_is_not_held_up_by_those_who_do_not_go_on() {
    let bell = Arc::new(Notify::new());
    let (address, stop, serving) = start_with_patience(Duration::from_millis(60), &bell).await;
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let mut kept = TcpStream::connect(address).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HT")
        .await
        .unwrap();
    let mut first = [0];
    kept.read_exact(&mut first).await.unwrap();
    stop.cancel();
    // Far less than the head of a request may take.
    tokio::time::timeout(Duration::from_secs(30), serving)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn when_places_run_short_they_are_for_those_who_have_few() {
    let settings = ConnectionSettings {
        max_connections: 16,
        ..settings()
    };
    let answer = |_| ready(Ok(Response::new("done".to_owned())));
    let (address, stop, serving) = start(settings, answer).await;
    let mut greedy = Vec::new();
    for _ in 0..16 {
        greedy.push(TcpStream::connect(address).await.unwrap());
    }
    // The last ones are not waiting: they are told at once.
    for turned_away in greedy.split_off(14) {
        let mut turned_away = turned_away;
        let mut nothing = Vec::new();
        assert_eq!(turned_away.read_to_end(&mut nothing).await.unwrap(), 0);
    }
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    other.write_all(request).await.unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    // And those who give places back get some again.
    drop(greedy);
    while !ask_again(address).await {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    serving.await.unwrap();
}

/// Whether there is a place by now.
async fn ask_again(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let mut answer = Vec::new();
    let is_asked = stream.write_all(request).await.is_ok();
    is_asked && stream.read_to_end(&mut answer).await.is_ok() && answer.ends_with(b"done")
}
