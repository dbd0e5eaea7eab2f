//! `devpi-clear-search-index`: there is none to clear.

use super::directory;
use super::reading::Options;
use super::stop::Stop;
use crate::cli::SettingArgs;
use crate::config::Config;
use crate::output;

/// Says that everything is as after clearing, on a directory that has data.
pub(super) async fn run(_: &Options, settings: &SettingArgs) -> Result<(), Stop> {
    let config = Config::load(settings, &[])?;
    directory::must_hold_data(&config)?;
    output::data("nothing to clear: no search index is kept beside the data");
    Ok(())
}
