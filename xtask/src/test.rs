//! `cargo xtask test`: from a bare Debian with Rust to the test runner's summary.

use anyhow::Result;
use clap::Args;

use crate::shell::{self, cargo, say, step};
use crate::{container, deb, helm, lint, machine, puppet, wheel};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Run the tests only, without looking at format, clippy and licences.
    #[arg(long)]
    no_lint: bool,

    /// Leave out the Debian packages and the Puppet module, which take a Debian, root, and some minutes.
    #[arg(long)]
    no_deb: bool,

    /// Leave out the container, which takes root and one more build.
    #[arg(long)]
    no_container: bool,

    /// Handed to the test runner: names, filters, options.
    #[arg(last = true)]
    runner: Vec<String>,
}

/// Prepares the machine, checks the sources, runs the tests. The runner's summary is the last
/// thing printed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    step("what the tests need", || {
        machine::ensure(machine::FOR_TESTS)?;
        if arguments.no_deb {
            return Ok(());
        }
        machine::ensure(machine::FOR_DEB_CHECK)
    })?;
    if !arguments.no_lint {
        lint::run(&lint::Arguments {})?;
    }
    let nextest = machine::ensure_cargo_tool(machine::NEXTEST);
    if !nextest {
        say("running the tests with `cargo test` instead of nextest");
    }
    let runner: &[&str] = if nextest {
        &["nextest", "run"]
    } else {
        &["test"]
    };
    step("building the tests", || {
        // Apart from the run, so that a slow build and a slow test are told apart.
        shell::run(
            cargo()
                .args(runner)
                .args(["--workspace", "--locked", "--no-run"]),
        )
    })?;
    step("a wheel that installs", wheel::check)?;
    // The program that the tests use, which the line above has built.
    let program = shell::target_directory().join("debug/cheeseshop");
    step("the Helm chart", || helm::check(&program))?;
    if arguments.no_deb {
        say("leaving out the Debian packages and the Puppet module, as --no-deb says");
    } else {
        deb::check(&program)?;
        puppet::check(&program)?;
    }
    if arguments.no_container {
        say("leaving out the container, as --no-container says");
    } else {
        step("a container that runs", container::check)?;
    }
    shell::run(
        cargo()
            .args(runner)
            .args(["--workspace", "--locked"])
            .args(&arguments.runner),
    )
}
