//! `cheeseshop backup list` and `prune`.

use cheeseshop_domain::Clock as _;
use cheeseshop_storage::backup::{self, Backup};
use serde_json::{Value, json};

use super::arguments::{ListArgs, PruneArgs};
use super::{directory, keep, trouble};
use crate::clock::SystemClock;
use crate::commands::moving::bytes;
use crate::config::Config;
use crate::failure::Failure;
use crate::output;

/// Lists what is there.
pub(super) fn run(config: &Config, arguments: &ListArgs) -> Result<(), Failure> {
    let directory = directory(&config.backup, arguments.directory.as_ref())?;
    let backups = backup::list(&directory)
        .map_err(|error| trouble::failure("backups cannot be listed", &error))?;
    if arguments.json {
        output::data(&format!("{:#}", documents(&backups)));
        return Ok(());
    }
    for backup in &backups {
        let manifest = &backup.manifest;
        let blobs = &manifest.blobs;
        let place = if blobs.included {
            bytes(blobs.bytes)
        } else {
            "not included".to_owned()
        };
        output::data(&format!(
            "{}  serial {}  {} blobs ({place}, {} new)  cheeseshop {}",
            backup.path.display(),
            manifest.serial,
            blobs.count,
            blobs.new,
            manifest.cheeseshop
        ));
    }
    if backups.is_empty() {
        output::talk(&format!("no backup in {}", directory.display()));
    }
    Ok(())
}

/// Removes what need not be kept.
pub(super) fn prune(config: &Config, arguments: &PruneArgs) -> Result<(), Failure> {
    let directory = directory(&config.backup, arguments.directory.as_ref())?;
    let keep = keep(&config.backup, &arguments.keep);
    if keep.is_everything() {
        return Err(Failure::could_not_try("nothing says which backups to keep")
            .with_hint("give --keep or --keep-days, or set `backup.keep` or `backup.keep_days`"));
    }
    if !directory.is_dir() {
        return Err(Failure::could_not_try(format!(
            "there is no directory {}",
            directory.display()
        )));
    }
    let pruned = backup::prune(&directory, keep, SystemClock.now(), arguments.dry_run)
        .map_err(|error| trouble::failure("backups cannot be removed", &error))?;
    if arguments.json {
        let document = json!({
            "dry_run": arguments.dry_run,
            "removed": documents(&pruned.removed),
            "kept": documents(&pruned.kept),
        });
        output::data(&format!("{document:#}"));
        return Ok(());
    }
    let verb = if arguments.dry_run {
        "would remove"
    } else {
        "removed"
    };
    for backup in &pruned.removed {
        output::data(&format!("{verb} {}", backup.path.display()));
    }
    output::talk(&format!(
        "{} {verb}, {} kept",
        pruned.removed.len(),
        pruned.kept.len()
    ));
    Ok(())
}

fn documents(backups: &[Backup]) -> Value {
    backups
        .iter()
        .map(|backup| json!({"path": backup.path.display().to_string(), "manifest": backup.manifest}))
        .collect()
}
