//! The directory that backups are in: which are there, which may go.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::copy::{make_directory, sync_directory};
use super::{BackupError, Manifest};
use crate::{LockFile, LockFileError};

/// Held while backups are made or removed.
const LOCK: &str = ".lock";

/// What is being made. The name hides it from whoever looks for backups.
const INCOMPLETE: &str = ".incomplete-";

/// What is being removed.
const REMOVED: &str = ".removing-";

/// A backup that is whole.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Its directory.
    pub path: PathBuf,
    /// What it is.
    pub manifest: Manifest,
}

/// Which backups stay. The newest always does, and the newest of those that lack nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many of the newest.
    pub newest: Option<u64>,
    /// Those that are not older than this.
    pub younger: Option<SignedDuration>,
}

/// What became of old backups.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// Those that went, or would go.
    pub removed: Vec<Backup>,
    /// Those that stay.
    pub kept: Vec<Backup>,
}

impl Backup {
    /// The backup in a directory of its own; `None` when it has no manifest.
    ///
    /// # Errors
    /// A manifest that cannot be read or understood.
    pub fn open(path: &Path) -> Result<Option<Self>, BackupError> {
        Ok(Manifest::read(path)?.map(|manifest| Self {
            path: path.to_owned(),
            manifest,
        }))
    }

    /// Whether it has the name still that it got when it was made. Whoever gives a backup another one wants to
    /// keep it, or has made a copy.
    fn is_named_as_made(&self) -> bool {
        self.path
            .file_name()
            .is_some_and(|name| *name == *self.manifest.name)
    }

    /// Whether it has every blob that its database names, and the log of changes was sound.
    pub fn lacks_nothing(&self) -> bool {
        self.manifest.blobs.missing == 0 && self.manifest.broken_log.is_none()
    }
}

impl Keep {
    /// Whether nothing is said, and so everything stays.
    pub fn is_everything(&self) -> bool {
        self.newest.is_none() && self.younger.is_none()
    }

    /// Whether a backup stays: number 0 is the newest.
    fn keeps(&self, number: usize, started: Timestamp, now: Timestamp) -> bool {
        if number == 0 || self.is_everything() {
            return true;
        }
        let is_new = self
            .newest
            .is_some_and(|newest| u64::try_from(number).is_ok_and(|number| number < newest));
        let is_young = self
            .younger
            .is_some_and(|younger| now.duration_since(started) <= younger);
        is_new || is_young
    }
}

/// The backups in a directory, oldest first. What is none, or cannot be read, is left out.
///
/// # Errors
/// A directory that cannot be read.
pub fn list(target: &Path) -> Result<Vec<Backup>, BackupError> {
    let failed = |error| BackupError::io("list", target, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(target).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if is_hidden || !entry.file_type().map_err(failed)?.is_dir() {
            continue;
        }
        match Backup::open(&entry.path()) {
            Ok(Some(backup)) => found.push(backup),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "left out");
            }
        }
    }
    found.sort_by(|one, other| {
        (one.manifest.started, &one.path).cmp(&(other.manifest.started, &other.path))
    });
    Ok(found)
}

/// The backup at a path, or the newest of those in the directory there.
///
/// # Errors
/// [`BackupError::NoBackup`] when there is neither.
pub fn newest(path: &Path) -> Result<Backup, BackupError> {
    if let Some(backup) = Backup::open(path)? {
        return Ok(backup);
    }
    if !path.is_dir() {
        return Err(BackupError::NoBackup(path.to_owned()));
    }
    let newest = list(path)?.pop();
    newest.ok_or_else(|| BackupError::NoBackup(path.to_owned()))
}

/// Removes the backups that need not be kept. With `dry_run` it only says which.
///
/// # Errors
/// A directory that cannot be changed, or in which a backup is being made.
pub fn prune(
    target: &Path,
    keep: Keep,
    now: Timestamp,
    dry_run: bool,
) -> Result<Pruned, BackupError> {
    if dry_run || keep.is_everything() {
        return Ok(sort_out(list(target)?, keep, now, None));
    }
    Target::open(target, "cheeseshop backup prune", now)?.prune(keep, now, None)
}

fn sort_out(backups: Vec<Backup>, keep: Keep, now: Timestamp, made: Option<&Path>) -> Pruned {
    // What has got another name neither goes nor counts.
    let (backups, renamed): (Vec<_>, Vec<_>) =
        backups.into_iter().partition(Backup::is_named_as_made);
    let mut pruned = Pruned {
        removed: Vec::new(),
        kept: renamed,
    };
    let count = backups.len();
    // What lacks something must not push out the last that does not.
    let sound = backups.iter().rposition(Backup::lacks_nothing);
    for (position, backup) in backups.into_iter().enumerate() {
        // One with a moment that is still to come, of a wrong clock, must not push out what was made just now.
        let is_needed = Some(position) == sound || made == Some(backup.path.as_path());
        if is_needed || keep.keeps(count - 1 - position, backup.manifest.started, now) {
            pruned.kept.push(backup);
        } else {
            pruned.removed.push(backup);
        }
    }
    pruned
}

/// A directory of backups that this process alone changes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    _lock: LockFile,
}

impl Target {
    /// Makes the directory if need be, takes it, and removes what dead processes left in it.
    pub(super) fn open(path: &Path, purpose: &str, now: Timestamp) -> Result<Self, BackupError> {
        make_directory(path)?;
        let place = path.join(LOCK);
        let lock = LockFile::take(&place, purpose, now).map_err(|error| match error {
            LockFileError::Held(by) => BackupError::InUse {
                path: path.to_owned(),
                by,
            },
            LockFileError::Io(error) => BackupError::io("lock", &place, error),
        })?;
        let target = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        target.remove_leftovers()?;
        Ok(target)
    }

    /// Where the backup of a name is made.
    pub(super) fn incomplete(&self, name: &str) -> PathBuf {
        self.path.join(format!("{INCOMPLETE}{name}"))
    }

    /// A name that no backup has yet, by the moment of its beginning.
    pub(super) fn free_name(&self, started: Timestamp) -> String {
        let moment = started.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut name = moment.clone();
        let mut number = 1;
        while self.path.join(&name).exists() {
            number += 1;
            name = format!("{moment}-{number}");
        }
        name
    }

    /// Removes backups that need not be kept. The one that was `made` just now stays.
    pub(super) fn prune(
        &self,
        keep: Keep,
        now: Timestamp,
        made: Option<&Path>,
    ) -> Result<Pruned, BackupError> {
        let pruned = sort_out(list(&self.path)?, keep, now, made);
        for backup in &pruned.removed {
            let name = backup.path.file_name().unwrap_or_default();
            // Killed in the middle, it must not look whole.
            let hidden = self
                .path
                .join(format!("{REMOVED}{}", name.to_string_lossy()));
            fs::rename(&backup.path, &hidden)
                .map_err(|error| BackupError::io("remove", &backup.path, error))?;
            sync_directory(&self.path)?;
            fs::remove_dir_all(&hidden)
                .map_err(|error| BackupError::io("remove", &hidden, error))?;
        }
        Ok(pruned)
    }

    fn remove_leftovers(&self) -> Result<(), BackupError> {
        let failed = |error| BackupError::io("list", &self.path, error);
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if is_leftover(&name) {
                let path = entry.path();
                match fs::remove_dir_all(&path) {
                    Ok(()) => {
                        tracing::info!(path = %path.display(), "removed what a killed process left");
                    }
                    // Of another user, most likely. No reason to make no backups any more.
                    Err(error) => {
                        tracing::warn!(path = %path.display(), %error, "a leftover cannot be removed");
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a name is one that only an unfinished backup, or one that is being removed, has: a moment follows.
fn is_leftover(name: &str) -> bool {
    let moment = name
        .strip_prefix(INCOMPLETE)
        .or_else(|| name.strip_prefix(REMOVED));
    moment.is_some_and(|moment| {
        let bytes = moment.as_bytes();
        bytes.len() >= 16 && bytes[..8].iter().all(u8::is_ascii_digit) && bytes[8] == b'T'
    })
}

#[cfg(test)]
mod tests {
    use cheeseshop_packaging::hash::Sha256;

    use super::*;
    use crate::backup::{BlobPart, Counts, DatabaseKind, DatabasePart};

    fn backup(name: &str, second: i64, missing: u64) -> Backup {
        let started = Timestamp::from_second(second).unwrap();
        let sha256 = Sha256([0; 32]);
        Backup {
            path: PathBuf::from(name),
            manifest: Manifest {
                format: 1,
                cheeseshop: String::new(),
                name: name.to_owned(),
                started,
                finished: started,
                database: DatabasePart {
                    kind: DatabaseKind::Sqlite,
                    file: "cheeseshop.db".to_owned(),
                    bytes: 0,
                    sha256,
                },
                migrations: Vec::new(),
                serial: 0,
                head_hash: sha256,
                broken_log: None,
                counts: Counts::default(),
                blobs: BlobPart {
                    included: true,
                    list_sha256: sha256,
                    count: 1,
                    bytes: 1,
                    missing,
                    new: 0,
                    new_bytes: 0,
                },
            },
        }
    }

    fn kept(backups: Vec<Backup>, made: Option<&str>) -> Vec<String> {
        let keep = Keep {
            newest: Some(1),
            younger: None,
        };
        let now = Timestamp::from_second(1000).unwrap();
        let sorted = sort_out(backups, keep, now, made.map(Path::new));
        let names = sorted.kept.into_iter().map(|backup| backup.manifest.name);
        names.collect()
    }

    #[test]
    fn the_newest_that_lacks_nothing_stays() {
        let backups = vec![
            backup("old", 1, 0),
            backup("good", 2, 0),
            backup("poor", 3, 1),
            backup("poorer", 4, 7),
        ];
        assert_eq!(kept(backups, None), ["good", "poorer"]);
    }

    #[test]
    fn one_from_the_future_does_not_push_out_what_was_just_made() {
        let backups = || {
            vec![
                backup("old", 1, 0),
                backup("made", 2, 0),
                backup("future", 9999, 0),
            ]
        };
        assert_eq!(kept(backups(), Some("made")), ["made", "future"]);
        assert_eq!(kept(backups(), None), ["future"]);
    }

    #[test]
    fn one_with_another_name_neither_goes_nor_counts() {
        let renamed = |second| {
            let mut renamed = backup("made", second, 0);
            renamed.path = PathBuf::from("before the great clean-up");
            renamed
        };
        let backups = vec![
            renamed(1),
            backup("old", 2, 0),
            backup("new", 3, 0),
            renamed(4),
        ];
        let keep = Keep {
            newest: Some(1),
            younger: None,
        };
        let sorted = sort_out(backups, keep, Timestamp::UNIX_EPOCH, None);
        assert_eq!(sorted.removed.len(), 1);
        assert_eq!(sorted.removed[0].path, Path::new("old"));
    }

    #[test]
    fn the_newest_stays_whatever_is_said() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let old = Timestamp::UNIX_EPOCH;
        let nothing = Keep {
            newest: Some(0),
            younger: Some(SignedDuration::ZERO),
        };
        assert!(nothing.keeps(0, old, now));
        assert!(!nothing.keeps(1, old, now));
        assert!(Keep::default().keeps(99, old, now));
    }

    #[test]
    fn either_rule_keeps_a_backup() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let keep = Keep {
            newest: Some(2),
            younger: Some(SignedDuration::from_secs(100)),
        };
        let before = |seconds: i64| Timestamp::from_second(1_000_000 - seconds).unwrap();
        assert!(keep.keeps(1, before(500), now));
        assert!(keep.keeps(5, before(50), now));
        assert!(!keep.keeps(2, before(500), now));
    }

    #[test]
    fn what_others_hide_in_the_directory_is_left_alone() {
        for (name, expected) in [
            (".incomplete-20261122T234927Z", true),
            (".removing-20261122T234927Z-2", true),
            (".incomplete-", false),
            (".incomplete-download.iso.part", false),
            (".removing-old", false),
            ("20261122T234927Z", false),
        ] {
            assert_eq!(is_leftover(name), expected, "{name}");
        }
    }
}
