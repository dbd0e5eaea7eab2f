//! A real supervisord with what `cheeseshop gen-config supervisord` writes for it.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use cheeseshop_test_support::python_packages;

use crate::support::{BETWEEN_LOOKS, CHEAP_HASH, DEADLINE, Home, finish};

/// Its own part of the configuration; everything it makes is beside that.
const OWN: &str = "[supervisord]\n\
    nodaemon=true\n\
    pidfile=%(here)s/supervisord.pid\n\
    logfile=%(here)s/supervisord.log\n\
    childlogdir=%(here)s/logs\n\
    [unix_http_server]\n\
    file=%(here)s/supervisor.sock\n\
    [rpcinterface:supervisor]\n\
    supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
    [supervisorctl]\n\
    serverurl=unix://%(here)s/supervisor.sock\n\
    [include]\n\
    files=%(here)s/cheeseshop.conf\n";

/// A supervisord that ends with the test, and what it started with it.
struct Supervisord {
    programs: PathBuf,
    configuration: PathBuf,
    child: Child,
}

impl Supervisord {
    fn start(configuration: PathBuf) -> Self {
        let needed = ["supervisor==4.3.0", "setuptools==69.2.0"];
        let programs = python_packages("supervisor-tests", &needed).join("bin");
        let child = Command::new(programs.join("supervisord"))
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            programs,
            configuration,
            child,
        }
    }

    fn control(&self, words: &[&str]) -> String {
        let output = Command::new(self.programs.join("supervisorctl"))
            .arg("-c")
            .arg(&self.configuration)
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Supervisord {
    fn drop(&mut self) {
        // Unlike a kill this takes along what it started.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

fn logs(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default())
        .collect()
}

#[test]
fn it_starts_the_server_has_it_read_its_settings_and_stops_it() {
    let home = Home::new();
    let socket = home.path().join("http.sock");
    let listen = format!("--set=server.listen=unix:{}", socket.display());
    // It has a meaning for each of these.
    let odd = home.path().join("my ;100% #data's %(here)s");
    let arguments = [CHEAP_HASH, &[&listen, "gen-config", "supervisord"]].concat();
    let mut command = home.bare_cheeseshop(&arguments);
    command.env("CHEESESHOP_DATA_DIR", &odd);
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{output:?}");
    home.write("cheeseshop.conf", &output.stdout);
    std::fs::create_dir(home.path().join("logs")).unwrap();
    let supervisord = Supervisord::start(home.write("supervisord.conf", OWN));

    wait_until("it does not start the server", || {
        UnixStream::connect(&socket).is_ok()
    });
    wait_until("the server has another directory", || {
        odd.join("cheeseshop.db").is_file()
    });
    supervisord.control(&["signal", "HUP", "cheeseshop"]);
    wait_until("the server does not hear of the signal", || {
        logs(&home.path().join("logs")).contains("the settings have been read again")
    });
    let answer = supervisord.control(&["stop", "cheeseshop"]);
    assert!(answer.contains("cheeseshop: stopped"), "{answer}");
    assert!(!socket.exists());
    wait_until("the server has not said its last words", || {
        logs(&home.path().join("logs")).contains(" stopped")
    });
}
