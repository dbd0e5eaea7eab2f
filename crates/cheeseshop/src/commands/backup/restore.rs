//! `cheeseshop backup restore`.

use std::path::Path;

use cheeseshop_storage::BlobConfig;
use cheeseshop_storage::backup::{self, Destination, Owner, Progress, RestoreOptions, Restored};
use rustix::fs::Mode;
use serde_json::json;

use super::arguments::RestoreArgs;
use super::progress::watched;
use super::{Findings, trouble};
use crate::commands::moving::bytes;
use crate::config::Config;
use crate::data_directory::DataDirectory;
use crate::failure::Failure;
use crate::output;

/// Restores a backup and says what is there now.
pub(super) async fn run(config: &Config, arguments: &RestoreArgs) -> Result<(), Failure> {
    let backup = backup::newest(&arguments.backup)
        .map_err(|error| trouble::failure("nothing was restored", &error))?;
    let runs_as_root = rustix::process::geteuid().is_root();
    if runs_as_root {
        // As the unit of the server has it, whatever root's shell says: its group may read files, for a web server.
        rustix::process::umask(Mode::WGRP | Mode::RWXO);
    }
    let was_there = config.data_dir.exists();
    let directory = DataDirectory::open_or_create(&config.data_dir)?;
    let owner = Owner::of(directory.path()).map_err(|error| not_given(&config.data_dir, &error))?;
    let store = config.blobs.directory();
    // A spool that was there is nobody's to give away; it may be any directory.
    let is_ours = matches!(config.blobs, BlobConfig::Local { .. }) || !store.exists();
    let lock = directory.lock("cheeseshop backup restore")?;
    let options = RestoreOptions {
        share: arguments.hard_links,
        accept_damage: arguments.accept_damage,
    };
    let destination = Destination {
        data_directory: directory.path(),
        database: &config.database,
        blobs: &config.blobs,
        owner,
    };
    let progress = Progress::new();
    let mut findings = Findings::new(arguments.json);
    let mut tell = |damage| findings.add(&damage);
    let work = backup::restore(backup, destination, options, &mut tell, &progress);
    let restored = watched(&progress, Box::pin(work)).await;
    // Root restores for the user of the server, who may also go on with what was interrupted.
    let given = give(owner, directory.path()).and_then(|()| {
        if is_ours && store.exists() {
            give(owner, &store)
        } else {
            Ok(())
        }
    });
    let restored = restored.map_err(|error| trouble::while_restoring(&error))?;
    given?;
    let found = findings.finish();
    drop(lock);
    if runs_as_root && !was_there {
        output::talk(&format!(
            "{} was not there and belongs to root now: a server of another user needs `chown -R` first",
            directory.path().display()
        ));
    }
    tell_all(config, arguments.json, &restored, &found);
    if restored.finished {
        return Ok(());
    }
    Err(Failure::answer_is_no(format!(
        "the backup does not have {} of its blobs as it should, and the database was not put in place",
        restored.damaged
    ))
    .with_hint(
        "bring the missing blobs from another backup to their place in this one and start the restore \
         again, or give --accept-damage: `cheeseshop fsck` names the files then",
    ))
}

fn give(owner: Owner, path: &Path) -> Result<(), Failure> {
    let given = owner.take_below(path);
    given.map_err(|error| not_given(path, &error))
}

fn not_given(path: &Path, error: &std::io::Error) -> Failure {
    Failure::could_not_try(format!(
        "what was restored to {} cannot be given to the owner of the data directory: {error}",
        path.display()
    ))
}

fn tell_all(config: &Config, is_json: bool, restored: &Restored, found: &[serde_json::Value]) {
    let manifest = &restored.backup.manifest;
    let path = restored.backup.path.display().to_string();
    let data_directory = config.data_dir.display().to_string();
    if is_json {
        let document = json!({
            "path": path,
            "data_dir": data_directory,
            "finished": restored.finished,
            "serial": manifest.serial,
            "head_hash": manifest.head_hash,
            "blobs": restored.blobs,
            "bytes": restored.bytes,
            "missing": restored.missing,
            "damaged": restored.damaged,
            "problems": found,
        });
        output::data(&format!("{document:#}"));
        return;
    }
    if restored.finished {
        output::data(&format!(
            "restored {path} to {data_directory}: serial {} with hash {}, {} blobs with {}",
            manifest.serial,
            manifest.head_hash,
            restored.blobs,
            bytes(restored.bytes)
        ));
    }
    if restored.missing > 0 {
        output::talk(&format!(
            "{} blobs were missing in the store already when the backup was made",
            restored.missing
        ));
    }
}
