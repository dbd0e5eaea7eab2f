//! `cheeseshop init`: everything that `serve` would make, without serving.

use crate::cli::SettingArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output};

/// Makes what is missing and says what there is.
pub(crate) async fn run(settings: &SettingArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    let node = Node::open_exclusively(&config, "cheeseshop init").await?;
    if !node.announce_first_start().await? {
        output::talk("nothing to do: the user `root` is there already");
    }
    output::talk(&format!(
        "data directory: {}",
        node.directory.path().display()
    ));
    node.close().await;
    Ok(())
}
