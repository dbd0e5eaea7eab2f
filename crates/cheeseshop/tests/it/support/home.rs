//! A machine's worth of surroundings: a home directory, and an environment with nothing in it
//! that the test did not put there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{CHEAP_HASH, Surroundings as _};

/// A home directory of its own.
pub(crate) struct Home {
    folder: TempDir,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Insists that the command, which is shown otherwise, has succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self, command: &str) -> Self {
        assert_eq!(
            self.code,
            Some(0),
            "{command}\n{}\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the data directory is, unless a test says otherwise.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes a file into the home directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program with a data directory, in these surroundings.
    pub(crate) fn cheeseshop(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare_cheeseshop(arguments);
        command.env("CHEESESHOP_DATA_DIR", self.data_dir());
        command
    }

    /// The program without being told a data directory. It prints the password of a first start, for tests have no
    /// terminal.
    pub(crate) fn bare_cheeseshop(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cheeseshop"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("TMPDIR", self.path())
            .env("PATH", "/usr/bin:/bin")
            .env("CHEESESHOP_AUTH__PRINT_ROOT_PASSWORD", "always")
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The program started under one of the names of devpi's, in these surroundings. Without
    /// `--serverdir` its directory is `.devpi/server` of this home.
    pub(crate) fn devpi(&self, name: &str, arguments: &[&str]) -> Command {
        let folder = self.path().join("names");
        std::fs::create_dir_all(&folder).unwrap();
        let link = folder.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cheeseshop"), &link).unwrap();
        }
        let ours = self.bare_cheeseshop(arguments);
        let mut command = Command::new(link);
        command
            .args(arguments)
            .in_surroundings_of(&ours)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `devpi-init` with cheap hashes; it has to succeed.
    pub(crate) fn devpi_init(&self, arguments: &[&str]) -> Output {
        let arguments = [CHEAP_HASH, arguments].concat();
        let output = finish(self.devpi("devpi-init", &arguments), "");
        assert_eq!(output.code, Some(0), "{output:?}");
        output
    }

    /// `devpi-server` with cheap hashes on a free port.
    pub(crate) fn devpi_server(&self, arguments: &[&str]) -> Command {
        let arguments = [CHEAP_HASH, &["--port", "0"], arguments].concat();
        self.devpi("devpi-server", &arguments)
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        finish(self.cheeseshop(arguments), "")
    }

    /// Runs the program to its end with something to read.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        finish(self.cheeseshop(arguments), input)
    }
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command, input: &str) -> Output {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command to its end, off the threads of the test, which may serve what it asks.
pub(crate) async fn finish_aside(command: Command) -> Output {
    tokio::task::spawn_blocking(move || finish(command, ""))
        .await
        .unwrap()
}
