//! A service manager, as far as a service can see.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Home};

/// Somebody who listens to what a service says of itself.
pub(super) struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Manager {
    pub(super) fn new(home: &Home) -> Self {
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { path, socket }
    }

    /// Has the command tell this manager.
    pub(super) fn adopt(&self, mut command: Command) -> Command {
        command.env("NOTIFY_SOCKET", &self.path);
        command
    }

    /// The next message, `None` when none comes in that time.
    pub(super) fn next_within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut buffer = [0_u8; 2048];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(String::from_utf8(buffer[..length].to_vec()).unwrap()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for a message with a line that begins so; gives those before it and the message.
    pub(super) fn wait_for(&self, line: &str) -> (Vec<String>, String) {
        let deadline = Instant::now() + DEADLINE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_millis(1));
            match self.next_within(left) {
                Some(message) if message.lines().any(|found| found.starts_with(line)) => {
                    return (before, message);
                }
                Some(message) => before.push(message),
                None => panic!("the service does not say {line}; it said {before:?}"),
            }
        }
    }

    /// Forgets what was said so far.
    pub(super) fn forget(&self) {
        while self.next_within(Duration::from_millis(1)).is_some() {}
    }
}

/// The value of a line of a message.
pub(super) fn value<'a>(message: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}=");
    message
        .lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_else(|| panic!("no {name} in {message:?}"))
}
