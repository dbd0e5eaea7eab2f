//! `cheeseshop backup verify`.

use cheeseshop_storage::backup::{self, Progress};
use serde_json::json;

use super::arguments::VerifyArgs;
use super::progress::watched;
use super::{Findings, directory, trouble};
use crate::commands::moving::bytes;
use crate::config::Config;
use crate::failure::Failure;
use crate::output;

/// Reads a backup and says what is wrong with it.
pub(super) async fn run(config: &Config, arguments: &VerifyArgs) -> Result<(), Failure> {
    let path = directory(&config.backup, arguments.backup.as_ref())?;
    let backup =
        backup::newest(&path).map_err(|error| trouble::failure("cannot verify", &error))?;
    let progress = Progress::new();
    let mut findings = Findings::new(arguments.json);
    let mut tell = |damage| findings.add(&damage);
    let work = backup::verify(backup, &mut tell, &progress);
    let verified = watched(&progress, Box::pin(work))
        .await
        .map_err(|error| trouble::failure("cannot verify", &error))?;
    let found = findings.finish();
    let path = verified.backup.path.display().to_string();
    let manifest = &verified.backup.manifest;
    if arguments.json {
        let document = json!({
            "path": path,
            "sound": verified.damaged == 0,
            "blobs": verified.blobs,
            "bytes": verified.bytes,
            "missing": manifest.blobs.missing,
            "damaged": verified.damaged,
            "problems": found,
        });
        output::data(&format!("{document:#}"));
    } else if verified.damaged == 0 {
        output::data(&format!(
            "{path} is sound: serial {} with hash {}, {} blobs with {} read",
            manifest.serial,
            manifest.head_hash,
            verified.blobs,
            bytes(verified.bytes)
        ));
    }
    if manifest.blobs.missing > 0 {
        output::talk(&format!(
            "{} blobs were missing in the store already when it was made",
            manifest.blobs.missing
        ));
    }
    if !manifest.blobs.included {
        output::talk("its blobs are in an object store and were not looked at");
    }
    if verified.damaged == 0 {
        return Ok(());
    }
    Err(Failure::answer_is_no(format!(
        "the backup {path} is damaged in {} places",
        verified.damaged
    ))
    .with_hint(
        "make a new one in another directory: beside this one it would share what is damaged; blobs can be \
         copied out of another backup, each lies under its digest",
    ))
}
