//! `cheeseshop export`: writes all that this server holds in the form that devpi-server imports.

use std::path::{Path, PathBuf};

use cheeseshop_app::import::{Progress, Report};
use cheeseshop_devpi_data::export_directory::{ExportError, ExportOptions, write_export};

use super::moving::{self, Told};
use crate::cli::{ExportArgs, SettingArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output};

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExportRequest {
    /// With the files that mirrors hold.
    pub(crate) mirrored_files: bool,
    /// Files are shared where that is possible.
    pub(crate) hard_links: bool,
    /// Where all that became of everything goes.
    pub(crate) report: Option<PathBuf>,
}

/// Works beside a running server; what is changed meanwhile may be in the export or not.
pub(crate) async fn run(settings: &SettingArgs, arguments: &ExportArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    let node = Node::open_existing(&config).await?;
    let request = ExportRequest {
        mirrored_files: arguments.include_mirrored_files,
        hard_links: arguments.hard_links,
        report: arguments.report.clone(),
    };
    let result = write(&node, &arguments.directory, request).await;
    node.close().await;
    result
}

/// Writes an export, shows how far it is, and tells what became of everything.
pub(crate) async fn write(
    node: &Node,
    directory: &Path,
    request: ExportRequest,
) -> Result<(), Failure> {
    let (report, progress) = (Report::new(), Progress::new());
    let options = ExportOptions {
        hard_links: request.hard_links,
    };
    let data = node.app.data(request.mirrored_files);
    let work = write_export(&data, directory, options, &report, &progress);
    let result = moving::watched(&progress, work).await;
    if let Err(error @ ExportError::NotEmpty(_)) = &result {
        return Err(Failure::could_not_try(error.to_string()));
    }
    let what = format!("the export {}", directory.display());
    let told = moving::tell(
        &report.outcome(),
        Told {
            what: &what,
            dry_run: false,
            finished: result.is_ok(),
            file: request.report.as_deref(),
        },
    );
    result.map_err(|error| {
        Failure::caused_by("the export did not come to its end", &error)
            .with_hint("remove what was written, and try again")
    })?;
    output::talk(&format!("written to {}", directory.display()));
    told
}
