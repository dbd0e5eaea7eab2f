//! Sockets that somebody else has opened and holds.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use cheeseshop_test_support::CertificateAuthority;

use crate::support::{
    BETWEEN_LOOKS, CHEAP_HASH, DEADLINE, Home, Output, Server, Surroundings as _, finish,
};

/// Starts the program that follows with its standard input as the socket of a service manager.
const PASS: &str = r#"LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=$0 exec "$@" 3<&0 </dev/null"#;

/// The server with a socket that was passed to it under a name.
fn activated(home: &Home, name: &str, socket: OwnedFd, more: &[&str]) -> Command {
    let arguments = [&["serve", "--listen", "127.0.0.1:1"], CHEAP_HASH, more].concat();
    let inner = home.cheeseshop(&arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", PASS, name])
        .arg(inner.get_program())
        .args(inner.get_args())
        .in_surroundings_of(&inner)
        .current_dir(home.path())
        .stdin(Stdio::from(socket))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Asks on a connection of its own; a connection that is not answered is an error.
pub(super) fn ask(address: SocketAddr) -> Result<(), String> {
    let answer = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(
            b"GET /+health/ready HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match answer() {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => Ok(()),
        Ok(answer) => Err(format!("{answer:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Clients that ask again and again.
pub(super) struct Crowd {
    enough: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Crowd {
    pub(super) fn asking(address: SocketAddr) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let clients = (0..4)
            .map(|_| {
                let (enough, answered) = (Arc::clone(&enough), Arc::clone(&answered));
                std::thread::spawn(move || {
                    let mut failures = Vec::new();
                    while !enough.load(Ordering::Relaxed) {
                        match ask(address) {
                            Ok(()) => {
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(failure) => failures.push(failure),
                        }
                    }
                    failures
                })
            })
            .collect();
        Self {
            enough,
            answered,
            clients,
        }
    }

    /// Waits until so many more were answered.
    pub(super) fn wait_for(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        let deadline = std::time::Instant::now() + DEADLINE;
        while self.answered.load(Ordering::Relaxed) < wanted {
            assert!(std::time::Instant::now() < deadline, "nobody is answered");
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Sends them home; every one must have been answered until now.
    pub(super) fn assert_none_failed(self) {
        self.enough.store(true, Ordering::Relaxed);
        let ended = self
            .clients
            .into_iter()
            .map(|client| client.join().unwrap());
        let failures: Vec<String> = ended.flatten().collect();
        assert!(
            failures.is_empty(),
            "{} failed: {failures:?}",
            failures.len()
        );
    }
}

#[test]
fn a_restart_loses_no_connection_when_somebody_else_holds_the_socket() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = || {
        let socket = OwnedFd::from(listener.try_clone().unwrap());
        Server::spawn(&home, activated(&home, "cheeseshop.socket", socket, &[]))
    };
    let mut server = start();
    assert_eq!(server.url, format!("http://{address}"));
    let crowd = Crowd::asking(address);
    for _ in 0..5 {
        crowd.wait_for(50);
        let log = server.stop();
        assert!(log.contains("`server.listen` is not used"), "{log}");
        server = start();
    }
    crowd.wait_for(50);
    crowd.assert_none_failed();
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_no_connection_with_tls_either() {
    let home = Home::new();
    let authority = CertificateAuthority::new();
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let both = home.write("server.pem", &format!("{certificate}{key}"));
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&both, private).unwrap();
    let set = format!("--set=tls.certificate={}", both.display());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("https://{address}/+health/ready");
    let start = || {
        let socket = OwnedFd::from(listener.try_clone().unwrap());
        Server::spawn(&home, activated(&home, "shop-https", socket, &[&set]))
    };
    let mut server = start();
    assert_eq!(server.url, format!("https://{address}"));
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    // Each request on a connection of its own.
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([root])
        .http1_only()
        .pool_max_idle_per_host(0)
        .timeout(DEADLINE)
        .build()
        .unwrap();
    let enough = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let (client, url, enough) = (client.clone(), url.clone(), Arc::clone(&enough));
            tokio::spawn(async move {
                let mut failures = Vec::new();
                let mut answered = 0;
                while !enough.load(Ordering::Relaxed) {
                    match client.get(&url).send().await {
                        Ok(answer) if answer.status() == 200 => answered += 1,
                        Ok(answer) => failures.push(answer.status().to_string()),
                        Err(error) => failures.push(format!("{error:?}")),
                    }
                }
                (answered, failures)
            })
        })
        .collect();
    for _ in 0..4 {
        // The others have been answered meanwhile.
        for _ in 0..20 {
            client.get(&url).send().await.unwrap();
        }
        server = tokio::task::block_in_place(|| {
            server.stop();
            start()
        });
    }
    client.get(&url).send().await.unwrap();
    enough.store(true, Ordering::Relaxed);
    for client in asking {
        let (answered, failures) = client.await.unwrap();
        assert!(
            failures.is_empty(),
            "{} failed: {failures:?}",
            failures.len()
        );
        assert!(answered > 4, "{answered}");
    }
    server.stop();
}

#[test]
fn a_socket_of_the_file_system_stays_its_managers() {
    let home = Home::new();
    let path = home.path().join("http.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    // With a URL of its own, as only ports have one by themselves.
    let command = activated(&home, "http", socket, &["--outside-url=http://shop.test"]);
    let server = Server::spawn(&home, command);
    assert_eq!(server.url, format!("unix:{}", path.display()));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream
        .write_all(b"GET /+status HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.stop();
    assert!(path.exists());
    // Somebody still listens: the connection waits for the next server.
    UnixStream::connect(&path).unwrap();
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let home = Home::new();
    let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
    arguments.extend(CHEAP_HASH);
    let mut command = home.cheeseshop(&arguments);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let server = Server::spawn(&home, command);
    let log = server.stop();
    assert!(!log.contains("service manager"), "{log}");
}

fn refused(home: &Home, name: &str, socket: OwnedFd) -> Output {
    let output = finish(activated(home, name, socket, &[]), "");
    assert_eq!(output.code, Some(2), "{output:?}");
    // Nothing was made.
    assert!(!home.data_dir().exists());
    output
}

#[test]
fn what_nothing_can_be_served_on_is_refused_before_anything_is_made() {
    let home = Home::new();
    let (connected, _other) = UnixStream::pair().unwrap();
    for (socket, reason) in [
        (
            OwnedFd::from(UnixDatagram::unbound().unwrap()),
            "is not a valid",
        ),
        (OwnedFd::from(connected), "it does not listen"),
        (
            OwnedFd::from(std::fs::File::open("/dev/null").unwrap()),
            "is not a socket",
        ),
    ] {
        let output = refused(&home, "odd", socket);
        assert!(
            output
                .stderr
                .contains("has passed `odd`, on which nothing can be served")
                && output.stderr.contains(reason),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn a_socket_whose_name_says_https_needs_a_certificate() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = refused(&home, "shop-https", OwnedFd::from(listener));
    assert!(
        output.stderr.contains("tls.certificate"),
        "{}",
        output.stderr
    );
}
