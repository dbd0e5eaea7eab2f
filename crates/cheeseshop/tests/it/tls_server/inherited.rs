//! TLS on sockets that a service manager has opened.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use super::Stand;
use crate::support::{CHEAP_HASH, Surroundings as _, finish};

/// Starts the program that follows with standard input and standard error as the sockets of a service
/// manager.
const PASS_TWO: &str = r#"LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=http:https exec "$@" 3<&0 4<&2 </dev/null 2>server.log"#;

/// The server with a plain port, and a socket of the file system on which TLS is spoken.
fn activated(stand: &Stand, more: &[&str]) -> (TcpListener, Command) {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = UnixListener::bind(stand.home.path().join("https.sock")).unwrap();
    let certificate = format!("--set=tls.certificate={}", stand.path("server.crt"));
    let key = format!("--set=tls.key={}", stand.path("server.key"));
    let fixed = ["serve", &certificate, &key];
    let inner = stand
        .home
        .cheeseshop(&[&fixed[..], CHEAP_HASH, more].concat());
    let mut command = Command::new("sh");
    command
        .args(["-c", PASS_TWO, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .in_surroundings_of(&inner)
        .current_dir(stand.home.path())
        .stdin(OwnedFd::from(plain.try_clone().unwrap()))
        .stdout(Stdio::piped())
        .stderr(OwnedFd::from(tls));
    (plain, command)
}

fn ask(plain: &TcpListener, head: &str) -> String {
    let mut stream = TcpStream::connect(plain.local_addr().unwrap()).unwrap();
    let request = format!("{head}\r\nHost: shop.test:3141\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_plain_port_leads_to_tls_behind_a_socket_of_the_file_system() {
    let stand = Stand::new();
    let (plain, mut command) = activated(&stand, &[]);
    // The log is where `server.log` is; the helper would open it as standard error.
    let mut child = command.spawn().unwrap();
    let answer = ask(&plain, "GET /root/pypi/+simple/ HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 301 "), "{answer}");
    let location = "location: https://shop.test/root/pypi/+simple/\r\n";
    assert!(answer.contains(location), "{answer}");
    let answer = ask(
        &plain,
        "GET / HTTP/1.1\r\nAuthorization: Basic cm9vdDpyb290",
    );
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_outside_url_without_tls_is_refused_beside_it() {
    let stand = Stand::new();
    let (_plain, command) = activated(&stand, &["--outside-url=http://shop.test"]);
    let output = finish(command, "");
    assert_eq!(output.code, Some(2), "{output:?}");
    let log = std::fs::read_to_string(stand.home.path().join("server.log")).unwrap();
    assert!(
        log.contains("`server.outside_url`: clients would send"),
        "{log}"
    );
    assert!(!stand.home.data_dir().exists(), "nothing was made");
}
