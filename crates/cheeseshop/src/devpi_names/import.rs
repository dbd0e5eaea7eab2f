//! `devpi-import`: `cheeseshop import` into a directory that holds nothing yet.

use std::path::Path;

use cheeseshop_app::auth::FirstStart;
use cheeseshop_app::import::ImportOptions;

use super::directory;
use super::init;
use super::reading::Options;
use super::stop::Stop;
use crate::cli::SettingArgs;
use crate::commands::import::{self, ImportRequest};
use crate::config::Config;
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output};

/// The words by which tools know that it is done.
const FINISHED: &str = "********* import_all: importing finished ***********";

/// Makes the directory as `devpi-init` does and takes in an export, or the directory of a stopped
/// devpi-server. One that was cut off goes on where it was.
pub(super) async fn run(options: &Options, settings: &SettingArgs) -> Result<(), Stop> {
    let config = Config::load(settings, &[])?;
    directory::must_not_be_devpis(&config)?;
    logging::start(&config.log)?;
    let source = import::open(Path::new(options.positional.as_deref().unwrap_or_default())).await?;
    let node = Node::open_exclusively(&config, "devpi-import").await?;
    let resumes = import::is_unfinished(&node);
    let first = match begin(options, &node, &source.describe()).await {
        Ok(first) => first,
        Err(failure) => {
            node.close().await;
            return Err(failure.into());
        }
    };
    if first == FirstStart::AlreadyThere && !resumes {
        node.close().await;
        return Err(directory::with_data(&config.data_dir));
    }
    let request = ImportRequest {
        options: how(options),
        report: None,
    };
    let result = Box::pin(import::take_in(&node, &*source, request)).await;
    let is_finished = !import::is_unfinished(&node);
    node.close().await;
    if is_finished {
        output::data(FINISHED);
    }
    Ok(result?)
}

/// Makes a root, whose place that of the export takes. The mark comes first: a directory with a
/// root and without the mark is one that holds data.
async fn begin(options: &Options, node: &Node, what: &str) -> Result<FirstStart, Failure> {
    let is_new = !node.is_initialised();
    if is_new {
        import::mark_unfinished(node, what)?;
    }
    let made = init::make_root(options, node).await;
    if is_new && made.is_err() {
        import::unmark(node);
    }
    made
}

fn how(options: &Options) -> ImportOptions {
    let skipped_types = options.text("skip-import-type").unwrap_or_default();
    let skipped_index = options.flag("no-root-pypi").then(|| "root/pypi".to_owned());
    ImportOptions {
        taking: import::taking(options.flag("hard-links")),
        skipped_index_types: skipped_types
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        skipped_indexes: skipped_index.into_iter().collect(),
        ..ImportOptions::default()
    }
}
