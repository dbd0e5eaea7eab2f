//! `devpi-server` as tools start and stop it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use cheeseshop_test_support::python_packages;

use super::{initialised, serve};
use crate::support::{Home, finish};

#[tokio::test]
async fn a_line_says_that_it_serves_as_soon_as_it_listens() {
    let home = initialised();
    // The helper reads lines from a pipe, as devpi-process does.
    let server = serve(&home, &["--host", "127.0.0.1"]);
    let line = server
        .announcement
        .lines()
        .find(|line| line.contains("serving at url"))
        .unwrap_or_else(|| panic!("{}", server.announcement));
    assert_eq!(line, format!("serving at url: {}", server.url));
    let status = server.anonymous().get("+status").await.status();
    assert!(status.is_success());
}

#[test]
fn every_address_of_loopback_can_be_listened_on() {
    let home = initialised();
    for host in ["127.0.0.2", "127.200.100.50", "localhost", "::1"] {
        let server = serve(&home, &["--host", host]);
        let address = server.url.strip_prefix("http://").unwrap();
        TcpStream::connect(address).unwrap();
        if host.starts_with("127") {
            assert!(address.starts_with(host), "{address}");
        }
        server.stop();
    }
}

#[test]
fn a_signal_ends_it_quickly_with_success_also_with_clients_that_hang_on() {
    let home = initialised();
    let mut server = serve(&home, &["--host", "127.0.0.1"]);
    let address = server.url.strip_prefix("http://").unwrap();
    let mut idle = TcpStream::connect(address).unwrap();
    write!(idle, "GET /+status HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut first = [0_u8; 12];
    idle.read_exact(&mut first).unwrap();
    // Announces a body that never comes.
    let mut stuck = TcpStream::connect(address).unwrap();
    write!(
        stuck,
        "PUT /bob HTTP/1.1\r\nHost: {address}\r\nContent-Length: 10\r\n\r\n"
    )
    .unwrap();
    server.signal("TERM");
    // Within the minute that the helper waits, which is the grace of `cheeseshop serve`.
    assert!(server.wait().success());
}

#[test]
fn a_unix_socket_takes_the_place_of_the_port_and_goes_with_the_server() {
    let home = initialised();
    let path = home.path().join("socket");
    let arguments = ["--unix-socket", "socket", "--unix-socket-perms=660"];
    // Not on a port besides, unless one is asked for.
    let mut command = home.devpi("devpi-server", &arguments);
    command.args(["--outside-url", "http://shop.example"]);
    let server = crate::support::Server::spawn(&home, command);
    let line = format!("serving at url: unix:{}\n", path.display());
    assert!(
        server.announcement.contains(&line),
        "{}",
        server.announcement
    );
    assert!(
        !server.announcement.contains("on http"),
        "{}",
        server.announcement
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut stream = UnixStream::connect(&path).unwrap();
    // Whoever can open the socket is believed what only a proxy may say.
    write!(
        stream,
        "GET /+api HTTP/1.1\r\nHost: x\r\nX-Outside-Url: http://a.test\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("http://a.test/+login"), "{answer}");
    server.stop();
    assert!(!path.exists());
}

/// Starts and stops a server as tests of other projects do, which name the programs only.
const WITH_DEVPI_PROCESS: &str = r#"
import sys
from pathlib import Path
from devpi_process import IndexServer
with IndexServer(Path(sys.argv[1])) as server:
    index = server.create_index("magic")
    index.use()
    index.upload(Path(sys.argv[2]))
    from urllib.request import build_opener, ProxyHandler
    page = build_opener(ProxyHandler({})).open(index.url + "by-process/").read().decode()
    assert "by_process-1.0-py3-none-any.whl" in page, page
print("done")
"#;

#[test]
fn devpi_process_starts_and_stops_it() {
    let environment = python_packages(
        "devpi-process",
        &["devpi-process==1.3.2", "devpi-client==7.3.0"],
    );
    let home = Home::new();
    let wheel = cheeseshop_test_support::Wheel::named("by-process")
        .build()
        .write_to(home.path());
    // It looks for the programs beside the Python that it runs in.
    let scripts = home.path().join("environment/bin");
    std::fs::create_dir_all(&scripts).unwrap();
    let script = format!(
        "import sysconfig\nsysconfig.get_path = lambda name: {:?}\n{WITH_DEVPI_PROCESS}",
        scripts.display().to_string()
    );
    for name in ["devpi-init", "devpi-server"] {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cheeseshop"), scripts.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(environment.join("bin/devpi"), scripts.join("devpi")).unwrap();
    let python = environment.join("bin/python");
    let mut command = cheeseshop_test_support::client_command(&python, home.path());
    command
        .args(["-c", &script])
        .arg(home.path())
        .arg(wheel)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.ends_with("done\n"), "{output:?}");
}
