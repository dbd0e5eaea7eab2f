//! The `cheeseshop` program: reads arguments and settings, wires the crates together, runs, and
//! says with its exit code how it went (0 done, 1 the answer is no, 2 could not try).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod backup_watch;
mod cli;
mod clock;
mod commands;
mod config;
mod data_directory;
mod devpi_names;
mod failure;
mod lifecycle;
mod limits;
mod listeners;
mod logging;
mod node;
mod output;
mod reach;
mod reload;
mod root_password;
mod server;
mod systemd;
mod theme;
mod tls;
mod upstream;
mod vitals;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use cheeseshop_client::commands as client;

use crate::cli::{Cli, Command};
use crate::devpi_names::Program;
use crate::failure::Failure;

/// Half the time of a cold page goes into small allocations; this one is made for many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // With more than one provider in the build rustls refuses to choose; the first to be
    // installed stays. It fails only when there is one already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    // A renamed or unknown program is ours.
    if let Some(program) = Program::started_as(&name) {
        return devpi_names::run(program, arguments);
    }
    if name_of(&name) == Some(commands::CLIENT_NAME) {
        return client::run_devpi(arguments);
    }
    let cli = Cli::of_this_process();
    let command = match cli.command {
        Command::Server(command) => command,
        // One thread of its own is quicker to start.
        Command::Client(command) => {
            return client::run(command, &client::GenericArgs::default());
        }
    };
    let result = on_threads(commands::run(cli.settings, command)).and_then(|result| result);
    // What went wrong comes after what led to it.
    logging::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The last part of the path that a program was started by.
fn name_of(word: &OsStr) -> Option<&str> {
    Path::new(word).file_name()?.to_str()
}

/// Runs the work of a command on the threads of this process, to its end.
fn on_threads<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<Result<T, E>, Failure> {
    listeners::note_inherited();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused_by("cannot start threads", &error))?;
    let result = runtime.block_on(async {
        let result = work.await;
        if result.is_err() {
            listeners::close_unserved();
        }
        result
    });
    // Work that does not end by itself (a name look-up, a download nobody waits for) is left behind.
    runtime.shutdown_background();
    Ok(result)
}
