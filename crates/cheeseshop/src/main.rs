//! The `cheeseshop` program: reads arguments and settings, wires the crates together, runs, and
//! says with its exit code how it went (0 done, 1 the answer is no, 2 could not try).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod cli;
mod clock;
mod commands;
mod config;
mod data_directory;
mod failure;
mod lifecycle;
mod limits;
mod listeners;
mod logging;
mod node;
mod output;
mod server;
mod systemd;
mod upstream;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, DevpiServerCli};
use crate::failure::Failure;

/// Half the time of a cold page goes into small allocations; this one is made for many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whom the program is started as decides which commands it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Personality {
    /// Our own commands.
    Cheeseshop,
    /// The server alone, with devpi's defaults where they differ.
    DevpiServer,
}

impl Personality {
    /// Chooses by the name that the program was started under.
    ///
    /// `devpi` and the companions of `devpi-server` will be recognised here and take devpi's
    /// options; a renamed or unknown name is ours.
    fn of(program: Option<&OsString>) -> Self {
        let name = program
            .and_then(|path| Path::new(path).file_stem())
            .and_then(|name| name.to_str());
        match name {
            Some("devpi-server") => Self::DevpiServer,
            None | Some(_) => Self::Cheeseshop,
        }
    }
}

fn main() -> ExitCode {
    // With more than one provider in the build rustls refuses to choose; the first to be
    // installed stays. It fails only when there is one already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let result = match Personality::of(std::env::args_os().next().as_ref()) {
        Personality::Cheeseshop => run(Cli::parse()),
        Personality::DevpiServer => run(DevpiServerCli::parse().into()),
    };
    // What went wrong comes after what led to it.
    logging::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused_by("cannot start threads", &error))?;
    let result = runtime.block_on(commands::run(cli));
    // Work that does not end by itself (a name look-up, a download nobody waits for) is left behind.
    runtime.shutdown_background();
    result
}
