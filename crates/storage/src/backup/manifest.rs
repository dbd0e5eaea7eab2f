//! `manifest.json`: what a backup is.

use std::path::Path;

use cheeseshop_packaging::hash::Sha256;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BackupError, MANIFEST};
use crate::database::migration_names;

/// The form of backups that this release writes. A higher one means another layout.
const FORMAT: u32 = 1;

/// More is no manifest.
const MAX_BYTES: u64 = 1 << 20;

/// What a backup is. Fields that a later release adds are ignored by this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the backup.
    pub format: u32,
    /// The release that made it.
    pub cheeseshop: String,
    /// Its name.
    pub name: String,
    /// When it was begun: everything acknowledged before is in it.
    pub started: Timestamp,
    /// When it was whole.
    pub finished: Timestamp,
    /// The database.
    pub database: DatabasePart,
    /// The migrations that the database has seen, oldest first.
    pub migrations: Vec<String>,
    /// The newest change in it.
    pub serial: i64,
    /// The hash of that change, as `audit verify` prints it.
    pub head_hash: Sha256,
    /// What is wrong with its log of changes, when something was at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_log: Option<String>,
    /// How much there is of what.
    pub counts: Counts,
    /// The blobs.
    pub blobs: BlobPart,
}

/// The database in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabasePart {
    /// What it is.
    pub kind: DatabaseKind,
    /// Its file's name.
    pub file: String,
    /// The file's size.
    pub bytes: u64,
    /// The file's digest.
    pub sha256: Sha256,
}

/// Which database a backup is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseKind {
    /// The embedded one: a file that can be opened as it is.
    Sqlite,
    /// PostgreSQL: what `pg_dump --format=custom` writes.
    Postgresql,
}

/// Numbers of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Indexes.
    pub indexes: u64,
    /// Projects.
    pub projects: u64,
    /// Files of hosted indexes.
    pub files: u64,
}

/// The blobs in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobPart {
    /// Whether they are in the backup; else only the list is.
    pub included: bool,
    /// Digest of the list.
    pub list_sha256: Sha256,
    /// How many the database names.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that the store did not have, or not as it should.
    pub missing: u64,
    /// Those that no earlier backup in the same directory had.
    pub new: u64,
    /// Their bytes.
    pub new_bytes: u64,
}

impl Manifest {
    pub(super) const FORMAT: u32 = FORMAT;

    /// Reads the manifest of the backup in a directory; `None` when there is none.
    pub(super) fn read(backup: &Path) -> Result<Option<Self>, BackupError> {
        let path = backup.join(MANIFEST);
        let not_ours = |reason: String| BackupError::Manifest {
            path: path.clone(),
            reason,
        };
        let text = match std::fs::metadata(&path) {
            // A pipe would be waited for.
            Ok(found) if !found.is_file() => return Err(not_ours("it is no file".to_owned())),
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(not_ours(format!("it has more than {MAX_BYTES} bytes")));
            }
            Ok(_) => std::fs::read(&path).map_err(|error| BackupError::io("read", &path, error))?,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(BackupError::io("read", &path, error)),
        };
        // The form first: what a later one looks like is not known.
        let document: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| not_ours(error.to_string()))?;
        let format = document["format"].as_u64().unwrap_or_default();
        if format > u64::from(FORMAT) {
            let version = document["cheeseshop"].as_str().unwrap_or("?");
            return Err(BackupError::Newer {
                version: version
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(40)
                    .collect(),
                reason: format!("backups of the form {format} are not known here"),
            });
        }
        let manifest: Self =
            serde_json::from_value(document).map_err(|error| not_ours(error.to_string()))?;
        // It names files below the backup, never elsewhere.
        if Path::new(&manifest.database.file).components().count() != 1
            || manifest.database.file.contains("..")
        {
            return Err(not_ours(format!(
                "`{}` is no file name",
                manifest.database.file
            )));
        }
        Ok(Some(manifest))
    }

    /// Refuses a schema that this program does not know.
    pub(super) fn refuse_newer_schema(&self) -> Result<(), BackupError> {
        let unknown = self
            .migrations
            .iter()
            .find(|name| !migration_names().any(|known| known == name.as_str()));
        match unknown {
            None => Ok(()),
            Some(unknown) => Err(BackupError::Newer {
                version: self.cheeseshop.clone(),
                reason: format!("its migration `{unknown}` is unknown here"),
            }),
        }
    }
}
