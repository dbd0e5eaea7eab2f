//! `cheeseshop backup restore`.

use cheeseshop_storage::backup::{
    self, Destination, Progress, RestoreOptions, Restored, own_below,
};
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
    let directory = DataDirectory::open_or_create(&config.data_dir)?;
    let lock = directory.lock("cheeseshop backup restore")?;
    let options = RestoreOptions {
        share: arguments.hard_links,
        accept_damage: arguments.accept_damage,
    };
    let destination = Destination {
        data_directory: directory.path(),
        database: &config.database,
        blobs: &config.blobs,
    };
    let progress = Progress::new();
    let mut findings = Findings::new(arguments.json);
    let mut tell = |damage| findings.add(&damage);
    let work = backup::restore(backup, destination, options, &mut tell, &progress);
    let restored = watched(&progress, Box::pin(work))
        .await
        .map_err(|error| trouble::failure("the restore did not come to its end", &error))?;
    let found = findings.finish();
    // Root restores for the user of the server.
    own_below(directory.path()).map_err(|error| {
        Failure::could_not_try(format!(
            "what was restored cannot be given to the owner of {}: {error}",
            directory.path().display()
        ))
    })?;
    drop(lock);
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
