//! `devpi-fsck`: `cheeseshop fsck`, with digests unless told otherwise.

use cheeseshop_app::consistency::Thoroughness;

use super::directory;
use super::reading::Options;
use super::stop::Stop;
use crate::cli::SettingArgs;
use crate::commands::fsck;
use crate::config::Config;
use crate::logging;
use crate::node::Node;

/// Checks, and prints what is wrong.
pub(super) async fn run(options: &Options, settings: &SettingArgs) -> Result<(), Stop> {
    let config = Config::load(settings, &[])?;
    directory::must_hold_data(&config)?;
    logging::start(&config.log)?;
    let node = Node::open_existing(&config).await?;
    let thoroughness = if options.flag("no-checksum") {
        Thoroughness::Presence
    } else {
        Thoroughness::Digests
    };
    let result = fsck::check(&node, thoroughness).await;
    node.close().await;
    Ok(result?)
}
