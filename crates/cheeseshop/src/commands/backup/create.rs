//! `cheeseshop backup create`.

use std::sync::Arc;

use cheeseshop_domain::error_chain;
use cheeseshop_storage::backup::{self, CreateOptions, Created, LastBackup, Progress};
use serde_json::json;

use super::arguments::CreateArgs;
use super::progress::watched;
use super::{directory, keep, trouble};
use crate::clock::SystemClock;
use crate::commands::moving::bytes;
use crate::config::{Config, parse_duration};
use crate::failure::Failure;
use crate::{node, output};

/// Makes a backup and says what is in it.
pub(super) async fn run(config: &Config, arguments: &CreateArgs) -> Result<(), Failure> {
    let target = directory(&config.backup, arguments.directory.as_ref())?;
    let wait = parse_duration(&arguments.wait)
        .map_err(|message| Failure::could_not_try(format!("--wait: {message}")))?;
    node::existing(config)?;
    let options = CreateOptions {
        copy: arguments.copy,
        include_remote: arguments.include_remote_blobs,
        verify: arguments.verify,
        wait,
        keep: keep(&config.backup, &arguments.keep),
    };
    let progress = Progress::new();
    let work = backup::create(
        (&config.database, &config.blobs),
        &target,
        options,
        Arc::new(SystemClock),
        &progress,
    );
    let created = watched(&progress, Box::pin(work))
        .await
        .map_err(|error| trouble::failure("no backup was made", &error))?;
    note(config, &created);
    tell(arguments.json, &created);
    let manifest = &created.backup.manifest;
    if let Some(broken) = &manifest.broken_log {
        return Err(Failure::answer_is_no(format!(
            "the backup is whole, but the log of changes in the database is broken: {broken}"
        ))
        .with_hint("`cheeseshop audit verify` says the same; compare with older backups"));
    }
    if manifest.blobs.missing > 0 {
        return Err(Failure::answer_is_no(format!(
            "the backup is made, but the store does not have {} of its blobs",
            manifest.blobs.missing
        ))
        .with_hint(
            "`cheeseshop fsck` names the files; those of mirrors are fetched again when somebody asks",
        ));
    }
    if let Err(error) = &created.pruned {
        let what = "the backup is made, but older ones cannot be removed";
        return Err(trouble::failure(what, error).into_answer());
    }
    Ok(())
}

/// For the server's metrics, which watch the age of the last backup that lacks nothing. That there is no
/// note does not make the backup worse.
fn note(config: &Config, created: &Created) {
    if !created.backup.lacks_nothing() {
        return;
    }
    let manifest = &created.backup.manifest;
    let blobs = &manifest.blobs;
    let held = if blobs.included { blobs.bytes } else { 0 };
    let last = LastBackup {
        finished: manifest.finished,
        bytes: manifest.database.bytes + held,
        new_bytes: manifest.database.bytes + blobs.new_bytes,
        serial: manifest.serial,
    };
    if let Err(error) = last.write(&config.data_dir) {
        output::talk(&format!(
            "warning: the server cannot know of this backup: {}",
            error_chain(&error)
        ));
    }
}

fn tell(is_json: bool, created: &Created) {
    let manifest = &created.backup.manifest;
    let path = created.backup.path.display().to_string();
    let gone: &[backup::Backup] = match &created.pruned {
        Ok(pruned) => &pruned.removed,
        // Told by the exit code's message.
        Err(_) => &[],
    };
    if is_json {
        let removed: Vec<String> = gone
            .iter()
            .map(|backup| backup.path.display().to_string())
            .collect();
        let document = json!({"path": path, "manifest": manifest, "removed": removed});
        output::data(&format!("{document:#}"));
        return;
    }
    output::data(&path);
    let blobs = &manifest.blobs;
    output::talk(&format!(
        "serial {}, {} files of {} indexes; {} blobs with {}, of which {} ({}) are new",
        manifest.serial,
        manifest.counts.files,
        manifest.counts.indexes,
        blobs.count,
        bytes(blobs.bytes),
        blobs.new,
        bytes(blobs.new_bytes)
    ));
    if !blobs.included {
        output::talk(
            "the blobs themselves are in the object store and not in this backup, which lists them: \
             keep them there by its own means (versions, replication), or give --include-remote-blobs",
        );
    }
    for backup in gone {
        output::talk(&format!("removed {}", backup.path.display()));
    }
}
