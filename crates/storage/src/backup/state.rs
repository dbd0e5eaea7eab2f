//! `last-backup.json` in the data directory: what the server tells its watchers of the newest backup.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::owner::own_like;

/// The file's name.
pub const STATE_FILE: &str = "last-backup.json";

/// More is no file of ours.
const MAX_BYTES: u64 = 4096;

/// The newest backup that was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// When it was.
    pub finished: Timestamp,
    /// Bytes of database and blobs, shared ones included.
    pub bytes: u64,
    /// Bytes that no earlier backup had.
    pub new_bytes: u64,
    /// The newest change in it.
    pub serial: i64,
}

impl LastBackup {
    /// What was noted in a data directory; `None` when nothing was, or nothing that can be understood.
    pub fn read(data_directory: &Path) -> Option<Self> {
        let path = data_directory.join(STATE_FILE);
        if fs::metadata(&path).ok()?.len() > MAX_BYTES {
            return None;
        }
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Notes it.
    ///
    /// # Errors
    /// A directory that cannot be written to.
    pub fn write(&self, data_directory: &Path) -> Result<(), BackupError> {
        let path = data_directory.join(STATE_FILE);
        let temporary = data_directory.join(format!(".{STATE_FILE}.{}", std::process::id()));
        let failed = |source| BackupError::io("write", &path, source);
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        let written = (|| {
            // Of a process that was killed, or a link that would lead root elsewhere.
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)?;
            own_like(&file, data_directory);
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        })();
        written.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            failed(error)
        })
    }
}
