//! What the server tells its manager, and that it falls silent when it hangs.

use std::net::TcpStream;
use std::time::Duration;

use super::manager::{Manager, value};
use crate::support::{CHEAP_HASH, Home, Server};

/// How long the manager of these tests waits for a sign of life. A loaded machine may stop the server
/// for a while.
const PATIENCE: Duration = Duration::from_secs(3);

fn serve(home: &Home, more: &[&str]) -> std::process::Command {
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], CHEAP_HASH, more].concat();
    home.cheeseshop(&arguments)
}

fn watched(home: &Home, manager: &Manager, more: &[&str]) -> Server {
    let mut command = manager.adopt(serve(home, more));
    command.env("WATCHDOG_USEC", PATIENCE.as_micros().to_string());
    Server::spawn(home, command)
}

#[tokio::test]
async fn ready_is_told_when_requests_are_answered_and_stopping_before_they_end() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let server = Server::spawn(&home, manager.adopt(serve(&home, &[])));
    let (before, ready) = manager.wait_for("READY=1");
    assert!(
        before
            .iter()
            .any(|message| value_of_status(message) == Some("opening the data directory"))
    );
    // A large database takes its time.
    assert!(
        before
            .iter()
            .any(|message| message.starts_with("EXTEND_TIMEOUT_USEC="))
    );
    assert_eq!(value(&ready, "MAINPID"), server.id().to_string());
    assert_eq!(
        value(&ready, "STATUS"),
        format!("listening on {}", server.url)
    );
    let answer = server.anonymous().get("+health/ready").await;
    assert_eq!(answer.status(), 200);
    server.stop();
    let (before, stopping) = manager.wait_for("STOPPING=1");
    assert_eq!(before, [] as [&str; 0]);
    assert_eq!(value(&stopping, "STATUS"), "finishing running requests");
    manager.wait_for("EXTEND_TIMEOUT_USEC=");
}

fn value_of_status(message: &str) -> Option<&str> {
    message.strip_prefix("STATUS=")
}

#[test]
fn a_server_that_cannot_start_is_never_ready() {
    let home = Home::new();
    let manager = Manager::new(&home);
    std::fs::create_dir(home.data_dir()).unwrap();
    std::fs::write(home.data_dir().join("cheeseshop.db"), "no database").unwrap();
    let output = crate::support::finish(manager.adopt(serve(&home, &[])), "");
    assert_eq!(output.code, Some(2), "{output:?}");
    while let Some(message) = manager.next_within(Duration::from_millis(1)) {
        assert!(!message.contains("READY=1"), "{message}");
    }
}

#[test]
fn signs_of_life_come_again_and_again_and_end_with_a_server_that_stands_still() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let server = watched(&home, &manager, &[]);
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    server.signal("STOP");
    manager.forget();
    assert_eq!(manager.next_within(PATIENCE * 2), None);
    server.signal("CONT");
    manager.wait_for("WATCHDOG=1");
    server.stop();
}

#[test]
fn without_being_asked_for_no_signs_of_life_are_given() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let mut command = manager.adopt(serve(&home, &[]));
    command
        .env("WATCHDOG_USEC", "90000")
        .env("WATCHDOG_PID", "1");
    let server = Server::spawn(&home, command);
    manager.wait_for("READY=1");
    server.stop();
    let (before, _) = manager.wait_for("STOPPING=1");
    assert_eq!(before, [] as [&str; 0]);
}

#[test]
fn a_server_that_is_full_is_no_server_that_hangs() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let full = [
        "--set=server.max_connections=1",
        "--set=database.max_readers=1",
    ];
    let server = watched(&home, &manager, &full);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    // The first takes the only place, the others wait for it.
    let waiting: Vec<TcpStream> = (0..5)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    for _ in 0..4 {
        manager.wait_for("WATCHDOG=1");
    }
    drop(waiting);
    server.stop();
}
