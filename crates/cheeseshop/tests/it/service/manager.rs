//! A service manager, as far as a service can see.

use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::support::{DEADLINE, Home, Surroundings as _};

/// How many sockets this manager keeps.
const STORE: usize = 8;

/// Starts the program that follows, with the sockets that come over the standard input from number 3 on and
/// their names, as a service manager does.
const PASS: &str = "\
import fcntl, os, socket, sys
names, sockets, _, _ = socket.recv_fds(socket.socket(fileno=os.dup(0)), 4096, 64)
for number, passed in enumerate([fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in sockets]):
    os.dup2(passed, 3 + number)
os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=names.decode())
os.execv(sys.argv[1], sys.argv[1:])
";

/// Somebody who listens to what a service says of itself, and keeps what it is given.
pub(super) struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
    store: RefCell<Vec<(String, OwnedFd)>>,
}

impl Manager {
    pub(super) fn new(home: &Home) -> Self {
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self {
            path,
            socket,
            store: RefCell::default(),
        }
    }

    /// Has the command tell this manager.
    pub(super) fn adopt(&self, mut command: Command) -> Command {
        command.env("NOTIFY_SOCKET", &self.path);
        command
    }

    /// The same for one that is given `passed`, and what was kept of runs before it.
    pub(super) fn adopt_with(&self, passed: &[(&str, OwnedFd)], command: Command) -> Command {
        // systemd gives those of socket units first.
        let passed = passed.iter().map(|(name, socket)| (*name, socket));
        let store = self.store.borrow();
        let kept = store.iter().map(|(name, socket)| (name.as_str(), socket));
        let (names, sockets): (Vec<_>, Vec<_>) = passed.chain(kept).unzip();
        let mut adopted = self.adopt(command);
        adopted.env("FDSTORE", STORE.to_string());
        if names.is_empty() {
            return adopted;
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let sockets: Vec<_> = sockets.into_iter().map(|socket| socket.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        assert!(rights.push(SendAncillaryMessage::ScmRights(&sockets)));
        let names = names.join(":");
        let names = [IoSlice::new(names.as_bytes())];
        sendmsg(&ours, &names, &mut rights, SendFlags::empty()).unwrap();
        let mut command = Command::new("python3");
        command
            .args(["-c", PASS])
            .arg(adopted.get_program())
            .args(adopted.get_args())
            .in_surroundings_of(&adopted)
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        if let Some(folder) = adopted.get_current_dir() {
            command.current_dir(folder);
        }
        command
    }

    /// The names of what it keeps.
    pub(super) fn kept(&self) -> Vec<String> {
        let names = |(name, _): &(String, OwnedFd)| name.clone();
        self.store.borrow().iter().map(names).collect()
    }

    /// What happens when a service is stopped for good.
    pub(super) fn forget_kept(&self) {
        self.store.borrow_mut().clear();
    }

    /// The next message, `None` when none comes in that time.
    pub(super) fn next_within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut buffer = [0_u8; 2048];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let received = match recvmsg(&self.socket, &mut parts, &mut rights, RecvFlags::empty()) {
            Ok(received) => received,
            Err(Errno::AGAIN) => return None,
            Err(error) => panic!("{error}"),
        };
        let passed = rights.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
            _ => None,
        });
        let message = String::from_utf8(buffer[..received.bytes].to_vec()).unwrap();
        let says = |line: &str| message.lines().any(|found| found == line);
        let mut store = self.store.borrow_mut();
        match passed {
            Some(socket) if says("FDSTORE=1") => {
                assert!(store.len() < STORE, "{message}");
                store.push((value(&message, "FDNAME").to_owned(), socket));
            }
            Some(_) => panic!("what for? {message}"),
            None if says("FDSTOREREMOVE=1") => {
                let name = value(&message, "FDNAME");
                store.retain(|(kept, _)| kept != name);
            }
            None => {}
        }
        Some(message)
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
