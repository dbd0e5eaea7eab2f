//! A Debian in which nobody has done anything yet, made by debootstrap and kept below `target/deb`.
//!
//! It holds what stands around a server, since a machine in a test has no network: nginx, curl, Python's
//! venv, twine, and what runs Debian's tests of packages. Nothing is ever written to it: machines boot from it with a layer of their own on top.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::base_folder;
use crate::shell::{self, output_of, program, say};

/// What makes Debian's smallest system a machine.
const SYSTEM: &[&str] = &[
    "ca-certificates",
    "dbus",
    "procps",
    "systemd",
    "systemd-sysv",
];

/// What is there beside it. apt installs these: debootstrap does not know who provides what.
const PACKAGES: &[&str] = &[
    "autopkgtest",
    "curl",
    "iproute2",
    "nginx-light",
    "openssl",
    "python3-venv",
    "twine",
];

/// Written when a tree is complete, with what it was made of.
const MARK: &str = "complete";

/// The releases that the packages are for, oldest first.
const RELEASES: &[&str] = &["bookworm", "trixie"];

/// The releases on which packages that were built here have to run: this machine's and every later one.
pub(crate) fn releases() -> Result<Vec<String>> {
    let own = codename()?;
    let later = RELEASES.iter().skip_while(|release| **release != own);
    let later = later.skip(1).map(|release| (*release).to_owned());
    Ok(std::iter::once(own.clone()).chain(later).collect())
}

/// The tree of a release, made now unless it is there.
pub(crate) fn tree_of(codename: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(base_folder())?;
    // Another check in this checkout waits until the tree is whole.
    let lock = std::fs::File::create(base_folder().join(format!("{codename}.lock")))?;
    lock.lock().context("the tree cannot be locked")?;
    let folder = folder(codename);
    let root = folder.join("root");
    let mark = folder.join(MARK);
    let wanted = format!("{codename} {} {}\n", SYSTEM.join(" "), PACKAGES.join(" "));
    if std::fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        say(&format!("{} is there already", root.display()));
        return Ok(root);
    }
    remove(codename)?;
    std::fs::create_dir_all(&folder)?;
    // In a namespace, with which its mounts end however it ends itself.
    let mut command = program("unshare");
    command
        .args(["--mount", "debootstrap", "--variant=minbase"])
        .arg(format!("--include={}", SYSTEM.join(",")))
        .arg(codename)
        .arg(&root)
        .arg(mirror()?);
    shell::run_quietly(&mut command, &folder.join("debootstrap.log"))?;
    install(&root, PACKAGES, &folder.join("apt.log"))?;
    std::fs::write(mark, wanted)?;
    Ok(root)
}

/// Installs packages into a tree, without starting any of them here.
fn install(root: &Path, packages: &[&str], log: &Path) -> Result<()> {
    let policy = root.join("usr/sbin/policy-rc.d");
    std::fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    shell::run(program("chmod").arg("755").arg(&policy))?;
    let script = format!(
        "apt-get update -q && apt-get install -q -y --no-install-recommends {} && apt-get clean",
        packages.join(" ")
    );
    shell::run_quietly(
        program("chroot")
            .arg(root)
            .args(["sh", "-c", &script])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8"),
        log,
    )?;
    std::fs::remove_file(policy).context("policy-rc.d")
}

/// Runs a program of shell in a copy of the tree of a release that has more packages, and is kept. `shared` can be
/// read in it as `/packages`.
pub(super) fn run_with(
    codename: &str,
    packages: &[&str],
    shared: &Path,
    script: &str,
) -> Result<()> {
    let tree = tree_of(codename)?;
    let copy = folder(codename).join(packages.join("-"));
    let root = copy.join("root");
    let mark = copy.join(MARK);
    if !mark.exists() {
        if copy.exists() {
            std::fs::remove_dir_all(&copy).with_context(|| copy.display().to_string())?;
        }
        std::fs::create_dir_all(&copy)?;
        shell::run(program("cp").arg("--archive").arg(tree).arg(&root))?;
        install(&root, packages, &copy.join("apt.log"))?;
        std::fs::create_dir_all(root.join("packages"))?;
        std::fs::write(mark, "")?;
    }
    let mut command = program("unshare");
    command
        .args(["--mount", "sh", "-euc", INSIDE, "inside"])
        .args([&root, shared])
        .arg(script)
        .stdout(std::io::stderr());
    shell::run(&mut command)
}

/// What [`run_with`] does in a namespace, with which its mounts end.
const INSIDE: &str = r#"
mount --bind "$2" "$1/packages"
mount -t proc proc "$1/proc"
exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 sh -euc "$3"
"#;

/// Removes the tree of a release.
pub(super) fn remove(codename: &str) -> Result<()> {
    let folder = folder(codename);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

fn folder(codename: &str) -> PathBuf {
    base_folder().join(format!("debian-{codename}"))
}

/// The name of the release that this machine runs.
pub(crate) fn codename() -> Result<String> {
    let release = std::fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let value = |key: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
    };
    match (value("ID").as_deref(), value("VERSION_CODENAME")) {
        (Some("debian"), Some(codename)) => Ok(codename),
        _ => bail!("this is no release of Debian; `--no-deb` leaves the packages out"),
    }
}

/// Where this machine's apt has its Debian from. Later releases are in the same place.
pub(super) fn mirror() -> Result<String> {
    let codename = codename()?;
    let sources = output_of(program("apt-get").args([
        "indextargets",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    sources
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{codename} main ")))
        .map(|mirror| mirror.trim().to_owned())
        .with_context(|| format!("apt knows no source for {codename} main"))
}
