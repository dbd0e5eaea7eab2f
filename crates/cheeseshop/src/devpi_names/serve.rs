//! `devpi-server`: `cheeseshop serve` on a directory that was initialised before.

use super::directory;
use super::reading::Options;
use super::stop::Stop;
use crate::cli::SettingArgs;
use crate::commands::serve::Server;
use crate::config::Config;
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
    server.serve(&lines).await?;
    Ok(())
}
