//! The released devpi-server, for tests that compare with it or take its data.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{client_environment, python_client};
use crate::process::{Guarded, accepts, free_port, run, wait_until};

/// Options that make password hashes cheap, and the start short.
const CHEAP_HASHES: [&str; 6] = [
    "--argon2-memory-cost",
    "8",
    "--argon2-parallelism",
    "1",
    "--argon2-time-cost",
    "1",
];

/// A devpi-server (with devpi-web) over a directory of its own. It ends when it is dropped.
#[derive(Debug)]
pub struct DevpiServer {
    directory: PathBuf,
    port: u16,
    guarded: Option<Guarded>,
}

impl DevpiServer {
    /// Initialises a server directory, without `root/pypi` and with this password of `root`, and
    /// starts a server on it with more options. Takes some seconds.
    ///
    /// # Panics
    ///
    /// When the server cannot be installed or does not start.
    pub fn start(directory: &Path, root_password: &str, options: &[&str]) -> Self {
        Self::command("devpi-init", directory)
            .args(["--no-root-pypi", "--root-passwd", root_password])
            .quietly();
        Self::start_again(directory, options)
    }

    /// Starts a server on a directory that has been initialised before.
    ///
    /// # Panics
    ///
    /// As [`DevpiServer::start`].
    pub fn start_again(directory: &Path, options: &[&str]) -> Self {
        let port = free_port();
        let program = Self::program("devpi-server");
        // The watchdog ignores the signal, and Python would inherit that.
        let mut command = vec![
            "env".to_owned(),
            "-i".to_owned(),
            "--default-signal=TERM".to_owned(),
        ];
        command.extend(
            client_environment(directory)
                .into_iter()
                .map(|(name, value)| format!("{name}={}", value.to_string_lossy())),
        );
        command.extend([
            program.display().to_string(),
            "--serverdir".to_owned(),
            directory.display().to_string(),
            "--host".to_owned(),
            "127.0.0.1".to_owned(),
            "--port".to_owned(),
            port.to_string(),
            // No search: it would use a processor while the test does.
            "--indexer-backend".to_owned(),
            "null".to_owned(),
        ]);
        command.extend(
            CHEAP_HASHES
                .into_iter()
                .chain(options.iter().copied())
                .map(str::to_owned),
        );
        let log = directory.join("server.log");
        let guarded = Guarded::start(&command, "TERM", &log, &[]);
        wait_until("devpi-server", &log, || accepts(port));
        Self {
            directory: directory.to_owned(),
            port,
            guarded: Some(guarded),
        }
    }

    /// A program of devpi-server (`devpi-export`, `devpi-import`, `devpi-fsck` …) on a server
    /// directory, in a clean environment.
    pub fn command(program: &str, directory: &Path) -> DevpiCommand {
        std::fs::create_dir_all(directory).expect("the test directory is writable");
        let mut command = Command::new(Self::program(program));
        command
            .env_clear()
            .envs(client_environment(directory))
            .arg("--serverdir")
            .arg(directory);
        DevpiCommand(command)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("server.log")).unwrap_or_default()
    }

    /// Stops it; its directory stays.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(guarded) = self.guarded.take() {
            guarded.stop();
        }
    }

    fn program(name: &str) -> PathBuf {
        python_client("devpi-web").with_file_name(name)
    }
}

impl Drop for DevpiServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program of devpi-server that is about to run.
#[derive(Debug)]
pub struct DevpiCommand(Command);

impl DevpiCommand {
    /// Adds arguments.
    #[must_use]
    pub fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.args(arguments);
        self
    }

    /// Runs it to its end and gives what it printed.
    ///
    /// # Panics
    ///
    /// With its output, when it fails.
    pub fn output(mut self) -> String {
        run(&mut self.0)
    }

    fn quietly(self) {
        let _ = self.output();
    }
}
