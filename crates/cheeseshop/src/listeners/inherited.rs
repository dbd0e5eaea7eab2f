//! Sockets that a service manager passes: those that it has opened for us (systemd's socket activation),
//! and those that it has kept for us ([`super::kept`]).
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

use super::kept::{self, Kept, KeptSocket};
use super::{Keeping, Listener, ListeningSocket, Transport};
use crate::config::Surroundings;
use crate::failure::Failure;
use crate::systemd::ServiceManager;

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

/// What was passed.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// Opened by the manager, to be served on whatever the settings say.
    pub(crate) activated: Vec<Listener>,
    /// Opened by an earlier run.
    pub(crate) kept: Kept,
}

/// The sockets that were passed, for whoever asks first. `names` are those of `LISTEN_FDNAMES`.
pub(crate) fn take_inherited(names: Option<&str>) -> Result<Inherited, Failure> {
    let passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut inherited = Inherited::default();
    let Some(mut passed) = passed else {
        return Ok(inherited);
    };
    let mut names = names.unwrap_or_default().split(':');
    for number in 0..passed.len() {
        let name = names.next().unwrap_or_default();
        let taken = take(&mut passed, number);
        if name.starts_with(kept::PREFIX) {
            // Another one can be opened in its place.
            if let Err(error) = &taken {
                tracing::warn!(%error, name, "nothing can be served on a socket that was kept");
            }
            inherited.kept.add(KeptSocket {
                name: name.to_owned(),
                socket: taken.ok(),
            });
            continue;
        }
        let socket = taken.map_err(|error| {
            Failure::could_not_try(format!(
                "the service manager has passed `{name}`, on which nothing can be served: {error}"
            ))
            .with_hint("a socket unit needs ListenStream=, and Accept=no")
        })?;
        inherited.activated.push(Listener {
            socket,
            transport: if name.contains(TLS_NAME) {
                Transport::Tls
            } else {
                Transport::Plain
            },
            keeping: Keeping::Manager,
        });
    }
    Ok(inherited)
}

/// Closes what an earlier run has left to this one, which ends without having served. Those who wait are told
/// so, and whoever stands in front asks elsewhere. What a socket unit has opened stays.
pub(crate) fn close_unserved() {
    let surroundings = Surroundings::of_this_process();
    // Those that nobody has asked for yet; an error is told by whoever fails.
    let _ = take_inherited(surroundings.get("LISTEN_FDNAMES"));
    kept::close_unserved(&ServiceManager::of(&surroundings));
}

fn take(passed: &mut ListenFd, number: usize) -> io::Result<ListeningSocket> {
    let absent = || io::Error::from(io::ErrorKind::NotFound);
    // What is no TCP socket stays where it is, and is tried as the other kind.
    if let Ok(listener) = passed.take_tcp_listener(number) {
        let listener = listener.ok_or_else(absent)?;
        check(&SockRef::from(&listener))?;
        return Ok(ListeningSocket::tcp(TcpListener::from_std(listener)?));
    }
    let listener = passed.take_unix_listener(number)?.ok_or_else(absent)?;
    check(&SockRef::from(&listener))?;
    let path = name_of(&listener.local_addr()?);
    // Its file is not ours to remove: the manager has the socket too.
    Ok(ListeningSocket::Unix {
        listener: UnixListener::from_std(listener)?,
        path,
        file: None,
    })
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
