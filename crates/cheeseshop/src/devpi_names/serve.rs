//! `devpi-server`: `cheeseshop serve` on a directory that was initialised before.

use super::program::Program;
use super::reading::Options;
use super::stop::Stop;
use super::{directory, translate};
use crate::cli::SettingArgs;
use crate::commands::serve::Server;
use crate::config::{Config, Surroundings};
use crate::logging;

/// Serves until a signal.
pub(super) async fn run(_: &Options, settings: &SettingArgs) -> Result<(), Stop> {
    let config = Config::load(settings, &[])?;
    directory::must_hold_data(&config)?;
    logging::start(&config.log)?;
    let server = Server::open(config, "devpi-server").await?;
    if !server.node().is_initialised() {
        let path = server.config().data_dir.clone();
        server.close().await;
        return Err(directory::without_data(&path));
    }
    // Tools wait for these words.
    let lines: Vec<String> = server
        .urls()
        .iter()
        .map(|url| format!("serving at url: {url}"))
        .collect();
    let again = || read_again().map_err(Stop::into_failure);
    server.serve(&lines, Box::new(again)).await?;
    Ok(())
}

/// The settings of this process once more: command line, environment and devpi's file.
fn read_again() -> Result<Config, Stop> {
    let surroundings = Surroundings::of_this_process();
    let options = Options::read(Program::Server, std::env::args_os().skip(1), surroundings)?;
    let (settings, _) = translate::settings(&options)?;
    Ok(Config::load(&settings, &[])?)
}
