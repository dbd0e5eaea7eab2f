//! Child processes that end with the test, and the files that tests share.

use std::fs::{File, OpenOptions};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time for a server to start. On a machine under load 0.2 s become 20.
pub(crate) const START_DEADLINE: Duration = Duration::from_mins(2);

/// Ports for servers that cannot choose one: below Linux's ephemeral range.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 22_000;

/// A server process under a watchdog.
///
/// The watchdog is a shell that starts the server and reads from a pipe that only this process
/// holds. When the pipe closes, because we stop the server or because we are gone, however
/// abruptly, it sends the signal, waits, and removes what the server leaves.
#[derive(Debug)]
pub(crate) struct Guarded {
    watchdog: Child,
}

/// What the shell does: `$1` signal, `$2` paths to remove, one a line, then the command.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
signal=$1; paths=$2; shift 2
"$@" </dev/null &
server=$!
cat >/dev/null
# Again and again, because a server that is not quite started yet may not listen to signals.
(while kill -s "$signal" "$server" 2>/dev/null; do sleep 0.2; done) &
insisting=$!
wait "$server"
kill -s KILL "$insisting" 2>/dev/null
printf '%s\n' "$paths" | while IFS= read -r path; do
    if [ -n "$path" ]; then rm -rf -- "$path"; fi
done
"#;

impl Guarded {
    /// Starts a server that is ended with `signal`; its output goes to `log`. The paths are
    /// removed after its end.
    pub(crate) fn start(command: &[String], signal: &str, log: &Path, remove: &[&Path]) -> Self {
        let remove: Vec<String> = remove
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("the test directory is writable");
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", signal])
            .arg(remove.join("\n"))
            .args(command)
            .env_remove("PGPASSWORD")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("there is a shell");
        Self { watchdog }
    }

    /// Ends the watchdog alone, without its clean-up: the server is gone already.
    pub(crate) fn abandon(mut self) {
        self.watchdog.kill().unwrap();
        self.watchdog.wait().unwrap();
    }

    /// Ends the server and waits until it is gone.
    pub(crate) fn stop(mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().unwrap();
    }
}

/// A loopback port for a server that cannot choose one itself.
pub(crate) fn free_port() -> u16 {
    free_ports::<1>()[0]
}

/// Different loopback ports for a server that cannot choose them itself.
///
/// They lie below the range from which the system takes ports for outgoing connections and for
/// `bind` to port 0, and each is locked for other test processes until this one ends: between
/// looking and listening nobody takes them away.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let locks = std::env::temp_dir().join(format!("cheeseshop-test-ports-{}", user()));
    std::fs::create_dir_all(&locks).unwrap();
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let span = LAST_PORT - FIRST_PORT;
    let start = std::process::id().wrapping_mul(7919) % u32::from(span);
    let start = u16::try_from(start).expect("below the span");
    let mut ports = (0..span)
        .map(|step| FIRST_PORT + (start + step) % span)
        .filter(|port| {
            let lock = File::create(locks.join(port.to_string())).unwrap();
            if lock.try_lock().is_err() || TcpListener::bind(("127.0.0.1", *port)).is_err() {
                return false;
            }
            taken.push(lock);
            true
        });
    std::array::from_fn(|_| ports.next().expect("loopback has ports left"))
}

/// The number of the user that runs the tests.
pub(crate) fn user() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or(0, |process| process.uid())
}

/// Waits until `ready` says so.
///
/// # Panics
///
/// After [`START_DEADLINE`], with the end of the log.
pub(crate) fn wait_until(what: &str, log: &Path, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + START_DEADLINE;
    while !ready() {
        if Instant::now() > deadline {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            panic!(
                "{what} did not get ready; its log ends:\n{}",
                tail.join("\n")
            );
        }
        // Not a wait for a fixed time: the pause between two looks.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether somebody accepts connections on a loopback port.
pub(crate) fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Runs a command to its end.
///
/// # Panics
///
/// With its output, when it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The build directory, where things that take long to make are kept between runs.
pub(crate) fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    }
}

/// Makes something once for all test processes: `make` runs under a lock unless the mark of an
/// earlier success is there. What a broken attempt left is removed first.
pub(crate) fn once_for_all(directory: &Path, make: impl FnOnce(&Path)) {
    let mark = directory.join(".complete");
    if mark.exists() {
        return;
    }
    let parent = directory.parent().expect("not the root");
    std::fs::create_dir_all(parent).unwrap();
    let name = directory.file_name().expect("has a name").to_owned();
    let lock_path = parent.join(format!(".{}.lock", name.to_string_lossy()));
    let lock = File::create(lock_path).unwrap();
    lock.lock().unwrap();
    if mark.exists() {
        return;
    }
    if directory.exists() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    std::fs::create_dir_all(directory).unwrap();
    make(directory);
    File::create(mark).unwrap();
}
