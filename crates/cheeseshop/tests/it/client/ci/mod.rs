//! `cheeseshop env`, `devpi_use` and the pipeline step `withDevpi`: what a job of a build server does
//! with them, in the shells that it does it with.

mod formats;
mod jobs;
mod logins;
mod tools;
mod workspaces;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use cheeseshop_test_support::{Wheel, python_client};
use serde_json::json;

use crate::support::{Api, Home, Output, Server, finish};

pub(super) use crate::support::finish_aside as ended;

/// A password with everything that shells and URLs mind.
pub(super) const PASSWORD: &str = "p@ss 'w\"o$rd";

/// A build server's machine beside a server with the user `bob` and his indexes `bob/one`, with
/// version 1.0 of `app`, `bob/two` with 2.0, and `bob/closed`, which only he may read, with 3.0.
pub(super) struct Ci {
    folder: tempfile::TempDir,
    pub(super) server: Server,
    pub(super) root: Api,
    pub(super) bob: Api,
    _server_home: Home,
}

impl Ci {
    pub(super) async fn open() -> Self {
        let server_home = Home::new();
        let server = Server::start(&server_home, &[]);
        let root = server.root().await;
        let bob = server.new_user("bob", PASSWORD).await;
        for (index, version) in [("one", "1.0"), ("two", "2.0"), ("closed", "3.0")] {
            let name = format!("bob/{index}");
            let readers = if index == "closed" {
                "bob"
            } else {
                ":ANONYMOUS:"
            };
            bob.create_index(&name, &json!({"bases": [], "acl_read": [readers]}))
                .await;
            bob.upload(&name, &Wheel::named("app").version(version).build())
                .await;
        }
        let ci = Self {
            folder: tempfile::tempdir().unwrap(),
            server,
            root,
            bob,
            _server_home: server_home,
        };
        for name in ["home", "bin", "tmp"] {
            std::fs::create_dir(ci.path(name)).unwrap();
        }
        for name in ["cheeseshop", "devpi"] {
            ci.install(name, Path::new(env!("CARGO_BIN_EXE_cheeseshop")));
        }
        ci
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A job's own directory.
    pub(super) fn workspace(&self, name: &str) -> PathBuf {
        let path = self.path("jobs").join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn install(&self, name: &str, program: &Path) {
        symlink(program, self.path("bin").join(name)).unwrap();
    }

    /// Puts a client onto the search path of the jobs.
    pub(super) async fn install_client(&self, name: &'static str) {
        // Installing one for the first time takes its time.
        let program = tokio::task::spawn_blocking(move || python_client(name))
            .await
            .unwrap();
        self.install(name, &program);
    }

    /// A program of a job: the home that all share, and nothing of this machine's settings.
    pub(super) fn command(&self, program: &str, workspace: Option<&Path>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("TMPDIR", self.path("tmp"))
            .env("LANG", "C.UTF-8")
            .env("NO_PROXY", "127.0.0.1")
            // The machine's own, which exist beside the home's.
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("UV_NO_CONFIG", "1")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
            .env("CHEESESHOP_URL", &self.server.url)
            .env("DEVPI_USE", deployed("shell/devpi_use.sh"))
            .current_dir(workspace.unwrap_or(self.folder.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(workspace) = workspace {
            command.env("WORKSPACE", workspace);
        }
        command
    }

    /// A script of a job in a shell with options.
    pub(super) fn script(&self, shell: &[&str], workspace: Option<&Path>, script: &str) -> Command {
        let mut command = self.command(shell[0], workspace);
        command.args(&shell[1..]).arg("-c").arg(script);
        command
    }

    /// Every file of the home, with its size and when it was written.
    pub(super) fn home(&self) -> BTreeMap<PathBuf, (u64, SystemTime)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("home")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let entry = entry.unwrap();
                let metadata = entry.metadata().unwrap();
                if metadata.is_dir() {
                    folders.push(entry.path());
                }
                found.insert(entry.path(), (metadata.len(), metadata.modified().unwrap()));
            }
        }
        found
    }
}

/// A file that the package installs.
pub(super) fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name)
        .canonicalize()
        .unwrap()
}

/// Runs a command that has to succeed, and gives what it said.
#[track_caller]
pub(super) fn succeed(command: Command) -> Output {
    let shown = format!("{command:?}");
    finish(command, "").succeeded(&shown)
}

/// Versions of `app` that are installed in a folder.
pub(super) fn installed(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let version = name.strip_prefix("app-")?.strip_suffix(".dist-info")?;
            Some(version.to_owned())
        })
        .collect()
}
