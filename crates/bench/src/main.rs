//! Measures the built server side by side with its peers: nginx with the same bytes as static
//! files (what the machine can do at best), devpi-server and peryx.
//!
//! `cargo xtask bench` builds and installs everything and starts this program; what the
//! workloads are and what is honest about them stands in `docs/benchmarks.md`.
//!
//! Everything runs on loopback, in a directory of its own, with counts and times bounded by
//! [`plan`]. [`world`] is the fake PyPI that all mirrors ask, [`servers`] starts the contestants,
//! [`workloads`] has one module a workload, [`load`] makes the load, [`report`] judges and
//! prints.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod cli;
mod devpi_api;
mod form;
mod http;
mod load;
mod machine;
mod output;
mod plan;
mod process;
mod report;
mod servers;
mod workloads;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match workloads::run(&cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
