//! A running server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::{Api, Home};

/// Settings that make a password cost next to nothing: most tests are not about that.
pub(crate) const CHEAP_HASH: &[&str] = &[
    "--set=auth.argon2.memory_kib=64",
    "--set=auth.argon2.iterations=1",
    "--set=auth.argon2.parallelism=1",
];

/// Upstreams of tests are in the process of the test, which a loaded machine may hold up for a while.
pub(crate) const PATIENT: &str = "--set=mirror.request_timeout=30s";

/// How long a loaded machine may take for what is done in a second on an idle one.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// The pause between two looks at what is waited for: whoever looks without one takes the processor from it, and
/// from the tests beside.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A server that was started by a test and ends with it.
pub(crate) struct Server {
    child: Child,
    /// Everything that it printed before it was ready.
    pub(crate) announcement: String,
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// The password of `root`, when this start has made it.
    pub(crate) root_password: Option<String>,
    log: std::path::PathBuf,
    lines: Receiver<String>,
}

impl Server {
    /// Starts the server of a home with more arguments, and waits until it listens.
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", PATIENT];
        all.extend(CHEAP_HASH);
        all.extend(arguments);
        Self::spawn(home, home.cheeseshop(&all))
    }

    /// Starts a server by this command, and waits until it listens.
    pub(crate) fn spawn(home: &Home, mut command: Command) -> Self {
        let log = home.path().join("server.log");
        let stderr = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self {
            child,
            announcement: String::new(),
            url: String::new(),
            root_password: None,
            log,
            lines,
        };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("the server is not ready in time"),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().unwrap();
                    panic!("the server ended with {status}: {}", self.log());
                }
            };
            self.announcement.push_str(&line);
            self.announcement.push('\n');
            if let Some(password) = line.strip_prefix("Created the user `root` with the password: ")
            {
                self.root_password = Some(password.to_owned());
            }
            if let Some(url) = line.strip_prefix("Listening on ") {
                url.clone_into(&mut self.url);
            }
            if line.starts_with("Install with: ") {
                return;
            }
        }
    }

    /// The JSON API as the user `root` with the password of the first start.
    pub(crate) async fn root(&self) -> Api {
        let password = self.root_password.as_ref().expect("this was a first start");
        Api::login(&self.url, "root", password).await
    }

    /// Makes a user and gives the JSON API as that user sees it. Only the users in `acl_upload`,
    /// by default the owner, may upload; `root` is nothing special there.
    pub(crate) async fn new_user(&self, name: &str, password: &str) -> Api {
        self.root().await.create_user(name, password).await;
        Api::login(&self.url, name, password).await
    }

    /// The JSON API of nobody in particular.
    pub(crate) fn anonymous(&self) -> Api {
        Api::anonymous(&self.url)
    }

    /// The URL below this server.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}/{}", self.url, path.trim_start_matches('/'))
    }

    /// Everything that the servers of this home have logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not stop");
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Stops it as a service manager does.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }

    /// Kills it without a chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(20_000);
            let tail = log.get(from..).unwrap_or(&log);
            eprintln!("--- log of the server\n{tail}\n---");
        }
    }
}
