//! Refusals over a real connection, where a careless server resets it before the client reads.

use std::net::SocketAddr;

use base64::Engine as _;
use cheeseshop_app::{Settings, settings::PublishLimits};
use cheeseshop_http::{HttpSettings, PeerAddress};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::support::Server;

/// Serves on loopback until the test ends.
async fn listen(server: &Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = server.service();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let service = service.clone().map_request(
                move |mut request: http::Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(PeerAddress(peer));
                    request
                },
            );
            tokio::spawn(async move {
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            });
        }
    });
    address
}

async fn small_server() -> Server {
    let settings = Settings {
        publish: PublishLimits::for_testing(),
        ..Settings::default()
    };
    Server::with(settings, HttpSettings::default()).await
}

fn head(length: usize, extra: &str) -> String {
    let authorization = base64::engine::general_purpose::STANDARD.encode("alice:alice-secret");
    format!(
        "POST /alice/dev/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Basic {authorization}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n{extra}\r\n"
    )
}

/// Sends everything before it reads anything, as twine does.
async fn send_all_then_read(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_before_it_reads_sees_the_refusal() {
    let server = small_server().await;
    let address = listen(&server).await;
    // No such user yet: refused before the body is read, which is then 8 MB of backlog.
    let body = vec![b'x'; 8 << 20];
    let answer = send_all_then_read(address, &head(body.len(), ""), &body).await;
    assert!(
        answer.starts_with("HTTP/1.1 404 The stage alice/dev could not be found.\r\n")
            || answer.starts_with("HTTP/1.1 401 "),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_over_the_limit_is_413_for_the_one_who_sends_it_whole() {
    let server = small_server().await;
    server.user_with_dev("alice").await;
    let address = listen(&server).await;
    let limit = usize::try_from(PublishLimits::for_testing().max_file_bytes).unwrap();
    let mut body = b"--b\r\nContent-Disposition: form-data; name=\"content\"; \
                     filename=\"flask-1.0.tar.gz\"\r\n\r\n"
        .to_vec();
    body.resize(limit + 1024 * 1024, b'x');
    // Without a length the limit is only found while reading.
    let chunked = head(0, "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let mut chunks = format!("{:x}\r\n", body.len()).into_bytes();
    chunks.extend(&body);
    chunks.extend(b"\r\n0\r\n\r\n");
    let answer = send_all_then_read(address, &chunked, &chunks).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_giant_is_413_before_a_byte_of_it_is_sent() {
    let server = small_server().await;
    server.user_with_dev("alice").await;
    let address = listen(&server).await;
    let answer =
        send_all_then_read(address, &head(10 << 30, "Expect: 100-continue\r\n"), b"").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let server = small_server().await;
    server.user_with_dev("alice").await;
    let address = listen(&server).await;
    let body = "--b\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nsubmit\r\n\
                --b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nflask\r\n\
                --b\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n1.0\r\n--b--\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = head(body.len(), "Expect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0_u8; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reason_phrase_reaches_the_wire() {
    let server = small_server().await;
    server.user_with_dev("alice").await;
    let address = listen(&server).await;
    let body = b"--b\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nfoo\r\n--b--\r\n";
    let answer = send_all_then_read(address, &head(body.len(), ""), body).await;
    assert!(
        answer.starts_with("HTTP/1.1 400 action 'foo' not supported\r\n"),
        "{answer}"
    );
}
