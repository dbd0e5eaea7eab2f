//! Whether a backup is what its manifest says: every byte is read.

use std::fs::File;
use std::io;
use std::path::Path;

use cheeseshop_packaging::hash::Sha256;

use super::blob_list::{ListReader, Listed};
use super::create::blocking;
use super::taken::blob_in;
use super::{BLOB_LIST, BLOBS, Backup, BackupError, DatabaseKind, Progress, Stage, copy};
use crate::database::{change_log, snapshot};

/// Blobs that are read before it is told what was found.
const BATCH: usize = 64;

/// Something in a backup that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Of database, log of changes or list: a sentence.
    Part(String),
    /// A blob.
    Blob {
        /// Its digest, and name.
        sha256: Sha256,
        /// In which way.
        what: String,
    },
}

/// What was found in all.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The backup.
    pub backup: Backup,
    /// Things that are not as they were written.
    pub damaged: u64,
    /// Blobs that were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Reads a backup to its last byte. `tell` hears of everything that is wrong.
///
/// # Errors
/// A backup of which so much cannot be read that the rest says nothing.
pub async fn verify(
    backup: Backup,
    tell: &mut (dyn FnMut(Damage) + Send),
    progress: &Progress,
) -> Result<Verified, BackupError> {
    let mut verified = Verified {
        damaged: 0,
        blobs: 0,
        bytes: 0,
        backup,
    };
    progress.enter(Stage::Database);
    for sentence in database(&verified.backup).await? {
        verified.damaged += 1;
        tell(Damage::Part(sentence));
    }
    progress.enter(Stage::Blobs);
    let part = &verified.backup.manifest.blobs;
    progress.expect(part.count);
    let mut list = ListReader::open(&verified.backup.path, BLOB_LIST, part.list_sha256)?.fuse();
    if !part.included {
        return Ok(verified);
    }
    loop {
        let batch: Vec<Listed> = list.by_ref().take(BATCH).collect::<Result<_, _>>()?;
        if batch.is_empty() {
            return Ok(verified);
        }
        let blobs = verified.backup.path.join(BLOBS);
        let watched = progress.clone();
        let found = blocking(move || {
            let mut found = Vec::new();
            for blob in batch.iter().filter(|blob| !blob.missing) {
                found.push((*blob, look_at(&blobs, blob)));
                watched.add(blob.size);
            }
            Ok(found)
        })
        .await?;
        for (blob, what) in found {
            verified.blobs += 1;
            verified.bytes += blob.size;
            if let Some(what) = what {
                verified.damaged += 1;
                tell(Damage::Blob {
                    sha256: blob.sha256,
                    what,
                });
            }
        }
    }
}

/// What is wrong with a blob of the backup.
fn look_at(blobs: &Path, blob: &Listed) -> Option<String> {
    let path = blob_in(blobs, &blob.sha256);
    match copy::digest_of(&path) {
        Ok((found, _)) if found == blob.sha256 => None,
        Ok((_, size)) if size != blob.size => Some(format!("has {size} bytes, not {}", blob.size)),
        Ok((found, _)) => Some(format!("has the digest {found}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("is missing".to_owned()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}

/// What is wrong with the database of a backup, a sentence each.
pub(super) async fn database(backup: &Backup) -> Result<Vec<String>, BackupError> {
    let part = &backup.manifest.database;
    let path = backup.path.join(&part.file);
    let (file, expected) = (path.clone(), part.sha256);
    let found = blocking(move || match File::open(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => copy::digest_of(&file)
            .map(|(digest, _)| Some(digest))
            .map_err(|error| BackupError::io("read", &file, error)),
    })
    .await?;
    match found {
        None => return Ok(vec![format!("`{}` is missing", part.file)]),
        Some(found) if found != expected => {
            return Ok(vec![format!(
                "`{}` has the digest {found}, not {expected}",
                part.file
            )]);
        }
        Some(_) => {}
    }
    if part.kind != DatabaseKind::Sqlite {
        return Ok(Vec::new());
    }
    let mut wrong = Vec::new();
    let mut reader = snapshot::open_file(&path).await?;
    if let Some(found) = snapshot::quick_check(&mut reader).await? {
        wrong.push(format!("the database: {found}"));
    }
    let log = change_log::verify_in(&mut reader).await?;
    // What was broken already when the backup was made is not the backup's damage.
    if let Some(found) = log.broken
        && backup.manifest.broken_log.is_none()
    {
        wrong.push(format!(
            "the log of changes is broken at serial {}: {}",
            found.serial, found.reason
        ));
    }
    if (log.head.0, log.head_hash) != (backup.manifest.serial, backup.manifest.head_hash) {
        wrong.push(format!(
            "the newest change is {} and not {}",
            log.head, backup.manifest.serial
        ));
    }
    Ok(wrong)
}
