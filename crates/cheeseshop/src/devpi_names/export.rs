//! `devpi-export`: `cheeseshop export`.

use std::path::Path;

use super::directory;
use super::reading::Options;
use super::stop::Stop;
use crate::cli::SettingArgs;
use crate::commands::export::{self, ExportRequest};
use crate::config::Config;
use crate::logging;
use crate::node::Node;

/// Writes everything into the directory that is named.
pub(super) async fn run(options: &Options, settings: &SettingArgs) -> Result<(), Stop> {
    let config = Config::load(settings, &[])?;
    directory::must_hold_data(&config)?;
    logging::start(&config.log)?;
    let node = Node::open_existing(&config).await?;
    let request = ExportRequest {
        mirrored_files: options.flag("include-mirrored-files"),
        hard_links: options.flag("hard-links"),
        report: None,
    };
    let target = Path::new(options.positional.as_deref().unwrap_or_default());
    let result = export::write(&node, target, request).await;
    node.close().await;
    Ok(result?)
}
