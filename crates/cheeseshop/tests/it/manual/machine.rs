//! A machine for one page: a copy of this one, without a network, that is thrown away.
//!
//! The test starts itself once more, in namespaces of its own: everything that is written goes to
//! memory and is forgotten, every port is free, names lead where we say, and whatever was started
//! ends with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Home;

/// A file that only such a machine has.
const MARK: &str = "/.page-of-the-manual";

/// `$1` is an empty directory, `$2` an option for mounting, `$3` paths that have to be there, one a
/// line; the rest is the command.
const SET_UP: &str = r#"
set -eu
place=$1 option=$2 needed=$3
shift 3
root=$place/root
mount -t tmpfs -o mode=755 tmpfs "$place"
mkdir "$place/upper" "$place/work" "$root"
mount -t overlay overlay \
    -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work$option" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
: >"$root/.page-of-the-manual"
mkdir -p "$root/tmp"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
# What lies on a file system of its own is no part of the copy, nor what lies in /tmp: it gets a copy too.
number=0
printf '%s\n' "$needed" | while IFS= read -r path; do
    if [ ! -e "$root$path" ]; then
        number=$((number + 1))
        mkdir -p "$root$path" "$place/upper$number" "$place/work$number"
        mount -t overlay overlay \
            -o "lowerdir=$path,upperdir=$place/upper$number,workdir=$place/work$number$option" "$root$path"
    fi
done
ip link set lo up
exec chroot "$root" "$@"
"#;

/// Whether this is the second run.
pub(super) fn is_inside() -> bool {
    Path::new(MARK).exists()
}

/// Runs a test of this program on a machine of its own. It has to succeed.
pub(super) fn run_inside(test: &str) {
    let place = Home::new();
    let program = std::env::current_exe().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // The checkout first: what lies in it comes with it.
    let needed: Vec<String> = [
        root.canonicalize().unwrap(),
        program.parent().unwrap().to_owned(),
        parent_of(env!("CARGO_BIN_EXE_cheeseshop")),
        root.join("target/test-clients"),
    ]
    .iter()
    .map(|path| path.display().to_string())
    .collect();
    let is_root = is_root();
    let mut command = Command::new("unshare");
    command.args([
        "--net",
        "--mount",
        "--pid",
        "--ipc",
        "--fork",
        "--kill-child",
    ]);
    if !is_root {
        command.arg("--map-root-user");
    }
    let option = if is_root { "" } else { ",userxattr" };
    let output = command
        .args(["sh", "-c", SET_UP, "machine"])
        .arg(place.path())
        .args([option, &needed.join("\n")])
        .arg(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("TMPDIR", "/tmp")
        .stdin(Stdio::null())
        .output()
        .expect("`unshare` is a part of Debian's util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
}

fn parent_of(path: &str) -> PathBuf {
    Path::new(path).parent().unwrap().to_owned()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
