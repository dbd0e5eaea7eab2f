//! The released devpi-client and ours, each with a home and a server of its own, given the same
//! commands: what scripts read has to be the same.
//!
//! ```text
//! let twins = Twins::of_released_server();       // or of_our_server()
//! twins.both(&["use", "{server}"]).same();       // exit code and every line
//! twins.both(&["upload", "x.whl"]).same_code();  // exit code only, with a reason in the test
//! twins.same_file(".devpi/client/current.json");
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cheeseshop_test_support::{DevpiServer, client_command, python_client};

use crate::support::{Home, Output, Server, finish};

/// The password of `root` on every server here.
pub(super) const ROOT_PASSWORD: &str = "root-password";

/// A server of either kind and where it keeps its data. It ends when it is dropped.
pub(super) type Served = Box<dyn std::any::Any>;

/// One client with its home and server.
pub(super) struct Side {
    pub(super) home: tempfile::TempDir,
    pub(super) url: String,
    program: PathBuf,
    _served: Served,
}

/// Both clients.
pub(super) struct Twins {
    pub(super) released: Side,
    pub(super) ours: Side,
}

/// What both clients made of a command.
#[derive(Debug)]
pub(super) struct Both {
    command: String,
    pub(super) released: Output,
    pub(super) ours: Output,
}

impl Twins {
    /// Both clients at servers of ours.
    pub(super) fn of_our_servers() -> Self {
        Self::new(our_server)
    }

    /// Both clients at released devpi-servers.
    pub(super) fn of_released_servers() -> Self {
        Self::new(released_server)
    }

    fn new(server: fn() -> (String, Served)) -> Self {
        let released = python_client("devpi-client");
        Self {
            released: Side::new(server(), |_| released),
            ours: Side::new(server(), link_to_ours),
        }
    }

    /// Gives both the same command. `{server}` in an argument is the side's own server, `{home}`
    /// its home.
    pub(super) fn both(&self, arguments: &[&str]) -> Both {
        self.both_with(arguments, &[], "")
    }

    /// Gives both the same command with environment variables and standard input.
    pub(super) fn both_with(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> Both {
        Both {
            command: arguments.join(" "),
            released: self.released.run(arguments, variables, input),
            ours: self.ours.run(arguments, variables, input),
        }
    }

    /// Gives both the same command in a folder below their homes.
    pub(super) fn both_in(
        &self,
        folder: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Both {
        Both {
            command: arguments.join(" "),
            released: self.released.run_in(folder, arguments, variables, ""),
            ours: self.ours.run_in(folder, arguments, variables, ""),
        }
    }

    /// What our client alone says to a command that has to succeed: for what devpi-client has not.
    #[track_caller]
    pub(super) fn ours_says(&self, arguments: &[&str], input: &str) -> String {
        let output = self.ours.run(arguments, &[], input);
        assert_eq!(output.code, Some(0), "devpi {arguments:?}: {output:?}");
        output.stdout
    }

    /// Writes the same file into both homes.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        for side in [&self.released, &self.ours] {
            let path = side.home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Logs both in as `root`.
    pub(super) fn login(&self) {
        self.both(&["use", "{server}"]).same();
        self.both(&["login", "root", "--password", ROOT_PASSWORD])
            .same();
    }

    /// A file below both homes has the same text, servers, homes and tokens aside.
    pub(super) fn same_file(&self, name: &str) {
        assert_eq!(
            self.ours.file(name),
            self.released.file(name),
            "{name}: ours on the left, the released client's on the right"
        );
    }
}

impl Both {
    /// Both ended with the same code and said the same lines.
    #[track_caller]
    pub(super) fn same(&self) {
        let ours = (self.ours.code, &self.ours.stdout, &self.ours.stderr);
        let released = (
            self.released.code,
            &self.released.stdout,
            &self.released.stderr,
        );
        assert!(
            ours == released,
            "devpi {}\n--- ours\n{ours:?}\n{}\n--- the released client's\n{released:?}\n{}",
            self.command,
            self.ours.stdout,
            self.released.stdout,
        );
    }

    /// Both ended with the same code; what they said is compared where the test says so.
    #[track_caller]
    pub(super) fn same_code(&self) -> &Self {
        assert_eq!(
            self.ours.code, self.released.code,
            "devpi {}: ours on the left\n{self:#?}",
            self.command
        );
        self
    }
}

impl Side {
    /// Our client without a server.
    pub(super) fn ours_alone() -> Self {
        Self::new(
            (String::from("http://server.test"), Box::new(())),
            link_to_ours,
        )
    }

    fn new((url, served): (String, Served), program: impl FnOnce(&Path) -> PathBuf) -> Self {
        let home = tempfile::tempdir().unwrap();
        let program = program(home.path());
        Self {
            url,
            home,
            program,
            _served: served,
        }
    }

    /// The client with arguments, in this home.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = client_command(&self.program, self.home.path());
        // The client's own choice of file is what is tested.
        command.env_remove("PIP_CONFIG_FILE");
        command.env_remove("UV_NO_CONFIG");
        command.args(arguments.iter().map(|argument| self.fill_in(argument)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Gives this side alone a command.
    pub(super) fn run(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> Output {
        self.run_in("", arguments, variables, input)
    }

    fn run_in(
        &self,
        folder: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> Output {
        let mut command = self.command(arguments);
        command.current_dir(self.home.path().join(folder));
        for (name, value) in variables {
            command.env(name, self.fill_in(value));
        }
        let output = finish(without_terminal(&command), input);
        Output {
            code: output.code,
            stdout: self.normal(&output.stdout),
            stderr: self.normal(&output.stderr),
        }
    }

    /// The text of a file below the home; `None` when there is none.
    fn file(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.home.path().join(name)).ok()?;
        Some(self.normal(&text))
    }

    fn fill_in(&self, text: &str) -> String {
        text.replace("{server}", &self.url)
            .replace("{home}", self.home.path().to_str().unwrap())
    }

    /// A text without what differs between two homes and two servers.
    fn normal(&self, text: &str) -> String {
        let address = self.url.trim_start_matches("http://");
        let text = text
            .replace(address, "SERVER")
            .replace(self.home.path().to_str().unwrap(), "HOME");
        without_workdirs(&without_tokens(&text))
    }
}

/// The command in a session of its own: devpi-client asks for passwords on the terminal that it
/// belongs to, whoever started it.
fn without_terminal(command: &Command) -> Command {
    let mut session = Command::new("setsid");
    session
        .arg("--wait")
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            session.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        session.current_dir(folder);
    }
    session
}

/// Our program under the client's name.
fn link_to_ours(home: &Path) -> PathBuf {
    let link = home.join("devpi");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cheeseshop"), &link).unwrap();
    link
}

/// Replaces the temporary folders that uploads are built in.
fn without_workdirs(text: &str) -> String {
    let folder = std::env::temp_dir().join("devpi-");
    let mut parts = text.split(folder.to_str().unwrap());
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        replaced.push_str("WORKDIR");
        replaced.push_str(part.trim_start_matches(is_name));
    }
    replaced
}

/// Replaces the tokens of logins in `auth.json` (and wherever else they stand in quotes).
fn without_tokens(text: &str) -> String {
    text.split('"')
        .map(|part| {
            // devpi-server's hold a list, with quotes of its own.
            let is_list = part.starts_with(", [") && part.contains("].");
            let is_token = is_list || (part.len() > 40 && !part.contains([' ', '/', '\n']));
            if is_token { "TOKEN" } else { part }
        })
        .collect::<Vec<_>>()
        .join("\"")
}

pub(super) fn our_server() -> (String, Served) {
    let home = Home::new();
    home.devpi_init(&["--root-passwd", ROOT_PASSWORD, "--no-root-pypi"]);
    let server = Server::spawn(&home, home.devpi_server(&[]));
    (server.url.clone(), Box::new((server, home)))
}

pub(super) fn released_server() -> (String, Served) {
    let folder = tempfile::tempdir().unwrap();
    let server = DevpiServer::start(&folder.path().join("server"), ROOT_PASSWORD, &[]);
    (server.url(), Box::new((server, folder)))
}
