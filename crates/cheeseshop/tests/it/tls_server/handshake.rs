//! Clients that dawdle, speak something else, or come in numbers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use reqwest::{StatusCode, tls};

use super::Stand;
use crate::support::{DEADLINE, Server};

fn connect(server: &Server) -> TcpStream {
    let address = server.url.strip_prefix("https://").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Reads until the server closes the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_dawdles_holds_up_nobody_and_is_sent_away() {
    let stand = Stand::new();
    // Long enough for the handshakes of those who do not dawdle, on a loaded machine.
    let server = stand.serve_tls(&["--set=tls.handshake_timeout=5s"]);
    let begun = Instant::now();
    // Nothing; the beginning of a handshake; a handshake that claims to be longer than it is.
    let first_bytes: [&[u8]; 3] = [b"", &[22, 3, 1], &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]];
    let dawdlers: Vec<TcpStream> = first_bytes
        .iter()
        .cycle()
        .take(30)
        .map(|bytes| {
            let mut stream = connect(&server);
            stream.write_all(bytes).unwrap();
            stream
        })
        .collect();
    let answer = stand.client().get(server.at("+health/live")).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    tokio::task::spawn_blocking(|| dawdlers.into_iter().map(rest).collect::<Vec<_>>())
        .await
        .unwrap();
    let took = begun.elapsed();
    assert!(took.as_millis() >= 4900, "they had their time: {took:?}");
    let metrics = stand.client().get(server.at("metrics")).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let timeouts = "cheeseshop_tls_handshakes_total{result=\"timeout\"} 30";
    assert!(metrics.contains(timeouts), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_without_tls_is_told_what_is_missing() {
    let stand = Stand::new();
    let server = stand.serve_tls(&[]);
    for request in [
        "GET /root/pypi/+simple/ HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
        format!(
            "POST /bob/dev/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 500000\r\n\r\n{}",
            "x".repeat(500_000)
        ),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let mut stream = connect(&server);
        stream.write_all(request.as_bytes()).unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            rest(stream)
        })
        .await
        .unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("https://"), "{answer}");
    }
    // Nonsense is nobody's language.
    let mut stream = connect(&server);
    stream.write_all(b"\0\0\0\0\0\0\0\0").unwrap();
    let answer = tokio::task::spawn_blocking(move || rest(stream))
        .await
        .unwrap();
    assert!(!answer.contains("HTTP"), "{answer}");
    let answer = stand.client().get(server.at("+health/live")).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_count_as_connections() {
    let stand = Stand::new();
    let limits = [
        "--set=server.max_connections=2",
        "--set=tls.handshake_timeout=3s",
    ];
    let server = stand.serve_tls(&limits);
    // Before they come: their time begins when they are let in.
    let begun = Instant::now();
    let silent = [connect(&server), connect(&server)];
    let answer = stand.client().get(server.at("+health/live")).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    let took = begun.elapsed();
    assert!(took.as_secs() >= 2, "there was no room before: {took:?}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_are_spoken_down_to_the_one_that_is_set() {
    let stand = Stand::new();
    for (more, is_spoken) in [
        (&[][..], true),
        (&["--set=tls.minimum_version=1.3"][..], false),
    ] {
        let server = stand.serve_tls(more);
        for (version, expected) in [
            (tls::Version::TLS_1_3, true),
            (tls::Version::TLS_1_2, is_spoken),
        ] {
            let client = stand.trusting().tls_version_max(version).build().unwrap();
            let answer = client.get(server.at("+health/live")).send().await;
            assert_eq!(answer.is_ok(), expected, "{version:?}: {answer:?}");
        }
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_no_silent_client() {
    let stand = Stand::new();
    let server = stand.serve_tls(&[
        "--set=tls.handshake_timeout=1h",
        "--set=server.stop_grace=1h",
    ]);
    let silent = connect(&server);
    let answer = stand.client().get(server.at("+health/live")).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    let log = server.stop();
    assert!(log.contains("all requests have finished"), "{log}");
    drop(silent);
}
