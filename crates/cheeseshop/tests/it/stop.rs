//! The end of a server: what runs is finished, unless that takes too long.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Instant;

use cheeseshop_test_support::Wheel;
use rustix::fs::OFlags;
use serde_json::json;

use crate::support::{BETWEEN_LOOKS, DEADLINE, Home, Server, noise};

/// Large enough to be on its way while the server is asked to stop: more than the kernel buffers
/// on both sides of a loopback connection.
const LARGE: usize = 64 << 20;

/// Starts a server with a large file, begins to download it, and gives the connection together
/// with the number of bytes that are to come.
async fn download_under_way(home: &Home, arguments: &[&str]) -> (Server, TcpStream, usize) {
    let server = Server::start(home, arguments);
    let bob = server.new_user("bob", "pw").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let wheel = Wheel::named("large")
        .file("large/data.bin", noise(LARGE))
        .build();
    bob.upload("bob/dev", &wheel).await;
    let listed = bob.files("bob/dev", "large").await;
    let url: url::Url = listed[0].url.parse().unwrap();

    let host = url.socket_addrs(|| None).unwrap()[0];
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
        url.path()
    )
    .unwrap();
    let mut first = [0_u8; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    (server, stream, wheel.bytes.len())
}

fn body_length(answer: &[u8]) -> usize {
    let head = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    answer.len() - head - 4
}

#[tokio::test]
async fn a_running_download_is_finished() {
    let home = Home::new();
    let (mut server, mut stream, expected) = download_under_way(&home, &[]).await;
    server.signal("TERM");
    // No new connection from now on.
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    while TcpStream::connect(&address).is_ok() {
        std::thread::sleep(BETWEEN_LOOKS);
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(body_length(&rest), expected);
    assert!(server.wait().success());
    assert!(server.log().contains("all requests have finished"));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let home = Home::new();
    let (mut server, _stream, _) = download_under_way(&home, &[]).await;
    server.signal("TERM");
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    while TcpStream::connect(&address).is_ok() {
        std::thread::sleep(BETWEEN_LOOKS);
    }
    server.signal("INT");
    assert!(server.wait().success());
    assert!(server.log().contains("running requests are cut off"));
}

#[test]
fn a_disk_that_does_not_answer_does_not_hold_up_the_end() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    // Whoever looks for the note of the last backup waits for somebody who writes.
    let note = home.data_dir().join("last-backup.json");
    let pipe = std::process::Command::new("mkfifo").arg(&note).status();
    assert!(pipe.unwrap().success());
    let mut writing = OpenOptions::new();
    writing
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let deadline = Instant::now() + DEADLINE;
    let silent = loop {
        // Without a reader there is nobody to write to.
        if let Ok(silent) = writing.open(&note) {
            break silent;
        }
        assert!(Instant::now() < deadline, "nobody looks for the note");
        std::thread::sleep(BETWEEN_LOOKS);
    };
    server.stop();
    drop(silent);
}

#[tokio::test]
async fn patience_with_running_requests_has_an_end() {
    let home = Home::new();
    let (mut server, _stream, _) = download_under_way(&home, &["--set=server.stop_grace=1s"]).await;
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(
        server
            .log()
            .contains("took longer than `server.stop_grace`")
    );
    // Nothing is broken by that.
    Server::start(&home, &[]).stop();
}
