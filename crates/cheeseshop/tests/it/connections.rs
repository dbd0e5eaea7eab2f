//! Connections: their protocols, their number, and the open files that they need.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use reqwest::{StatusCode, Version};

use crate::support::{DEADLINE, Home, Server, Surroundings as _};

#[test]
fn the_limit_of_open_files_is_raised_to_what_is_allowed() {
    let home = Home::new();
    let plain = home.cheeseshop(&["serve", "--listen", "127.0.0.1:0"]);
    let mut command = std::process::Command::new("prlimit");
    command.arg("--nofile=64:500").arg(plain.get_program());
    command.args(plain.get_args()).in_surroundings_of(&plain);
    let server = Server::spawn(&home, command);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["500", "500"]);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let home = Home::new();
    let server = Server::start(&home, &["--set=server.max_connections=2"]);
    let address = server.url.strip_prefix("http://").unwrap();
    let ask = b"GET /+health/live HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let mut idle: Vec<TcpStream> = (0..2)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut waiting = TcpStream::connect(address).unwrap();
    waiting.write_all(ask).unwrap();
    // One of the others is served and ends, and makes room.
    let mut first = idle.pop().unwrap();
    first.write_all(ask).unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_spoken_without_tls_beside_http_1() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let url = server.at("+health/live");
    for (prior_knowledge, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        let mut client = reqwest::Client::builder().no_proxy();
        if prior_knowledge {
            client = client.http2_prior_knowledge();
        }
        let response = client.build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.version(), version);
    }
    server.stop();
}

#[tokio::test]
async fn several_addresses_are_served() {
    let home = Home::new();
    let server = Server::start(&home, &["--listen", "127.0.0.1:0"]);
    let urls: Vec<&str> = server
        .announcement
        .lines()
        .filter_map(|line| line.strip_prefix("Listening on "))
        .collect();
    assert_eq!(urls.len(), 2, "{}", server.announcement);
    for url in urls {
        let response = server.anonymous().get(&format!("{url}/+api")).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[test]
fn what_two_readers_could_read_differently_is_not_answered_twice() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let address = server.url.strip_prefix("http://").unwrap();
    let smuggled = "GET /+status HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let both = format!(
        "POST /+login HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        smuggled.len() + 5
    );
    let head = |lines: &str| {
        format!("POST /+login HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n\r\n0\r\n\r\n{smuggled}")
    };
    for request in [
        both,
        head("Content-Length: 3\r\nContent-Length: 5"),
        head("Content-Length: 5, 5"),
        head("Content-Length: +5"),
        head("Transfer-Encoding: chunked, identity"),
        head("Transfer-Encoding: xchunked"),
        head("Transfer-Encoding : chunked\r\nContent-Length: 5"),
        head("Transfer-Encoding:\r\n chunked\r\nContent-Length: 5"),
        "GET /+status HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\nConnection: close\r\n\r\n"
            .to_owned(),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // What was not read makes it a reset.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{request}: {answer}"
        );
    }
}
