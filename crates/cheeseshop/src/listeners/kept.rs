//! Sockets of our own that the service manager keeps while the server restarts (systemd's store of file
//! descriptors).
//!
//! A server that is about to answer hands over a second handle of each socket that it has opened, under a
//! name that begins with [`PREFIX`]. The next one is given them back ([`super::inherited`]), takes those
//! that its settings still ask for, and closes the others. So the kernel's queue is there all the time, and
//! who comes in between waits. What is spoken on a socket, and its mode, is not kept: the settings say so.
//! A server that cannot start closes what it was given, for nobody should wait for it.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use socket2::SockRef;

use super::{Keeping, Listener, ListeningSocket};
use crate::systemd::ServiceManager;

/// What names of our own begin with; those of socket units are chosen by others.
pub(super) const PREFIX: &str = "cheeseshop-kept-";

/// Second handles of what was kept, until it is served.
static UNSERVED: Mutex<Vec<Unserved>> = Mutex::new(Vec::new());

/// A socket that has been given back and on which nobody has been answered yet.
#[derive(Debug)]
struct Unserved {
    name: String,
    socket: OwnedFd,
    path: Option<PathBuf>,
}

/// Sockets that were kept since the last run.
#[derive(Debug, Default)]
pub(crate) struct Kept(Vec<KeptSocket>);

/// One of them, under its name.
#[derive(Debug)]
pub(super) struct KeptSocket {
    pub(super) name: String,
    /// None: nothing can be served on what was kept.
    pub(super) socket: Option<ListeningSocket>,
}

impl Kept {
    pub(super) fn add(&mut self, kept: KeptSocket) {
        if let Some(socket) = &kept.socket
            && let Ok(handle) = socket.as_fd().try_clone_to_owned()
        {
            let path = match socket {
                ListeningSocket::Unix { path, .. } => Some(path.clone()),
                ListeningSocket::Tcp(_) => None,
            };
            let mut unserved = UNSERVED.lock().unwrap_or_else(PoisonError::into_inner);
            unserved.push(Unserved {
                name: kept.name.clone(),
                socket: handle,
                path,
            });
        }
        self.0.push(kept);
    }

    /// Closes those that are not wanted, here and at the manager. Whoever waits on one is refused.
    pub(super) fn close_unless(
        &mut self,
        manager: &ServiceManager,
        is_wanted: impl Fn(&KeptSocket) -> bool,
    ) {
        self.0.retain(|kept| {
            if is_wanted(kept) {
                return true;
            }
            kept.close();
            manager.forget(&kept.name);
            false
        });
    }

    /// Closes all of them.
    pub(crate) fn close(mut self, manager: &ServiceManager) {
        self.close_unless(manager, |_| false);
    }

    /// The one at an address, if it was kept.
    pub(super) fn take_tcp(&mut self, address: SocketAddr) -> Option<ListeningSocket> {
        self.take(|kept| kept.is_tcp_at(address))
    }

    /// The one with this path, if it was kept and the path still leads to it.
    pub(super) fn take_unix(&mut self, path: &Path) -> Option<ListeningSocket> {
        self.take(|kept| kept.is_unix_at(path))
    }

    fn take(&mut self, is_meant: impl Fn(&KeptSocket) -> bool) -> Option<ListeningSocket> {
        let place = self.0.iter().position(is_meant)?;
        self.0.swap_remove(place).socket
    }
}

impl KeptSocket {
    pub(super) fn is_tcp_at(&self, address: SocketAddr) -> bool {
        match &self.socket {
            Some(ListeningSocket::Tcp(listener)) => {
                listener.local_addr().is_ok_and(|found| found == address)
            }
            _ => false,
        }
    }

    pub(super) fn is_unix_at(&self, path: &Path) -> bool {
        match &self.socket {
            Some(ListeningSocket::Unix { path: found, .. }) => {
                found == path && name_of_path(path).as_deref() == Some(&self.name)
            }
            _ => false,
        }
    }

    fn close(&self) {
        match &self.socket {
            Some(socket @ ListeningSocket::Unix { path, .. }) => {
                shut(&self.name, socket, Some(path));
            }
            Some(socket @ ListeningSocket::Tcp(_)) => shut(&self.name, socket, None),
            None => {}
        }
    }
}

/// The manager closes its handle in its own time; until then the address would be taken. A socket that is
/// shut down listens no more, whoever has it.
fn shut(name: &str, socket: &impl AsFd, path: Option<&Path>) {
    if let Err(error) = SockRef::from(socket).shutdown(std::net::Shutdown::Both) {
        tracing::debug!(%error, name, "a kept socket could not be shut down");
    }
    if let Some(path) = path
        && name_of_path(path).as_deref() == Some(name)
    {
        let _ = std::fs::remove_file(path);
    }
}

/// Closes what was given back to a program that ends without having served, here and at the manager.
pub(super) fn close_unserved(manager: &ServiceManager) {
    let unserved = std::mem::take(&mut *UNSERVED.lock().unwrap_or_else(PoisonError::into_inner));
    for Unserved { name, socket, path } in unserved {
        shut(&name, &socket, path.as_deref());
        manager.forget(&name);
    }
}

/// The name under which a port is kept. Port 0 is not: the next start would ask for another one.
pub(super) fn name_of_address(wanted: SocketAddr) -> Option<String> {
    // A colon ends a name.
    (wanted.port() > 0).then(|| {
        let host = wanted.ip().to_string().replace(':', "_");
        let scope = match wanted {
            SocketAddr::V6(address) if address.scope_id() > 0 => {
                format!("-{}", address.scope_id())
            }
            _ => String::new(),
        };
        format!("{PREFIX}tcp-{host}{scope}-{}", wanted.port())
    })
}

/// The name under which the socket of the file system is kept that is there now: by what it is, for
/// somebody else may put another one into its place.
pub(super) fn name_of_path(path: &Path) -> Option<String> {
    let metadata = path.symlink_metadata().ok()?;
    let is_socket = metadata.file_type().is_socket();
    is_socket.then(|| format!("{PREFIX}unix-{:x}-{:x}", metadata.dev(), metadata.ino()))
}

/// Has the manager keep what this process has opened, if it keeps anything. To be called when nothing
/// stands between the start and the first answer: what nobody serves should be refused.
pub(crate) fn hand_over(listeners: &mut [Listener], manager: &ServiceManager) {
    UNSERVED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
    if !manager.keeps_sockets() {
        return;
    }
    for listener in listeners {
        let Keeping::Offered(name) = &listener.keeping else {
            continue;
        };
        if !manager.keep(name, &listener.socket) {
            continue;
        }
        listener.keeping = Keeping::Manager;
        if let ListeningSocket::Unix { file, .. } = &mut listener.socket
            && let Some(file) = file.take()
        {
            file.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_systemd_takes() {
        for (address, expected) in [
            ("127.0.0.1:3141", Some("cheeseshop-kept-tcp-127.0.0.1-3141")),
            ("[::1]:80", Some("cheeseshop-kept-tcp-__1-80")),
            ("[fe80::1%3]:80", Some("cheeseshop-kept-tcp-fe80__1-3-80")),
            ("127.0.0.1:0", None),
        ] {
            let name = name_of_address(address.parse().unwrap());
            assert_eq!(name.as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn another_socket_at_the_same_path_has_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        assert_eq!(name_of_path(&path), None);
        let _first = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let first = name_of_path(&path).unwrap();
        std::fs::rename(&path, folder.path().join("t")).unwrap();
        let _second = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_ne!(name_of_path(&path).unwrap(), first);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(name_of_path(&path), None);
    }
}
