//! `cargo xtask lint`: everything that can be said of the sources without running them,
//! the cheapest first.

use anyhow::{Result, bail};
use clap::Args;

use crate::shell::{self, cargo, step};
use crate::{machine, repository};

#[derive(Debug, Args)]
pub(crate) struct Arguments {}

/// Checks the sources.
pub(crate) fn run(_: &Arguments) -> Result<()> {
    step("committed files", repository::check)?;
    step("format", || {
        shell::run(cargo().args(["fmt", "--all", "--check"]))
    })?;
    step("clippy", || {
        // One feature set for the whole workspace, so that nothing is built twice.
        shell::run(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("licences, bans and sources", deny)
}

fn deny() -> Result<()> {
    if !machine::ensure_cargo_tool(machine::DENY) {
        bail!("`cargo deny` is missing: install it with `cargo install cargo-deny --locked`");
    }
    // A build fetches what this machine's target needs; the licences of all targets are looked at.
    shell::run(cargo().args(["fetch", "--locked", "--quiet"]))?;
    // The advisory database is a git repository, which builders behind a registry proxy do not
    // reach; the other checks need no network.
    shell::run(cargo().args([
        "deny",
        "--offline",
        "--log-level",
        "error",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}
