//! `cheeseshop import`: takes in what another server holds.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cheeseshop_app::import::{ImportOptions, Progress, Report, Source};
use cheeseshop_devpi_data::export_directory::ExportDirectory;
use cheeseshop_devpi_data::postgresql;
use cheeseshop_devpi_data::server_directory::ServerDirectory;
use cheeseshop_storage::{BlobConfig, DatabaseConfig, Taking};
use tempfile::TempDir;

use super::follow;
use super::moving::{self, Told};
use crate::cli::{ImportArgs, SettingArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::node::{Node, existing};
use crate::{logging, output};

/// Lies in the data directory while an import has begun and not ended.
const UNFINISHED: &str = "import-unfinished";

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImportRequest {
    /// How.
    pub(crate) options: ImportOptions,
    /// Where all that became of everything goes.
    pub(crate) report: Option<PathBuf>,
}

/// Takes in an export or the directory of a stopped devpi-server.
pub(crate) async fn run(settings: &SettingArgs, arguments: &ImportArgs) -> Result<(), Failure> {
    if let Some(url) = &arguments.follow.url {
        return Box::pin(follow::run(settings, arguments, url)).await;
    }
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    let source = open(arguments.source.as_deref().unwrap_or(Path::new("."))).await?;
    let request = ImportRequest {
        options: ImportOptions {
            taking: taking(arguments.hard_links),
            dry_run: arguments.dry_run,
            skipped_index_types: arguments.skip_index_type.clone(),
            skipped_indexes: arguments.skip_index.clone(),
            ..ImportOptions::default()
        },
        report: arguments.report.clone(),
    };
    let (config, _nowhere) = if arguments.dry_run {
        rehearsal(config)?
    } else {
        (config, None)
    };
    let node = Node::open_exclusively(&config, "cheeseshop import").await?;
    let result = Box::pin(take_in(&node, &*source, request)).await;
    // After the import: if that brought a root there is nothing to make, nor a password to tell.
    let announced = if arguments.dry_run {
        Ok(false)
    } else {
        node.announce_first_start().await
    };
    node.close().await;
    result.and(announced.map(drop))
}

/// The settings of a dry run: it changes no database, and where there is no installation yet it looks at an empty
/// one, wherever the settings would have it. That lives as long as the directory that comes with them.
fn rehearsal(mut config: Config) -> Result<(Config, Option<TempDir>), Failure> {
    if existing(&config).is_ok() {
        config.database.migrate = false;
        return Ok((config, None));
    }
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::caused_by("there is no place for a dry run", &error))?;
    config.data_dir = folder.path().join("data");
    config.database = DatabaseConfig::sqlite(&folder.path().join("database"));
    config.blobs = BlobConfig::local(folder.path().join("blobs"));
    Ok((config, Some(folder)))
}

/// How files get into the store.
pub(crate) fn taking(hard_links: bool) -> Taking {
    if hard_links {
        Taking::Link
    } else {
        Taking::Copy
    }
}

/// Opens what a directory holds: an export, or a devpi-server's own data. The address of a
/// database is taken for a directory of it.
pub(crate) async fn open(path: &Path) -> Result<Arc<dyn Source>, Failure> {
    if let Some(url) = path.to_str().filter(|path| postgresql::is_url(path)) {
        return postgresql::open(&url.into())
            .await
            .map_err(|error| Failure::caused_by("nothing was imported", &error));
    }
    if ServerDirectory::looks_like_one(path) {
        return ServerDirectory::open(path)
            .and_then(ServerDirectory::into_source)
            .map_err(|error| Failure::caused_by("nothing was imported", &error));
    }
    if !ExportDirectory::is_one(path) {
        return Err(Failure::could_not_try(format!(
            "{} is neither an export of a devpi-server nor its directory",
            path.display()
        ))
        .with_hint("an export has a `dataindex.json`, a server's directory a `.serverversion`"));
    }
    let opened = ExportDirectory::open(path).await;
    let export = opened.map_err(|error| Failure::caused_by("nothing was imported", &error))?;
    Ok(Arc::new(export))
}

/// Whether an import into this directory was begun and has not come to its end.
pub(crate) fn is_unfinished(node: &Node) -> bool {
    node.directory.path().join(UNFINISHED).exists()
}

/// Marks durably that an import of this has begun: wherever it is cut off, it can go on.
pub(crate) fn mark_unfinished(node: &Node, what: &str) -> Result<(), Failure> {
    let directory = node.directory.path();
    let mark = directory.join(UNFINISHED);
    let written = File::create(&mark).and_then(|mut file| {
        writeln!(file, "{what}")?;
        file.sync_all()?;
        File::open(directory)?.sync_all()
    });
    written.map_err(|error| {
        Failure::could_not_try(format!("{} cannot be written: {error}", mark.display()))
    })
}

/// Takes the mark away again.
pub(crate) fn unmark(node: &Node) {
    // Left behind it would only let another import begin where data is.
    let _ = fs::remove_file(node.directory.path().join(UNFINISHED));
}

/// Takes in all that a source holds, shows how far it is, and tells what became of everything.
pub(crate) async fn take_in(
    node: &Node,
    source: &dyn Source,
    request: ImportRequest,
) -> Result<(), Failure> {
    let what = source.describe();
    output::talk(&format!("reading {what}"));
    let dry_run = request.options.dry_run;
    if !dry_run {
        mark_unfinished(node, &what)?;
    }
    let (report, progress) = (Report::new(), Progress::new());
    let work = node.app.import(source, request.options, &report, &progress);
    let result = moving::watched(&progress, work).await;
    let told = Told {
        what: &what,
        dry_run,
        finished: result.is_ok(),
        file: request.report.as_deref(),
    };
    let told = moving::tell(&report.outcome(), told);
    if let Err(error) = result {
        return Err(
            Failure::caused_by("the import did not come to its end", &error)
                .with_hint("what is told as kept is kept; the same command goes on from there"),
        );
    }
    if !dry_run {
        unmark(node);
    }
    told
}
