//! A file system that fills up under a command.

use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use super::Home;

/// The command after `script`, which a shell runs once there is a file system of so many megabytes at
/// `small` in the home: `$0` is that place, `"$@"` the command. Nobody else sees it, and it is gone
/// with the shell.
pub(crate) fn on_small_disk(
    home: &Home,
    megabytes: u32,
    script: &str,
    command: &Command,
) -> Command {
    let small = home.path().join("small");
    std::fs::create_dir_all(&small).unwrap();
    let surroundings = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut unshare = Command::new("/usr/bin/unshare");
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare
        .args(["--mount", "/bin/sh", "-c"])
        .arg(format!(
            "mount -t tmpfs -o size={megabytes}m small \"$0\" && {script}"
        ))
        .arg(&small)
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(surroundings)
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    unshare
}
