//! Sockets that the server has opened and that its manager keeps while it restarts.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use cheeseshop_test_support::{CertificateAuthority, loopback_port};

use super::manager::Manager;
use super::sockets::{Crowd, ask};
use crate::support::{CHEAP_HASH, DEADLINE, Home, Server, finish};

/// An address that no other test takes.
fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, loopback_port()))
}

fn serve(home: &Home, addresses: &[&str], more: &[&str]) -> Command {
    let listen = format!("--set=server.listen={}", addresses.join(","));
    let url = "--outside-url=http://shop.test";
    home.cheeseshop(&[&["serve", &listen, url], CHEAP_HASH, more].concat())
}

/// A server that was given what was kept, once it is ready.
fn start(home: &Home, manager: &Manager, addresses: &[&str], more: &[&str]) -> Server {
    let command = manager.adopt_with(&[], serve(home, addresses, more));
    let server = Server::spawn(home, command);
    manager.wait_for("READY=1");
    server
}

fn name_of(address: SocketAddr) -> String {
    let host = address.ip().to_string().replace(':', "_");
    format!("cheeseshop-kept-tcp-{host}-{}", address.port())
}

#[test]
fn a_restart_loses_no_connection_without_a_socket_unit() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let address = free_address();
    let written = address.to_string();
    let mut server = start(&home, &manager, &[&written], &[]);
    assert_eq!(manager.kept(), [name_of(address)]);
    let crowd = Crowd::asking(address);
    for _ in 0..5 {
        crowd.wait_for(50);
        server.stop();
        server = start(&home, &manager, &[&written], &[]);
        assert_eq!(manager.kept(), [name_of(address)]);
    }
    crowd.wait_for(50);
    crowd.assert_none_failed();
    // Stopped for good, it refuses.
    server.stop();
    manager.forget_kept();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn who_comes_after_a_crash_waits_for_the_next_server() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let address = free_address();
    let server = start(&home, &manager, &[&address.to_string()], &[]);
    server.kill();
    let waiting = std::thread::spawn(move || ask(address));
    let server = start(&home, &manager, &[&address.to_string()], &[]);
    assert_eq!(waiting.join().unwrap(), Ok(()));
    server.stop();
}

#[test]
fn the_settings_say_what_becomes_of_a_kept_address() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let [one, two, three] = [free_address(), free_address(), free_address()];
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, loopback_port()));
    let written = [one, two, six].map(|address| address.to_string());
    let server = start(
        &home,
        &manager,
        &written.each_ref().map(String::as_str),
        &[],
    );
    assert_eq!(manager.kept(), [one, two, six].map(name_of));
    server.stop();

    let authority = CertificateAuthority::new();
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let both = home.write("server.pem", &format!("{certificate}{key}"));
    std::fs::set_permissions(&both, std::fs::Permissions::from_mode(0o600)).unwrap();
    let set = format!("--set=tls.certificate={}", both.display());
    let tls = format!("https://{two}");
    // The same port of every address excludes the one that is kept, until that is closed.
    let every = format!("0.0.0.0:{}", one.port());
    let addresses = [tls.as_str(), &six.to_string(), &three.to_string(), &every];
    let more = [&*set, "--set=tls.plain_http=serve"];
    let server = start(&home, &manager, &addresses, &more);
    let every: SocketAddr = every.parse().unwrap();
    assert_eq!(manager.kept(), [two, six, three, every].map(name_of));
    for place in [one, six, three] {
        assert_eq!(ask(place), Ok(()), "{place}");
    }
    let plain = ask(two).unwrap_err();
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
    server.stop();

    let server = start(&home, &manager, &[&six.to_string()], &[]);
    assert_eq!(manager.kept(), [name_of(six)]);
    for closed in [one, two, three] {
        assert!(TcpStream::connect(closed).is_err(), "{closed}");
    }
    assert_eq!(ask(six), Ok(()));
    server.stop();
}

#[test]
fn a_port_that_nobody_has_chosen_is_not_kept() {
    let home = Home::new();
    let manager = Manager::new(&home);
    start(&home, &manager, &["127.0.0.1:0"], &[]).stop();
    assert_eq!(manager.kept(), [] as [&str; 0]);
}

#[test]
fn a_manager_that_keeps_nothing_is_not_asked_to() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let path = home.path().join("http.sock");
    let address = free_address().to_string();
    let unix = format!("unix:{}", path.display());
    for store in [None, Some("0"), Some("many")] {
        let mut command = manager.adopt(serve(&home, &[&address, &unix], &[]));
        if let Some(store) = store {
            command.env("FDSTORE", store);
        }
        let server = Server::spawn(&home, command);
        let (before, _) = manager.wait_for("READY=1");
        assert!(
            !before.iter().any(|message| message.contains("FDSTORE")),
            "{before:?}"
        );
        server.stop();
        manager.wait_for("STOPPING=1");
        assert!(!path.exists());
    }
}

#[test]
fn what_cannot_serve_hands_nothing_over() {
    let home = Home::new();
    let manager = Manager::new(&home);
    std::fs::create_dir(home.data_dir()).unwrap();
    std::fs::write(home.data_dir().join("cheeseshop.db"), "no database").unwrap();
    let address = free_address().to_string();
    let command = manager.adopt_with(&[], serve(&home, &[&address], &[]));
    let output = finish(command, "");
    assert_eq!(output.code, Some(2), "{output:?}");
    manager.forget();
    assert_eq!(manager.kept(), [] as [&str; 0]);
}

#[test]
fn a_server_that_cannot_start_closes_what_was_kept_for_it() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let path = home.path().join("http.sock");
    let unix = format!("unix:{}", path.display());
    let address = free_address();
    let both = [&*address.to_string(), &*unix];
    for broken in [
        // Before anything is looked at, before anything is opened, and when all of it is.
        "--set=log.format=loud",
        "--set=server.listen=nobody.invalid:1",
        "--database-url=sqlite:///dev/null/none",
    ] {
        start(&home, &manager, &both, &[]).stop();
        assert_eq!(manager.kept().len(), 2);
        let command = manager.adopt_with(&[], serve(&home, &both, &[broken]));
        let output = finish(command, "");
        assert_eq!(output.code, Some(2), "{output:?}");
        manager.forget();
        assert_eq!(manager.kept(), [] as [&str; 0], "{broken}");
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(!path.exists(), "{broken}");
    }
}

fn ask_at(path: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream
        .write_all(b"GET /+health/ready HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn assert_answered(answer: std::io::Result<String>) {
    let answer = answer.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_socket_of_the_file_system_stays_and_takes_the_mode_of_the_settings() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let path = home.path().join("http.sock");
    let unix = format!("unix:{}", path.display());
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let server = start(&home, &manager, &[&unix], &["--set=server.socket_mode=660"]);
    assert_eq!(mode(), 0o660);
    let kept = manager.kept();
    server.stop();
    let waiting = std::thread::spawn({
        let path = path.clone();
        move || ask_at(&path)
    });
    let server = start(&home, &manager, &[&unix], &["--set=server.socket_mode=600"]);
    assert_answered(waiting.join().unwrap());
    assert_eq!(mode(), 0o600);
    assert_eq!(manager.kept(), kept);
    server.stop();

    // Somebody has tidied up: what was kept leads nowhere any more.
    std::fs::remove_file(&path).unwrap();
    let server = start(&home, &manager, &[&unix], &[]);
    assert_answered(ask_at(&path));
    assert_eq!(manager.kept().len(), 1);
    server.stop();

    // Not wanted any more, it goes with its name.
    let address = free_address();
    let server = start(&home, &manager, &[&address.to_string()], &[]);
    assert!(!path.exists());
    assert_eq!(manager.kept(), [name_of(address)]);
    server.stop();
}

#[test]
fn what_somebody_else_has_put_into_its_place_is_left_alone() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let path = home.path().join("http.sock");
    let unix = format!("unix:{}", path.display());
    start(&home, &manager, &[&unix], &[]).stop();
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    let address = free_address().to_string();
    start(&home, &manager, &[&address], &[]).stop();
    assert!(path.exists());
    drop(other);
}

#[test]
fn sockets_of_a_socket_unit_are_not_kept_and_take_the_place_of_those_that_are() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let before = free_address();
    start(&home, &manager, &[&before.to_string()], &[]).stop();
    assert_eq!(manager.kept(), [name_of(before)]);
    let listener = TcpListener::bind(free_address()).unwrap();
    let address = listener.local_addr().unwrap();
    let passed = [("cheeseshop.socket", OwnedFd::from(listener))];
    let command = manager.adopt_with(&passed, serve(&home, &[&before.to_string()], &[]));
    let server = Server::spawn(&home, command);
    manager.wait_for("READY=1");
    assert_eq!(manager.kept(), [] as [&str; 0]);
    assert_eq!(ask(address), Ok(()));
    assert!(TcpStream::connect(before).is_err());
    let log = server.stop();
    assert!(log.contains("`server.listen` is not used"), "{log}");
}

#[test]
fn what_is_kept_and_of_no_use_is_replaced() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let address = free_address();
    start(&home, &manager, &[&address.to_string()], &[]).stop();
    // As a manager might pass it, for whatever reason.
    let passed = [(
        "cheeseshop-kept-tcp-none",
        OwnedFd::from(std::fs::File::open("/dev/null").unwrap()),
    )];
    let command = manager.adopt_with(&passed, serve(&home, &[&address.to_string()], &[]));
    let server = Server::spawn(&home, command);
    let (before, _) = manager.wait_for("READY=1");
    assert!(
        before
            .iter()
            .any(|message| message == "FDSTOREREMOVE=1\nFDNAME=cheeseshop-kept-tcp-none"),
        "{before:?}"
    );
    assert_eq!(ask(address), Ok(()));
    let log = server.stop();
    assert!(log.contains("nothing can be served on a socket that was kept"));
}
