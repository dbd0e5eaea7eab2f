//! devpi-server's programs under their own names: `devpi-server`, `devpi-init` and the others.
//!
//! They take devpi's options, YAML file and environment, and turn them into settings of ours, by
//! one table ([`table::OPTIONS`]); from there on they are what `cheeseshop` is. What they say
//! where tools listen (exit codes, `fatal:`, `serving at url`) is devpi's; the rest is ours.
//!
//! The client, `devpi`, is the `client` crate's; an unknown name is `cheeseshop`.

mod addresses;
mod clear_search_index;
mod command_line;
mod config_file;
mod directory;
mod export;
mod fsck;
mod gen_config;
mod import;
mod init;
mod option;
mod passwd;
mod program;
mod reading;
#[cfg(test)]
mod reference;
mod secret;
mod serve;
mod stop;
mod storage;
mod table;
mod translate;
mod yaml;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::SettingArgs;
use crate::config::Surroundings;
use crate::output;

pub(crate) use self::program::Program;

use self::reading::Options;
use self::stop::Stop;

/// Runs a program with the arguments behind its name.
pub(crate) fn run(program: Program, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let surroundings = Surroundings::of_this_process();
    let result = Options::read(program, arguments, surroundings).and_then(|options| act(&options));
    // What went wrong comes after what led to it.
    crate::logging::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}

fn act(options: &Options) -> Result<(), Stop> {
    if options.flag("version") {
        output::talk(concat!("cheeseshop ", env!("CARGO_PKG_VERSION")));
        output::data(cheeseshop_http::DEVPI_SERVER_VERSION);
        return Ok(());
    }
    match options.program {
        // Its lines are for whoever has started it, long ago.
        Program::Server => return on_threads(options, serve::run),
        Program::Init => on_threads(options, init::run),
        Program::Passwd => on_threads(options, passwd::run),
        Program::Export => on_threads(options, export::run),
        Program::Import => on_threads(options, import::run),
        Program::GenConfig => gen_config::write(options),
        Program::GenSecret => secret::generate(options),
        Program::Fsck => on_threads(options, fsck::run),
        Program::ClearSearchIndex => on_threads(options, clear_search_index::run),
    }?;
    Ok(output::all_written()?)
}

/// Translates the options, says what there is to say about them, and runs `work`.
fn on_threads(
    options: &Options,
    work: impl AsyncFnOnce(&Options, &SettingArgs) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let (settings, lines) = translate::settings(options)?;
    for line in lines {
        output::talk(&line);
    }
    crate::on_threads(work(options, &settings))?
}
