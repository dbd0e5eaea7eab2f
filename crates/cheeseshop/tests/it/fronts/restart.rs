//! Restarts under load, and how many requests fail.

use std::process::Command;
use std::time::Instant;

use cheeseshop_test_support::{CertificateAuthority, Nginx, Wheel, loopback_port, noise};
use reqwest::Method;
use serde_json::json;

use super::load::{Load, Wanted};
use super::{ACCEL, Site, Visitor, generate, open_for_nginx};
use crate::support::{Api, BETWEEN_LOOKS, CHEAP_HASH, DEADLINE, Home, Server, Surroundings as _};

/// A page and two files, asked for by two callers each.
async fn wanted(server: &Server) -> (Api, Vec<Wanted>) {
    let bob = server.new_user("bob", "secret").await;
    bob.create_index("bob/dev", &json!({"bases": []})).await;
    let small = Wheel::named("small").build();
    let large = Wheel::named("large")
        .file("large/data.bin", noise(600_000))
        .build();
    let mut all = vec![("/bob/dev/+simple/large/".to_owned(), None)];
    for file in [small, large] {
        bob.upload("bob/dev", &file).await;
        let listed = bob.files("bob/dev", &file.project).await;
        let path = listed[0].url.replace(&server.url, "");
        all.push((path, Some(file.sha256.clone())));
    }
    let twice = [all.clone(), all].concat();
    (bob, twice)
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_reads_its_files_anew_without_a_failed_request() {
    let site = Site::start(&[ACCEL], &[]);
    let (_, wanted) = wanted(&site.server).await;
    let load = Load::start(&site.visitor(), &wanted);
    for _ in 0..4 {
        load.pass(60).await;
        site.nginx.reload();
    }
    load.pass(120).await;
    load.end_without_failure().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_changed_without_a_failed_request() {
    let site = Site::start(&[], &[]);
    let (_, wanted) = wanted(&site.server).await;
    // A connection for each request, so that each sees a certificate.
    let visitor = Visitor::configured(&site.authority, site.port, |client| {
        client.pool_max_idle_per_host(0).http1_only()
    });
    let load = Load::start(&visitor, &wanted);
    for _ in 0..3 {
        super::certificate(
            &site.home,
            &site.authority,
            &["localhost", "127.0.0.1", super::NAME],
        );
        site.nginx.reload();
        load.pass(40).await;
    }
    load.end_without_failure().await;
}

/// A service manager that has opened the socket and starts the server with it, again after each SIGHUP.
const MANAGER: &str = r#"
import ctypes, os, signal, socket, sys

ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with whoever has started it
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
child = None

def start():
    global child
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.execv(sys.argv[1], sys.argv[1:])

def stop():
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGTERM])
start()
while signal.sigwait([signal.SIGHUP, signal.SIGTERM]) == signal.SIGHUP:
    stop()
    start()
stop()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_server_starts_anew_without_a_failed_request_when_its_socket_stays() {
    let home = Home::new();
    open_for_nginx(&home);
    let script = home.write("manager.py", MANAGER);
    let ours = home.cheeseshop(&[]);
    let mut manager = Command::new("python3");
    manager
        .arg(script)
        .arg(ours.get_program())
        .args(["serve", ACCEL])
        .args(CHEAP_HASH)
        .in_surroundings_of(&ours)
        .current_dir(home.path())
        .stdin(std::process::Stdio::null());
    let server = Server::spawn(&home, manager);
    let (bob, wanted) = wanted(&server).await;
    let authority = CertificateAuthority::new();
    let ports = (loopback_port(), loopback_port());
    let site = generate(&home, &server, &authority, ports, &[ACCEL], &[]);
    let nginx = Nginx::start(&home.path().join("nginx"), &[&site], ports.0, Nginx::USER);
    let visitor = Visitor::new(&authority, ports.0);
    let load = Load::start(&visitor, &wanted);
    for round in 1..=3 {
        load.pass(60).await;
        server.signal("HUP");
        let deadline = Instant::now() + DEADLINE;
        while server.log().matches(" stopped").count() < round {
            assert!(Instant::now() < deadline, "the server does not stop");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        load.pass(60).await;
    }
    let (requests, failures) = load.end().await;
    assert!(
        failures.is_empty(),
        "{} of {requests}: {failures:?}\n{}",
        failures.len(),
        nginx.log()
    );
    // It is another process that answers, with the same data.
    assert_eq!(bob.files("bob/dev", "large").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_socket_a_server_that_starts_anew_is_missed_for_a_moment_and_told_as_such() {
    let site = Site::start(&[ACCEL], &[]);
    let (_, wanted) = wanted(&site.server).await;
    let visitor = site.visitor();
    let load = Load::start(&visitor, &wanted);
    load.pass(60).await;
    let Site {
        server,
        home,
        nginx,
        ..
    } = site;
    let address = server.url.trim_start_matches("http://").to_owned();
    server.stop();
    load.pass(6).await;
    let arguments = [&["serve", ACCEL, "--listen", &address], CHEAP_HASH].concat();
    let server = Server::spawn(&home, home.cheeseshop(&arguments));
    // Once it is there, nothing of its absence is left: nginx does not avoid it.
    let answer = visitor
        .request(Method::GET, &wanted[0].0)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    load.pass(60).await;
    let (requests, failures) = load.end().await;
    assert!(!failures.is_empty(), "nobody has noticed");
    assert!(
        failures.iter().all(|failure| failure.ends_with(": 502")),
        "{} of {requests}: {failures:?}",
        failures.len()
    );
    drop((server, nginx));
}
