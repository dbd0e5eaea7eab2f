//! Sockets that a service manager has opened for us (systemd's socket activation).
//!
//! The protocol of sd_listen_fds(3): `LISTEN_FDS` sockets from number 3 on, meant for the process
//! `LISTEN_PID`, with names in `LISTEN_FDNAMES`. The manager keeps them open while nobody serves, so
//! that connections wait in the kernel's queue during a restart, and none is refused.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use listenfd::ListenFd;
use socket2::SockRef;
use tokio::net::{TcpListener, UnixListener};

use super::{Listener, ListeningSocket, Transport};
use crate::config::Surroundings;
use crate::failure::Failure;

/// More than any manager passes; what is larger was not written by one.
const MOST: usize = 1000;

/// The part of a socket's name that says that TLS is spoken there.
const TLS_NAME: &str = "https";

/// What was passed to this process, until somebody takes it.
static PASSED: Mutex<Option<ListenFd>> = Mutex::new(None);

/// Takes note of what was passed. To be called while the process has one thread only: the variables
/// are removed, so that no child takes the sockets for its own.
pub(crate) fn note_inherited() {
    let surroundings = Surroundings::of_this_process();
    let count = surroundings.get("LISTEN_FDS").map(str::parse::<usize>);
    // Whom they are for is looked at by the library, but only if it is said.
    if surroundings.get("LISTEN_PID").is_some()
        && let Some(Ok(1..=MOST)) = count
    {
        *PASSED.lock().unwrap_or_else(PoisonError::into_inner) = Some(ListenFd::from_env());
    }
}

/// The sockets that were passed, for whoever asks first. `names` are those of `LISTEN_FDNAMES`.
pub(crate) fn take_inherited(names: Option<&str>) -> Result<Vec<Listener>, Failure> {
    let passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut passed) = passed else {
        return Ok(Vec::new());
    };
    let mut names = names.unwrap_or_default().split(':');
    (0..passed.len())
        .map(|number| {
            let name = names.next().unwrap_or_default();
            take(&mut passed, number, name).map_err(|error| {
                Failure::could_not_try(format!(
                    "the service manager has passed `{name}`, on which nothing can be served: {error}"
                ))
                .with_hint("a socket unit needs ListenStream=, and Accept=no")
            })
        })
        .collect()
}

fn take(passed: &mut ListenFd, number: usize, name: &str) -> io::Result<Listener> {
    let absent = || io::Error::from(io::ErrorKind::NotFound);
    let transport = if name.contains(TLS_NAME) {
        Transport::Tls
    } else {
        Transport::Plain
    };
    // What is no TCP socket stays where it is, and is tried as the other kind.
    let socket = if let Ok(listener) = passed.take_tcp_listener(number) {
        let listener = listener.ok_or_else(absent)?;
        check(&SockRef::from(&listener))?;
        ListeningSocket::Tcp(TcpListener::from_std(listener)?)
    } else {
        let listener = passed.take_unix_listener(number)?.ok_or_else(absent)?;
        check(&SockRef::from(&listener))?;
        let path = name_of(&listener.local_addr()?);
        // Its file is the manager's, and stays.
        ListeningSocket::Unix {
            listener: UnixListener::from_std(listener)?,
            path,
            _file: None,
        }
    };
    Ok(Listener { socket, transport })
}

/// A connection that was accepted already (`Accept=yes`) is not for us.
fn check(socket: &SockRef<'_>) -> io::Result<()> {
    if !socket.is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    // A blocking one would hold up a whole thread.
    socket.set_nonblocking(true)
}

fn name_of(address: &std::os::unix::net::SocketAddr) -> PathBuf {
    use std::os::linux::net::SocketAddrExt as _;

    match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => path.to_path_buf(),
        (None, Some(name)) => PathBuf::from(format!("@{}", String::from_utf8_lossy(name))),
        (None, None) => PathBuf::from("(without a name)"),
    }
}
