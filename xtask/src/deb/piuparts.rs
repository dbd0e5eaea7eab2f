//! Debian's own test of installing, upgrading from a repository, removing and purging, in a tree that is not booted,
//! where nothing may be started. It compares all files, their owners and modes with those before.
//!
//! Only on the Debian that this machine is: an older piuparts finds fault with the base system of a newer Debian
//! (`/usr/bin/sync`, which it has replaced itself).

use std::path::Path;

use anyhow::{Context as _, Result};

use super::archive;
use super::base_folder;
use super::package::Packages;
use crate::shell::{self, program, say};

/// Upgrades to `packages` from what is published in the repository `before`.
pub(super) fn run(
    codename: &str,
    mirror: &str,
    tree: &Path,
    before: &Path,
    packages: &Packages,
) -> Result<()> {
    let folder = base_folder().join("piuparts");
    // With the tree of a check that was killed.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(&folder)?;
    let before = before
        .canonicalize()
        .with_context(|| before.display().to_string())?;
    // In a namespace, with which its mounts end however it ends itself.
    let mut command = program("unshare");
    command
        .args(["--mount", "piuparts", "--existing-chroot"])
        .arg(tree)
        .args(["--distribution", codename])
        .args(["--mirror", &format!("{mirror} main")])
        .args(["--keyring", KEYRING])
        .arg("--bindmount")
        .arg(&before)
        .args(["--extra-repo", &archive::source_line(&before)])
        .args(["--no-eatmydata", "--skip-logrotatefiles-test"])
        // Where apt-utils is, apt makes it for questions.
        .args(["--ignore-regex", "/var/cache/debconf/tmp[.]ci.*"])
        .args(packages.programs())
        .env("TMPDIR", &folder)
        .env("LC_ALL", "C.UTF-8");
    shell::run_quietly(&mut command, &folder.join("log"))?;
    say("piuparts: installed, upgraded, removed and purged without a trace");
    Ok(())
}

/// The keys of Debian's archive.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
