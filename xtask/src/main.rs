//! The project's own commands: `cargo xtask test`, `cargo xtask lint`, `cargo xtask bench`,
//! `cargo xtask wheel`, `cargo xtask deb`, `cargo xtask puppet`,
//! `cargo xtask container`, `cargo xtask helm`.
//!
//! One module a command, beside what they share: [`shell`] runs programs, [`machine`] installs
//! what a bare Debian lacks, [`python`] what comes from PyPI, [`repository`] looks at the committed files.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod bench;
mod container;
mod deb;
mod helm;
mod lint;
mod machine;
mod puppet;
mod python;
mod repository;
mod shell;
mod test;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need, check the sources, run every test.
    Test(test::Arguments),
    /// Check the sources: format, clippy, licences and bans, what must not be committed.
    Lint(lint::Arguments),
    /// Build the wheel for `pipx install` and `uv tool install`.
    Wheel(wheel::Arguments),
    /// Build the Debian packages.
    Deb(deb::Arguments),
    /// Build the static program for the container, or check the container's tree and image.
    Container(container::Arguments),
    /// Check the Helm chart: lint, render, hold against the schemas of Kubernetes, act a release out.
    Helm(helm::Arguments),
    /// Write what the Puppet module has from elsewhere, or check it on a clean Debian.
    Puppet(puppet::Arguments),
    /// Measure the built server side by side with its peers.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Wheel(arguments) => wheel::run(&arguments),
        Command::Deb(arguments) => deb::run(&arguments),
        Command::Container(arguments) => container::run(&arguments),
        Command::Helm(arguments) => helm::run(&arguments),
        Command::Puppet(arguments) => puppet::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
