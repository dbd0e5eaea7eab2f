//! Telling systemd how the service is (`Type=notify`), without its library.
//!
//! The protocol of sd_notify(3): one datagram to the socket that `NOTIFY_SOCKET` names; a leading
//! `@` stands for the zero byte of an abstract address. Without the variable nothing is sent.

mod watchdog;

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::time::{ClockId, clock_gettime};

pub(crate) use self::watchdog::{Beat, Pulse, Watchdog};
use crate::config::Surroundings;

/// How long the manager is asked to wait each time that something takes long.
const EXTENSION: Duration = Duration::from_mins(1);

/// How long a message may wait until the manager has read some of those before it.
const MOST_WAITING: Duration = Duration::from_secs(1);

/// How often it is asked again. systemd ends a service whose extension has run out.
const EXTENDING: Duration = Duration::from_secs(15);

/// Where the service manager listens. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ServiceManager {
    address: Option<SocketAddr>,
    /// How many file descriptors it keeps while the service restarts.
    store: u32,
}

impl ServiceManager {
    /// The one that has started this process. `FDSTORE` is set by systemd since 254, and by our unit for
    /// those before.
    pub(crate) fn of(surroundings: &Surroundings) -> Self {
        let store = surroundings.get("FDSTORE");
        Self {
            store: store.and_then(|most| most.parse().ok()).unwrap_or(0),
            ..Self::at(surroundings.get("NOTIFY_SOCKET"))
        }
    }

    /// Takes the value of `NOTIFY_SOCKET`. One that makes no sense is as good as none: a service
    /// does not fail because nobody wants to hear of it.
    pub(crate) fn at(notify_socket: Option<&str>) -> Self {
        let address = notify_socket.and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(PathBuf::from(name)).ok(),
        });
        Self { address, store: 0 }
    }

    /// Whether it keeps sockets for the next run.
    pub(crate) const fn keeps_sockets(&self) -> bool {
        self.address.is_some() && self.store > 0
    }

    /// Has it keep a socket under a name; says whether it was told.
    pub(crate) fn keep(&self, name: &str, socket: &impl AsFd) -> bool {
        self.send_with(&format!("FDSTORE=1\nFDNAME={name}"), Some(socket))
    }

    /// Has it close what it keeps under a name.
    pub(crate) fn forget(&self, name: &str) {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"));
    }

    /// The service answers requests from now on.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!(
            "READY=1\nSTATUS={status}\nMAINPID={}",
            std::process::id()
        ));
    }

    /// Settings are read again; [`ServiceManager::ready`] ends that. The time tells the manager
    /// which of its requests this is the answer to.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reading the settings again"
        ));
    }

    /// The service finishes what is running and goes.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=finishing running requests");
    }

    /// What the service is doing, for `systemctl status`.
    pub(crate) fn status(&self, status: &str) {
        self.send(&format!("STATUS={status}"));
    }

    /// Runs the work to its end, and asks the manager for more time as long as that lasts: bringing
    /// a large database up to date, or finishing a large upload, is no reason to be killed.
    pub(crate) async fn patient<T>(&self, work: impl Future<Output = T>) -> T {
        let extend = async {
            // The first tick comes at once.
            let mut interval = tokio::time::interval(EXTENDING);
            loop {
                interval.tick().await;
                self.send(&format!("EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros()));
            }
        };
        tokio::select! {
            result = work => result,
            () = extend => unreachable!("it has no end"),
        }
    }

    fn send(&self, message: &str) {
        self.send_with(message, None::<&UnixDatagram>);
    }

    /// Says whether it was told.
    fn send_with(&self, message: &str, passed: Option<&impl AsFd>) -> bool {
        let Some(address) = &self.address else {
            return false;
        };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            // A manager that does not read must not hold up the thread for long.
            socket.set_write_timeout(Some(MOST_WAITING))?;
            socket.connect_addr(address)?;
            let passed: Vec<_> = passed.map(AsFd::as_fd).into_iter().collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut rights = SendAncillaryBuffer::new(&mut space);
            if !passed.is_empty() {
                rights.push(SendAncillaryMessage::ScmRights(&passed));
            }
            let message = [IoSlice::new(message.as_bytes())];
            Ok(sendmsg(
                &socket,
                &message,
                &mut rights,
                SendFlags::NOSIGNAL,
            )?)
        });
        if let Err(error) = &sent {
            tracing::warn!(%error, "the service manager could not be told");
        }
        sent.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manager and what it has been told so far.
    fn manager() -> (tempfile::TempDir, UnixDatagram, ServiceManager) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::at(path.to_str());
        (folder, listener, manager)
    }

    fn next(listener: &UnixDatagram) -> String {
        let mut buffer = [0_u8; 200];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_manager_hears_of_every_step() {
        let (_folder, listener, manager) = manager();
        manager.status("opening");
        manager.ready("fine");
        manager.reloading();
        manager.stopping();
        assert_eq!(next(&listener), "STATUS=opening");
        assert!(next(&listener).starts_with("READY=1\nSTATUS=fine\n"));
        let reloading = next(&listener);
        let time = reloading
            .lines()
            .find_map(|line| line.strip_prefix("MONOTONIC_USEC="))
            .unwrap();
        assert!(reloading.starts_with("RELOADING=1\n"), "{reloading}");
        assert!(time.parse::<u64>().unwrap() > 0);
        assert!(next(&listener).starts_with("STOPPING=1"));
    }

    #[tokio::test(start_paused = true)]
    async fn more_time_is_asked_for_as_long_as_the_work_takes() {
        let (_folder, listener, manager) = manager();
        let work = tokio::time::sleep(EXTENDING * 2 + Duration::from_secs(1));
        manager.patient(work).await;
        listener.set_nonblocking(true).unwrap();
        for _ in 0..3 {
            assert_eq!(next(&listener), "EXTEND_TIMEOUT_USEC=60000000");
        }
        assert!(listener.recv(&mut [0]).is_err());
    }

    #[test]
    fn nobody_to_tell_is_fine() {
        ServiceManager::at(None).ready("fine");
        ServiceManager::at(Some("/nowhere/at/all")).stopping();
    }
}
