//! A server with users and indexes, and clients that are run against it.

use std::path::{Path, PathBuf};
use std::process::Command;

use cheeseshop_test_support::{BuiltFile, client_command, python_client};
use serde_json::json;

use crate::support::{Api, Home, Server, finish_aside};

/// Runs a client to its end, off the threads that serve the fake upstream.
pub(super) use crate::support::finish_aside as run;

/// Password of every user of these tests.
pub(super) const PASSWORD: &str = "p@ss word";

/// A server with the user `bob` and the index `bob/dev`.
pub(super) struct Shop {
    pub(super) home: Home,
    pub(super) server: Server,
    pub(super) root: Api,
    pub(super) bob: Api,
}

impl Shop {
    pub(super) async fn open() -> Self {
        let home = Home::new();
        let server = Server::start(&home, &["--set=mirror.root_pypi_url=http://127.0.0.1:9/"]);
        let root = server.root().await;
        let bob = server.new_user("bob", PASSWORD).await;
        root.create_index("bob/dev", &json!({"bases": [], "volatile": false}))
            .await;
        Self {
            home,
            server,
            root,
            bob,
        }
    }

    /// The page of all projects of an index, for installers.
    pub(super) fn simple(&self, index: &str) -> String {
        self.server.at(&format!("{index}/+simple/"))
    }

    /// The upload address of an index.
    pub(super) fn upload_url(&self, index: &str) -> String {
        self.server.at(&format!("{index}/"))
    }

    /// A directory of its own for a client.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.home.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Writes distributions into `dist` of a folder and gives their paths.
    pub(super) fn dist(folder: &Path, files: &[&BuiltFile]) -> Vec<String> {
        let dist = folder.join("dist");
        std::fs::create_dir_all(&dist).unwrap();
        files
            .iter()
            .map(|file| file.write_to(&dist).display().to_string())
            .collect()
    }

    /// A client in a directory, without any settings of this machine.
    pub(super) async fn client(&self, name: &'static str, folder: &Path) -> Command {
        // Installing one for the first time takes its time.
        let program = tokio::task::spawn_blocking(move || python_client(name))
            .await
            .unwrap();
        let mut command = client_command(&program, folder);
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command
    }

    /// Names of the files that an index lists for a project, sorted.
    pub(super) async fn listed(&self, index: &str, project: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .root
            .files(index, project)
            .await
            .into_iter()
            .map(|file| file.name)
            .collect();
        names.sort();
        names
    }
}

/// Runs a client that has to succeed; gives what it printed.
pub(super) async fn succeed(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = finish_aside(command).await.succeeded(&shown);
    format!("{}{}", output.stdout, output.stderr)
}

/// The name and version of every distribution that an installer has put into a directory.
pub(super) fn installed(site_packages: &Path) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(site_packages)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".dist-info").map(str::to_owned)
        })
        .collect();
    found.sort();
    found
}

/// The `site-packages` of a virtual environment.
pub(super) fn site_packages(environment: &Path) -> PathBuf {
    std::fs::read_dir(environment.join("lib"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("site-packages"))
        .find(|path| path.is_dir())
        .unwrap()
}
