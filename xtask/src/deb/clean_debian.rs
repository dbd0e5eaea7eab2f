//! A Debian in which nobody has done anything yet, made by debootstrap and kept below `target/deb`.
//!
//! It holds what stands around a server, since a machine in a test has no network: nginx, curl, Python's
//! venv, twine. Nothing is ever written to it: machines boot from it with a layer of their own on top.

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
    "curl",
    "iproute2",
    "nginx-light",
    "openssl",
    "python3-venv",
    "twine",
];

/// Written when a tree is complete, with what it was made of.
const MARK: &str = "complete";

/// The tree, made now unless it is there. It is of the Debian that this machine is.
pub(crate) fn tree() -> Result<PathBuf> {
    let folder = folder();
    let root = folder.join("root");
    let mark = folder.join(MARK);
    let codename = codename()?;
    let wanted = format!("{codename} {} {}\n", SYSTEM.join(" "), PACKAGES.join(" "));
    if std::fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        say(&format!("{} is there already", root.display()));
        return Ok(root);
    }
    remove()?;
    std::fs::create_dir_all(&folder)?;
    let mut command = program("debootstrap");
    command
        .arg("--variant=minbase")
        .arg(format!("--include={}", SYSTEM.join(",")))
        .arg(&codename)
        .arg(&root)
        .arg(mirror(&codename)?);
    shell::run_quietly(&mut command, &folder.join("debootstrap.log"))?;
    install(&root, &folder.join("apt.log"))?;
    std::fs::write(mark, wanted)?;
    Ok(root)
}

/// Installs [`PACKAGES`] into the tree, without starting any of them here.
fn install(root: &Path, log: &Path) -> Result<()> {
    let policy = root.join("usr/sbin/policy-rc.d");
    std::fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    shell::run(program("chmod").arg("755").arg(&policy))?;
    let script = format!(
        "apt-get update -q && apt-get install -q -y --no-install-recommends {} && apt-get clean",
        PACKAGES.join(" ")
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

/// Removes the tree.
pub(super) fn remove() -> Result<()> {
    let folder = folder();
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    base_folder().join("clean-debian")
}

/// The name of the release that this machine runs.
fn codename() -> Result<String> {
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

/// Where this machine's apt has its Debian from.
fn mirror(codename: &str) -> Result<String> {
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
