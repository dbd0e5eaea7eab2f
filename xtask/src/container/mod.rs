//! `cargo xtask container`: the program as one static file, and what the image makes of it.
//!
//! [`check`] makes the tree of the image by the script that the Containerfile runs, and starts the program in it
//! under the conditions of the Containerfile. Then buildah builds the image, and podman runs it as an operator
//! does; both work as root without systemd, without a registry and without a network, but for two things. The
//! first stage begins with an image that stands for Rust's (`engine.py`), whose cargo has the program ready. And
//! podman sets no cgroups: `--cgroups=disabled`, since a machine of CI may have them in hybrid form, or withhold
//! the right to raise limits (`CAP_SYS_RESOURCE`), which crun needs for them. So limits of memory are not tried.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::machine;
use crate::shell::{self, cargo, program, say, target_directory, workspace_root};

/// The kind of program header that names a loader, in ELF.
const PT_INTERP: u32 = 3;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Build without optimisation and run it as the image does.
    #[arg(long)]
    check: bool,

    /// With --check, try this static program and build none.
    #[arg(long, value_name = "FILE", requires = "check")]
    program: Option<PathBuf>,
}

/// Builds the static program and says where it is.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.program {
        Some(file) => try_out(file),
        None if arguments.check => check(),
        None => {
            build(&["--release"])?;
            is_static(&built())?;
            say(&format!("built {}", built().display()));
            Ok(())
        }
    }
}

fn built() -> PathBuf {
    workspace_root().join("target/container/cheeseshop")
}

fn build(profile: &[&str]) -> Result<()> {
    shell::run(
        program("deploy/container/static.sh")
            .args(profile)
            .env("CARGO", cargo().get_program()),
    )
}

/// Builds as quickly as possible, and runs tree and image.
pub(crate) fn check() -> Result<()> {
    build(&["--profile", "static"])?;
    try_out(&built())
}

fn try_out(file: &Path) -> Result<()> {
    machine::ensure(machine::FOR_TESTS)?;
    machine::ensure(machine::FOR_CONTAINER)?;
    is_static(file)?;
    run_tree(file)?;
    run_image(file)
}

/// An empty directory below `target/container`.
fn empty(name: &str) -> Result<PathBuf> {
    let folder = target_directory().join("container").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder.canonicalize()?)
}

/// Runs a script of ours in namespaces: what is mounted and listens in there is gone with it.
fn inside(script: &str, arguments: &[&Path]) -> Result<()> {
    let script = workspace_root().join("xtask/src/container").join(script);
    shell::run(
        program("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "python3"])
            .arg(script)
            .args(arguments),
    )
}

/// Builds the image by the Containerfile, and runs it.
fn run_image(file: &Path) -> Result<()> {
    let folder = empty("engine")?;
    inside("engine.py", &[file, &folder])?;
    std::fs::remove_dir_all(folder)?;
    say("the image builds, and runs as an operator runs it");
    Ok(())
}

/// Makes the tree of the image and runs the program in it.
fn run_tree(file: &Path) -> Result<()> {
    let root = empty("root")?;
    shell::run(program("deploy/container/root.sh").arg(file).arg(&root))?;
    inside("check.py", &[&root])?;
    std::fs::remove_dir_all(root)?;
    say("the container's tree starts, serves, takes uploads and stops");
    Ok(())
}

/// Whether a program needs neither loader nor libraries.
fn is_static(file: &Path) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    ensure!(
        bytes.starts_with(b"\x7fELF\x02\x01"),
        "{} is no program for this kind of machine",
        file.display()
    );
    let number = |at: usize, length: usize| -> Result<usize> {
        let field = bytes
            .get(at..at + length)
            .context("the program is cut short")?;
        let value = field
            .iter()
            .rev()
            .fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        Ok(usize::try_from(value)?)
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for entry in 0..count {
        if number(table + entry * size, 4)? == PT_INTERP as usize {
            bail!("{} is not static: it needs a loader", file.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        let refusal = is_static(&std::env::current_exe().unwrap()).unwrap_err();
        assert!(refusal.to_string().contains("needs a loader"), "{refusal}");
        assert!(is_static(Path::new(file!())).is_err());
    }
}
