//! Whose data a server directory holds.

use std::path::Path;

use super::stop::Stop;
use crate::config::Config;
use crate::failure::Failure;

/// Files that devpi-server keeps at the top of its directory.
const OF_DEVPI: &[&str] = &[".serverversion", ".nodeinfo", ".sqlite"];

/// Makes sure, before anything is opened, that there is something to open. Whether it was
/// initialised to the end only the database knows ([`without_data`]).
pub(super) fn must_hold_data(config: &Config) -> Result<(), Stop> {
    must_not_be_devpis(config)?;
    match config.embedded_database() {
        Some(file) if !file.exists() => Err(without_data(&config.data_dir)),
        _ => Ok(()),
    }
}

/// Leaves a directory alone that devpi-server itself has made. Its files may lie beside ours,
/// which says that somebody wanted that.
pub(super) fn must_not_be_devpis(config: &Config) -> Result<(), Stop> {
    let path = &config.data_dir;
    let is_ours = config.embedded_database().is_some_and(Path::exists);
    let is_devpis = OF_DEVPI.iter().any(|name| path.join(name).exists());
    if is_ours || !is_devpis {
        return Ok(());
    }
    let failure = Failure::answer_is_no(format!(
        "The path '{}' already contains devpi-server data, made by devpi-server itself; \
         Cheeseshop leaves them as they are",
        path.display()
    ));
    let hint = format!(
        "stop that server and take its data over into a new directory: \
         devpi-import --serverdir NEW_DIRECTORY {}",
        path.display()
    );
    Err(failure.with_hint(hint).into())
}

/// The text that tools look for when nothing was made yet.
pub(super) fn without_data(path: &Path) -> Stop {
    Stop::fatal(format!(
        "The path '{}' contains no devpi-server data, use devpi-init to initialize.",
        path.display()
    ))
}

/// The text for a second `devpi-init`.
pub(super) fn with_data(path: &Path) -> Stop {
    Stop::fatal(format!(
        "The path '{}' already contains devpi-server data.",
        path.display()
    ))
}
