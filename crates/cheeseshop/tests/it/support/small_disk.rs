//! A file system that fills up under a command.

use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use super::{Home, Surroundings as _};

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
        .in_surroundings_of(command)
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    unshare
}
