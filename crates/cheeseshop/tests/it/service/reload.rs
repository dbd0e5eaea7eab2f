//! SIGHUP: settings are read again.

use std::process::Command;

use super::manager::{Manager, value};
use crate::support::{CHEAP_HASH, Home, Server};

pub(super) struct Reloading {
    pub(super) home: Home,
    manager: Manager,
    pub(super) server: Server,
}

impl Reloading {
    /// Starts a server with these settings.
    pub(super) fn with(settings: &str) -> Self {
        Self::prepared(settings, |_| ())
    }

    /// The same, in a home that has something in it.
    pub(super) fn prepared(settings: &str, prepare: impl FnOnce(&Home)) -> Self {
        let home = Home::new();
        prepare(&home);
        let manager = Manager::new(&home);
        let file = home.write("cheeseshop.toml", settings);
        let file = file.display().to_string();
        let arguments = [
            &["serve", "--listen", "127.0.0.1:0", "--config", &file],
            CHEAP_HASH,
        ]
        .concat();
        let server = Server::spawn(&home, manager.adopt(home.cheeseshop(&arguments)));
        manager.wait_for("READY=1");
        Self {
            home,
            manager,
            server,
        }
    }

    /// Has it read these; gives what `systemctl status` shows then.
    pub(super) fn reload(&self, settings: &str) -> String {
        self.home.write("cheeseshop.toml", settings);
        self.server.signal("HUP");
        let (_, reloading) = self.manager.wait_for("RELOADING=1");
        assert!(value(&reloading, "MONOTONIC_USEC").parse::<u64>().unwrap() > 0);
        let (_, ready) = self.manager.wait_for("READY=1");
        value(&ready, "STATUS").to_owned()
    }

    /// Asks for something that the log tells of, unless it is to tell of errors alone.
    async fn ask(&self) {
        let answer = self.server.anonymous().get("+status").await;
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn what_is_logged_and_how_changes_at_once_and_what_needs_a_restart_is_named() {
    let running = Reloading::with("[log]\nfilter = \"warn\"\n");
    let status = running.reload("[log]\nfilter = \"info\"\nformat = \"json\"\n");
    assert_eq!(status, format!("listening on {}", running.server.url));
    let status = running.reload(
        "[log]\nfilter = \"info\"\nformat = \"json\"\n\
         [server]\nmax_connections = 7\n[cache]\npage_bytes = \"1 MiB\"\n",
    );
    assert!(
        status.ends_with("wait for a restart, the log names them"),
        "{status}"
    );
    running.ask().await;
    let Reloading { server, .. } = running;
    let log = server.stop();
    let documents: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{log}")))
        .collect();
    let of_reload = |text: &str| {
        let about = |document: &&serde_json::Value| {
            let message = document["message"].as_str();
            message.is_some_and(|message| message.contains(text))
        };
        documents
            .iter()
            .find(about)
            .unwrap_or_else(|| panic!("{text}: {log}"))
    };
    assert_eq!(of_reload("log lines have changed")["filter"], "info");
    assert_eq!(
        of_reload("need a restart")["keys"],
        "cache.page_bytes, server.max_connections"
    );
    of_reload("GET /+status 200");
}

#[tokio::test]
async fn a_file_with_problems_changes_nothing_and_is_told() {
    let running = Reloading::with("[log]\nfilter = \"info\"\n");
    let status = running.reload("[log]\nfilter = \"error\"\n[server]\nmax_conections = 7\n");
    assert!(
        status.ends_with("those from before are in force"),
        "{status}"
    );
    running.ask().await;
    // As if nothing had been.
    let status = running.reload("[log]\nfilter = \"info\"\n");
    assert_eq!(status, format!("listening on {}", running.server.url));
    let log = running.server.stop();
    let problem = log
        .lines()
        .find(|line| line.contains("the settings cannot be read again"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(
        problem.contains("cheeseshop.toml:4")
            && problem.contains("did you mean `server.max_connections`"),
        "{problem}"
    );
    assert!(log.contains("GET /+status 200"), "{log}");
}

#[test]
fn secrets_that_change_are_named_and_not_shown() {
    let settings = |password: &str| {
        format!(
            "[mirror]\nproxy = \"http://me:{password}@proxy.test:1\"\n[log]\nfilter = \"info\"\n"
        )
    };
    let running = Reloading::with(&settings("first-secret"));
    running.reload(&settings("second-secret"));
    let log = running.server.stop();
    assert!(log.contains("keys=\"mirror.proxy\""), "{log}");
    assert!(!log.contains("-secret"), "{log}");
}

#[test]
fn devpi_server_reads_its_file_again() {
    let home = Home::new();
    home.devpi_init(&[]);
    let manager = Manager::new(&home);
    let file = home.write("devpi.yaml", "devpi-server:\n  offline-mode: false\n");
    let file = file.display().to_string();
    let command: Command = home.devpi_server(&["-c", &file]);
    let server = Server::spawn(&home, manager.adopt(command));
    manager.wait_for("READY=1");
    home.write("devpi.yaml", "devpi-server:\n  offline-mode: true\n");
    server.signal("HUP");
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    let log = server.stop();
    assert!(log.contains("keys=\"mirror.offline\""), "{log}");
}
