//! An apt repository: files that any web server can serve, and `apt install cheeseshop` with them.
//!
//! apt-ftparchive writes the lists, gpg signs them. What was published stays until its file is deleted from the
//! pool, so that machines can be held at a version. At each moment the repository is whole for those who read it:
//! packages come first, then lists under the names of their digests (the last three generations stay), then the
//! signed list of lists, in one rename.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell::{self, output_of, program, say, succeeds};

/// Where the packages are, below the repository.
const POOL: &str = "pool/main/c/cheeseshop";

/// Where the lists are.
const LISTS: &str = "dists/stable";

/// The public key for the machines that install.
const PUBLIC_KEY: &str = "cheeseshop-archive-keyring.asc";

/// What apt is told there.
const SOURCES: &str = "cheeseshop.sources";

/// Adds package files to the repository in `folder`, which is made if it is not there, and which machines find at
/// `url`.
pub(super) fn publish(
    folder: &Path,
    files: &[PathBuf],
    signer: Option<&Signer>,
    url: &str,
) -> Result<()> {
    std::fs::create_dir_all(folder.join(POOL)).with_context(|| folder.display().to_string())?;
    // Another one who publishes waits.
    let lock = File::create(folder.join(".lock"))?;
    lock.lock().context("the repository cannot be locked")?;
    let folder = folder.canonicalize()?;
    for file in files {
        add(&folder, file)?;
    }
    let architectures = architectures(&folder)?;
    for architecture in &architectures {
        list_packages(&folder, architecture)?;
    }
    list_lists(&folder, &architectures, signer)?;
    write_sources(&folder, signer, url)?;
    let names: Vec<_> = files
        .iter()
        .filter_map(|file| file.file_name()?.to_str())
        .collect();
    say(&format!(
        "{}: published {}",
        folder.display(),
        names.join(", ")
    ));
    if signer.is_none() {
        say(
            "the repository is not signed: apt takes it only where `Trusted: yes` is said; see --sign-with",
        );
    }
    Ok(())
}

/// Puts a package into the pool. A version that is there with other contents is an error: machines that have it
/// would never hear of them.
fn add(folder: &Path, file: &Path) -> Result<()> {
    let name = file.file_name().context("a package without a name")?;
    let target = folder.join(POOL).join(name);
    if target.exists() {
        if std::fs::read(&target)? == std::fs::read(file)? {
            return Ok(());
        }
        bail!(
            "{} is published with other contents; a version is published once",
            name.display()
        );
    }
    let unfinished = target.with_extension("unfinished");
    std::fs::copy(file, &unfinished).with_context(|| file.display().to_string())?;
    Ok(std::fs::rename(unfinished, target)?)
}

/// The machines for which there are packages in the pool.
fn architectures(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder.join(POOL))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "deb") {
            continue;
        }
        // NAME_VERSION_ARCHITECTURE.deb
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if let Some((_, architecture)) = stem.rsplit_once('_')
            && architecture != "all"
        {
            found.insert(architecture.to_owned());
        }
    }
    if found.is_empty() {
        bail!("{}: no packages", folder.join(POOL).display());
    }
    Ok(found)
}

fn list_packages(folder: &Path, architecture: &str) -> Result<()> {
    let lists = folder.join(format!("{LISTS}/main/binary-{architecture}"));
    std::fs::create_dir_all(&lists)?;
    let text = output_of(
        apt_ftparchive(folder)
            .args(["--arch", architecture, "packages"])
            .arg(POOL),
    )?;
    let file = lists.join("Packages");
    std::fs::write(&file, text)?;
    shell::run(program("xz").args(["--keep", "--force"]).arg(&file))
}

/// The list of lists. Who has read the one before it finds what that names.
fn list_lists(
    folder: &Path,
    architectures: &BTreeSet<String>,
    signer: Option<&Signer>,
) -> Result<()> {
    let names: Vec<&str> = architectures.iter().map(String::as_str).collect();
    let mut command = apt_ftparchive(folder);
    for (field, value) in [
        ("Origin", "Cheeseshop"),
        ("Label", "Cheeseshop"),
        ("Suite", "stable"),
        ("Codename", "stable"),
        ("Architectures", &names.join(" ")),
        ("Components", "main"),
        ("Acquire-By-Hash", "yes"),
    ] {
        command.arg(format!("-o=APT::FTPArchive::Release::{field}={value}"));
    }
    command
        .arg("-o=APT::FTPArchive::DoByHash=true")
        // Not those from before of what is being written.
        .arg("-o=APT::FTPArchive::Release::Default-Patterns=false")
        .arg("-o=APT::FTPArchive::Release::Patterns::=Packages")
        .arg("-o=APT::FTPArchive::Release::Patterns::=Packages.xz");
    let text = output_of(command.arg("release").arg(LISTS))?;
    let lists = folder.join(LISTS);
    let unfinished = |name: &str| lists.join(format!(".{name}.unfinished"));
    let in_place = |name: &str| std::fs::rename(unfinished(name), lists.join(name));
    std::fs::write(unfinished("Release"), text)?;
    if let Some(signer) = signer {
        for (name, how) in [
            ("InRelease", "--clear-sign"),
            ("Release.gpg", "--detach-sign"),
        ] {
            shell::run(
                signer
                    .gpg()
                    .args(["--yes", "--armor", "--local-user", &signer.key, "--output"])
                    .arg(unfinished(name))
                    .arg(how)
                    .arg(unfinished("Release")),
            )
            .context("the repository cannot be signed")?;
        }
        in_place("InRelease")?;
        in_place("Release.gpg")?;
    } else {
        for name in ["InRelease", "Release.gpg"] {
            if lists.join(name).exists() {
                bail!("the repository was signed until now: say --sign-with again");
            }
        }
    }
    Ok(in_place("Release")?)
}

/// The public key, and what a machine is told.
fn write_sources(folder: &Path, signer: Option<&Signer>, url: &str) -> Result<()> {
    let trust = if let Some(signer) = signer {
        let public = output_of(signer.gpg().args(["--armor", "--export", &signer.key]))?;
        std::fs::write(folder.join(PUBLIC_KEY), public)?;
        format!("Signed-By: /etc/apt/keyrings/{PUBLIC_KEY}")
    } else {
        "Trusted: yes".to_owned()
    };
    let text = format!(
        "# /etc/apt/sources.list.d/{SOURCES}\nTypes: deb\nURIs: {url}\nSuites: stable\n\
         Components: main\n{trust}\n"
    );
    Ok(std::fs::write(folder.join(SOURCES), text)?)
}

/// The repository in `folder` as apt is told of it in one line, where it can be read as a folder.
pub(super) fn source_line(folder: &Path) -> String {
    let key = folder.join(PUBLIC_KEY);
    format!(
        "deb [signed-by={}] file://{} stable main",
        key.display(),
        folder.display()
    )
}

/// Its paths are relative to the repository, as apt reads them.
fn apt_ftparchive(folder: &Path) -> Command {
    let mut command = program("apt-ftparchive");
    command.current_dir(folder).env("LC_ALL", "C.UTF-8");
    command
}

/// Who signs: a key of the caller's, or one that was made for a test.
#[derive(Debug)]
pub(super) struct Signer {
    /// As gpg's option `--local-user` names it.
    key: String,
    /// A keyring that goes with this value.
    made: Option<PathBuf>,
}

impl Signer {
    /// A key of the caller's.
    pub(super) fn named(key: String) -> Self {
        Self { key, made: None }
    }

    /// A new key that nobody keeps.
    pub(super) fn for_test() -> Result<Self> {
        // Not below the checkout: the agent's socket wants a short path.
        let keyring = std::env::temp_dir().join(format!("cheeseshop-key-{}", std::process::id()));
        // That of a check that was killed, and had our number.
        let _ = std::fs::remove_dir_all(&keyring);
        std::fs::create_dir(&keyring).with_context(|| keyring.display().to_string())?;
        let signer = Self {
            key: "archive@packages.test".to_owned(),
            made: Some(keyring.clone()),
        };
        shell::run(program("chmod").arg("700").arg(&keyring))?;
        shell::run(
            signer
                .gpg()
                .args(["--passphrase", "", "--quick-generate-key"])
                .args([&signer.key, "ed25519", "sign", "never"]),
        )?;
        Ok(signer)
    }

    fn gpg(&self) -> Command {
        let mut command = program("gpg");
        command.arg("--quiet");
        if let Some(keyring) = &self.made {
            command.args(["--batch", "--homedir"]).arg(keyring);
        }
        command
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        if let Some(keyring) = &self.made {
            let _ = succeeds(
                program("gpgconf")
                    .arg("--homedir")
                    .arg(keyring)
                    .args(["--kill", "gpg-agent"]),
            );
            let _ = std::fs::remove_dir_all(keyring);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_published_once() {
        let folder =
            std::env::temp_dir().join(format!("cheeseshop-archive-{}", std::process::id()));
        std::fs::create_dir_all(folder.join(POOL)).unwrap();
        let package = folder.join("cheeseshop_1.0_riscv64.deb");
        std::fs::write(&package, "one").unwrap();
        let first = add(&folder, &package);
        let again = add(&folder, &package);
        std::fs::write(&package, "other").unwrap();
        let other = add(&folder, &package);
        let kept = std::fs::read_to_string(folder.join(POOL).join("cheeseshop_1.0_riscv64.deb"));
        std::fs::write(folder.join(POOL).join("cheeseshop-devpi_1.0_all.deb"), "").unwrap();
        std::fs::write(folder.join(POOL).join("x_2.0_m68k.unfinished"), "").unwrap();
        let architectures = architectures(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(first.is_ok() && again.is_ok());
        let message = other.unwrap_err().to_string();
        assert!(message.contains("with other contents"), "{message}");
        assert_eq!(kept.unwrap(), "one");
        // What was not finished is no package, and `all` is no machine.
        assert_eq!(
            architectures.unwrap(),
            BTreeSet::from(["riscv64".to_owned()])
        );
    }
}
