//! Telling systemd how the service is (`Type=notify`), without its library.
//!
//! The protocol of sd_notify(3): one datagram to the socket that `NOTIFY_SOCKET` names; a leading
//! `@` stands for the zero byte of an abstract address. Without the variable nothing is sent.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;

/// Where the service manager listens.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    address: Option<SocketAddr>,
}

impl ServiceManager {
    /// Takes the value of `NOTIFY_SOCKET`. One that makes no sense is as good as none: a service
    /// does not fail because nobody wants to hear of it.
    pub(crate) fn at(notify_socket: Option<&str>) -> Self {
        let address = notify_socket.and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(PathBuf::from(name)).ok(),
        });
        Self { address }
    }

    /// The service answers requests from now on.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!(
            "READY=1\nSTATUS={status}\nMAINPID={}",
            std::process::id()
        ));
    }

    /// The service finishes what is running and goes.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=finishing running requests");
    }

    fn send(&self, message: &str) {
        let Some(address) = &self.address else {
            return;
        };
        let sent = UnixDatagram::unbound()
            .and_then(|socket| socket.send_to_addr(message.as_bytes(), address));
        if let Err(error) = sent {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_of_ready_and_stopping() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::at(path.to_str());
        manager.ready("fine");
        manager.stopping();
        let mut buffer = [0_u8; 200];
        let length = listener.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.starts_with("READY=1\nSTATUS=fine\n"), "{text}");
        let length = listener.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"STOPPING=1"));
    }

    #[test]
    fn nobody_to_tell_is_fine() {
        ServiceManager::at(None).ready("fine");
        ServiceManager::at(Some("/nowhere/at/all")).stopping();
    }
}
