//! A server with the user `bob`, and the program in a home of its own, logged in as him: for commands
//! that devpi-client does not have.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cheeseshop_test_support::{BuiltFile, client_command, python_client};
use serde_json::{Value, json};

use super::twins::{ROOT_PASSWORD, Served, our_server, released_server};
use crate::support::{Api, Home, Output, Server, finish};

/// The password of `bob`.
pub(super) const PASSWORD: &str = "p@ss w%rd:1";

/// Runs a test at a server of ours and at a released devpi-server.
macro_rules! at_both_servers {
    ($name:ident) => {
        mod $name {
            #[tokio::test]
            async fn at_our_server() {
                super::$name(super::Stand::at_our_server().await).await;
            }
            #[tokio::test]
            async fn at_a_released_devpi_server() {
                super::$name(super::Stand::at_a_released_server().await).await;
            }
        }
    };
}
pub(super) use at_both_servers;

/// A server with the user `bob`, and a home where he is logged in.
pub(super) struct Stand {
    pub(super) home: tempfile::TempDir,
    pub(super) url: String,
    pub(super) bob: Api,
    served: Served,
}

impl Stand {
    pub(super) async fn at_our_server() -> Self {
        Self::new(our_server()).await
    }

    pub(super) async fn at_a_released_server() -> Self {
        Self::new(released_server()).await
    }

    async fn new((url, served): (String, Served)) -> Self {
        let root = Api::login(&url, "root", ROOT_PASSWORD).await;
        root.create_user("bob", PASSWORD).await;
        let stand = Self {
            home: tempfile::tempdir().unwrap(),
            bob: Api::login(&url, "bob", PASSWORD).await,
            url,
            served,
        };
        std::fs::create_dir(stand.scratch()).unwrap();
        stand.done(&["use", &stand.url]);
        stand.done(&["login", "bob", "--password", PASSWORD]);
        stand
    }

    /// Makes an index of bob's.
    pub(super) async fn index(&self, name: &str, settings: Value) {
        let mut all = json!({"bases": [], "volatile": true});
        for (key, value) in settings.as_object().unwrap() {
            all[key] = value.clone();
        }
        self.bob.create_index(name, &all).await;
    }

    pub(super) async fn upload(&self, index: &str, file: &BuiltFile) {
        let status = self.bob.try_upload(index, file).await.unwrap();
        assert!(status.is_success(), "{}: {status}", file.name);
    }

    /// The names of the files that an index itself has of a project.
    pub(super) async fn files(&self, index: &str, project: &str) -> Vec<String> {
        let path = format!("{index}/{project}?ignore_bases=");
        let response = self.bob.request(reqwest::Method::GET, &path);
        let response = response
            .header("Accept", "application/json")
            .send()
            .await
            .unwrap();
        if response.status() == 404 {
            return Vec::new();
        }
        let document: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        let mut names: Vec<_> = document["result"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|release| release["+links"].as_array().cloned().unwrap_or_default())
            .map(|link| {
                let url = link["href"].as_str().unwrap();
                url.rsplit('/').next().unwrap().to_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// Writes a file into the home.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Where programs put what is temporary.
    pub(super) fn scratch(&self) -> PathBuf {
        self.home.path().join("scratch")
    }

    /// The program with arguments, in this home.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_cheeseshop"));
        let mut command = client_command(program, self.home.path());
        command
            .args(arguments)
            .env("TMPDIR", self.scratch())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        finish(self.command(arguments), "")
    }

    /// Runs what has to succeed.
    #[track_caller]
    pub(super) fn done(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
        output
    }

    /// What our server has logged.
    pub(super) fn log(&self) -> String {
        let served = self.served.downcast_ref::<(Server, Home)>();
        served.expect("this is a server of ours").0.log()
    }

    /// The token of bob's login.
    pub(super) fn token(&self) -> String {
        let path = self.home.path().join(".devpi/client/auth.json");
        let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let logins = document["auth"].as_object().unwrap();
        let token = logins.values().next().unwrap()[0][1].as_str().unwrap();
        token.to_owned()
    }
}

/// A Python that has pip.
pub(super) fn python() -> String {
    let python = python_client("pip").with_file_name("python");
    python.to_str().unwrap().to_owned()
}

/// Whether the program with this process id runs.
pub(super) fn is_running(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Whoever waits for nobody any more is not running.
    !status.is_empty() && !status.contains(") Z ")
}
