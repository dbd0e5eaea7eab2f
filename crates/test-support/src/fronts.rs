//! The real nginx and haproxy, with a configuration that a test has.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::process::{Guarded, accepts, free_port, run, user, wait_until};

/// Where Debian has them, which the search path of an ordinary user does not name.
const PLACES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// A loopback port that no other test gets, for a front server that cannot choose one itself.
pub fn loopback_port() -> u16 {
    free_port()
}

/// A running nginx with a master and two workers; it ends when this is dropped, or with the test.
#[derive(Debug)]
pub struct Nginx {
    server: Option<Guarded>,
    folder: PathBuf,
}

impl Nginx {
    /// The user of Debian's nginx.
    pub const USER: &str = "www-data";

    /// Starts nginx with these files in its `http` section, and waits until this loopback port is open. Its
    /// own files are in `folder`. `worker` is whom its workers run as, where the tests run as root; the master
    /// keeps root's rights either way.
    ///
    /// # Panics
    ///
    /// When there is no nginx, or it does not start.
    pub fn start(folder: &Path, files: &[&Path], port: u16, worker: &str) -> Self {
        let output = Self::check(folder, files, worker);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        assert!(!text.contains("[warn]"), "{text}");
        let log = folder.join("nginx.out");
        let mut command = vec![program("nginx").display().to_string()];
        command.extend(arguments(folder));
        let server = Guarded::start(&command, "TERM", &log, &[]);
        wait_until("nginx", &log, || accepts(port));
        Self {
            server: Some(server),
            folder: folder.to_owned(),
        }
    }

    /// What `nginx -t` says of these files.
    ///
    /// # Panics
    ///
    /// When there is no nginx.
    pub fn check(folder: &Path, files: &[&Path], worker: &str) -> Output {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("nginx.conf"), main(folder, files, worker)).unwrap();
        Command::new(program("nginx"))
            .args(arguments(folder))
            .arg("-t")
            .stdin(Stdio::null())
            .output()
            .expect("nginx starts")
    }

    /// Makes nginx read its files again; requests that are running go on with the old ones.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub fn reload(&self) {
        run(Command::new(program("nginx"))
            .args(arguments(&self.folder))
            .args(["-s", "reload"]));
    }

    /// Its log of errors so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("nginx.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            #[expect(clippy::print_stderr, reason = "the log of a test that fails")]
            {
                eprintln!("--- log of nginx\n{}\n---", tail.join("\n"));
            }
        }
    }
}

fn arguments(folder: &Path) -> Vec<String> {
    let main = folder.join("nginx.conf").display().to_string();
    let folder = folder.display().to_string();
    ["-p", &folder, "-e", "nginx.log", "-c", &main]
        .map(str::to_owned)
        .to_vec()
}

fn main(folder: &Path, files: &[&Path], worker: &str) -> String {
    // Only root may choose.
    let worker = match std::fs::metadata(folder).map(|metadata| metadata.uid()) {
        Ok(0) if user() == 0 => format!("user {worker};\n"),
        _ => String::new(),
    };
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {folder}/temporary-{kind};\n"))
        .concat();
    let files: Vec<String> = files
        .iter()
        .map(|file| format!("  include {};\n", file.display()))
        .collect();
    let files = files.concat();
    format!(
        "{worker}daemon off;\nworker_processes 2;\npid {folder}/nginx.pid;\n\
         error_log {folder}/nginx.log warn;\nevents {{ worker_connections 512; }}\nhttp {{\n  \
         access_log off;\n{temporary}{files}}}\n"
    )
}

/// A running haproxy; it ends when this is dropped, or with the test.
#[derive(Debug)]
pub struct Haproxy(Option<Guarded>);

impl Haproxy {
    /// Starts haproxy with this file, and waits until this loopback port is open. `folder` takes its log.
    ///
    /// # Panics
    ///
    /// When there is no haproxy, or it does not start.
    pub fn start(folder: &Path, file: &Path, port: u16) -> Self {
        let output = Self::check(file);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        assert!(!text.contains("[WARNING]"), "{text}");
        let log = folder.join("haproxy.out");
        let file = startable(folder, file);
        let command = [
            program("haproxy").display().to_string(),
            "-db".to_owned(),
            "-f".to_owned(),
            file.display().to_string(),
        ];
        // It takes over from the watchdog that SIGTERM is ignored; it has nothing to tidy up.
        let server = Guarded::start(&command, "KILL", &log, &[]);
        wait_until("haproxy", &log, || accepts(port));
        Self(Some(server))
    }

    /// What `haproxy -c` says of a file.
    ///
    /// # Panics
    ///
    /// When there is no haproxy.
    pub fn check(file: &Path) -> Output {
        Command::new(program("haproxy"))
            .args(["-c", "-f"])
            .arg(file)
            .stdin(Stdio::null())
            .output()
            .expect("haproxy starts")
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        if let Some(server) = self.0.take() {
            server.stop();
        }
    }
}

/// The file itself for root; nobody else may become another user.
fn startable(folder: &Path, file: &Path) -> PathBuf {
    if user() == 0 {
        return file.to_owned();
    }
    let is_kept = |line: &&str| !line.starts_with("    user ") && !line.starts_with("    group ");
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().filter(is_kept).collect();
    let copy = folder.join("haproxy-as-this-user.cfg");
    std::fs::write(&copy, lines.join("\n") + "\n").unwrap();
    copy
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(PLACES.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("there is no {name}; apt-get install {name}"))
}
