//! Exports: read, with all that can be wrong with them, and written.

mod bad;
mod follow;
mod import;
mod old;
mod tree;
mod write;

use cheeseshop_app::import::{ImportOptions, Kind, Note, Outcome};
use cheeseshop_devpi_data::export_directory::ExportDirectory;

use self::tree::Tree;
use crate::here::Here;

/// Imports an export with the usual options.
async fn import(here: &Here, tree: &Tree) -> Outcome {
    import_with(here, tree, ImportOptions::default()).await
}

async fn import_with(here: &Here, tree: &Tree, options: ImportOptions) -> Outcome {
    tree.write();
    let export = ExportDirectory::open(tree.path()).await.unwrap();
    here.import(&export, options).await
}

/// How many were kept of a kind.
fn kept(outcome: &Outcome, kind: Kind) -> u64 {
    outcome.kept.get(&kind).copied().unwrap_or(0)
}

/// Items with their reasons.
fn told(notes: &[Note]) -> Vec<(&str, &str)> {
    notes
        .iter()
        .map(|note| (note.item.as_str(), note.reason.as_str()))
        .collect()
}
