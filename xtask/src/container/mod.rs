//! `cargo xtask container`: the program as one static file, and what the image makes of it.
//!
//! Engines are not everywhere. [`check`] makes the tree of the image by the script that the
//! Containerfile runs, and starts the program in it under the conditions of the Containerfile.

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
        Some(file) => run_tree(file),
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

/// Builds as quickly as possible, and runs the image's tree.
pub(crate) fn check() -> Result<()> {
    build(&["--profile", "static"])?;
    run_tree(&built())
}

/// Makes the tree of the image and runs the program in it.
fn run_tree(file: &Path) -> Result<()> {
    machine::ensure(machine::FOR_TESTS)?;
    is_static(file)?;
    let root = target_directory().join("container/root");
    if root.exists() {
        std::fs::remove_dir_all(&root)?;
    }
    shell::run(program("deploy/container/root.sh").arg(file).arg(&root))?;
    let root = root.canonicalize()?;
    let script = workspace_root().join("xtask/src/container/check.py");
    // What is mounted and listens in there is gone with it.
    shell::run(
        program("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "python3"])
            .arg(script)
            .arg(&root),
    )?;
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
