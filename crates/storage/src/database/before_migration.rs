//! The copy of an embedded database that is made before a migration changes it.
//!
//! `backups/before-migration-1-to-2-20261122T234927Z.db` beside the database: as many migrations as it
//! had, as many as it was to get, and when. The newest few stay.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{DatabaseError, migrations, snapshot};
use crate::owner::own_path_like;

/// The directory beside the database.
const DIRECTORY: &str = "backups";

/// How the names of copies begin and end.
const PREFIX: &str = "before-migration-";
const SUFFIX: &str = ".db";

/// The name of a copy that is being made.
const TEMPORARY: &str = ".before-migration.tmp";

/// Copies that stay.
const KEPT: usize = 3;

/// What the name of a copy says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copy {
    path: PathBuf,
    /// Migrations that it had.
    schema: usize,
    /// When it was made, in digits that sort.
    moment: String,
}

/// Where the copies of a database are.
pub(crate) fn directory_of(database: &Path) -> PathBuf {
    database
        .parent()
        .unwrap_or_else(|| Path::new("."))
        .join(DIRECTORY)
}

/// Copies the database of a connection and removes copies that are too many. Blocks.
pub(crate) fn save(
    connection: &rusqlite::Connection,
    directory: &Path,
    (from, to): (usize, usize),
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let path = copy(connection, directory, (from, to), now).map_err(|source| {
        // Half a copy is of no use, and the disk may be full.
        let _ = remove_temporary(directory);
        DatabaseError::BackupFailed {
            path: directory.to_owned(),
            source,
        }
    })?;
    tracing::info!(path = %path.display(), "copied the database before its schema is changed");
    for old in too_many(list(directory)) {
        if let Err(error) = fs::remove_file(&old.path) {
            tracing::warn!(path = %old.path.display(), %error, "an old copy cannot be removed");
        }
    }
    Ok(())
}

/// The copies that go. The newest of each schema stays longest: a migration that fails at every start must
/// not push out what was saved before an earlier one.
fn too_many(mut copies: Vec<Copy>) -> Vec<Copy> {
    copies.sort_by(|one, other| other.moment.cmp(&one.moment));
    let mut schemas = BTreeSet::new();
    let (mut kept, again): (Vec<Copy>, Vec<Copy>) = copies
        .into_iter()
        .partition(|copy| schemas.insert(copy.schema));
    kept.extend(again);
    kept.split_off(KEPT.min(kept.len()))
}

fn copy(
    connection: &rusqlite::Connection,
    directory: &Path,
    (from, to): (usize, usize),
    now: Timestamp,
) -> Result<PathBuf, super::error::Cause> {
    let parent = directory.parent().unwrap_or(directory);
    if !directory.exists() {
        DirBuilder::new().mode(0o700).create(directory)?;
        own_path_like(directory, parent);
        sync(parent)?;
    }
    remove_temporary(directory)?;
    let temporary = directory.join(TEMPORARY);
    snapshot::copy_through(connection, &temporary)?;
    let check: String =
        rusqlite::Connection::open(&temporary)?
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(format!("the copy is not sound: {check}").into());
    }
    own_path_like(&temporary, parent);
    let moment = now.strftime("%Y%m%dT%H%M%SZ");
    let path = directory.join(format!("{PREFIX}{from}-to-{to}-{moment}{SUFFIX}"));
    fs::rename(&temporary, &path)?;
    sync(directory)?;
    Ok(path)
}

/// Removes what a killed process has left of its copy. A log of it would be taken for that of the next one.
fn remove_temporary(directory: &Path) -> io::Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(directory.join(format!("{TEMPORARY}{suffix}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The newest copy of a database whose schema this release knows: what a downgrade goes back to.
pub fn newest_before(database: &Path) -> Option<PathBuf> {
    let known = migrations::names().count();
    list(&directory_of(database))
        .into_iter()
        .filter(|copy| copy.schema <= known)
        .max_by(|one, other| (one.schema, &one.moment).cmp(&(other.schema, &other.moment)))
        .map(|copy| copy.path)
}

fn list(directory: &Path) -> Vec<Copy> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries
        .filter_map(|entry| parse(entry.ok()?.path()))
        .collect()
}

fn parse(path: PathBuf) -> Option<Copy> {
    let name = path.file_name()?.to_str()?;
    let inner = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let (schema, rest) = inner.split_once("-to-")?;
    let (to, moment) = rest.split_once('-')?;
    to.parse::<usize>().ok()?;
    Some(Copy {
        schema: schema.parse().ok()?,
        moment: moment.to_owned(),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_of_the_newest_known_schema_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("x.db");
        assert_eq!(newest_before(&database), None);
        let directory = directory_of(&database);
        fs::create_dir(&directory).unwrap();
        for name in [
            "before-migration-1-to-2-20260101T000000Z.db",
            "before-migration-1-to-2-20260201T000000Z.db",
            "before-migration-900-to-901-20270101T000000Z.db",
            "before-migration-x-to-2-20270101T000000Z.db",
            "notes.txt",
        ] {
            fs::write(directory.join(name), "").unwrap();
        }
        let found = newest_before(&database).unwrap();
        assert!(
            found.ends_with("before-migration-1-to-2-20260201T000000Z.db"),
            "{found:?}"
        );
    }

    #[test]
    fn a_migration_that_fails_again_and_again_pushes_out_its_own_copies() {
        let copy = |schema, moment: &str| Copy {
            path: PathBuf::from(format!("{schema}-{moment}")),
            schema,
            moment: moment.to_owned(),
        };
        let copies = [(1, "a"), (2, "b"), (3, "c"), (3, "d"), (3, "e")];
        let gone = too_many(copies.map(|(schema, moment)| copy(schema, moment)).to_vec());
        assert_eq!(gone, [copy(3, "d"), copy(3, "c")]);
        let copies = [(1, "a"), (2, "b"), (3, "c"), (4, "d")];
        let gone = too_many(copies.map(|(schema, moment)| copy(schema, moment)).to_vec());
        assert_eq!(gone, [copy(1, "a")]);
        assert_eq!(too_many(vec![copy(1, "a")]), []);
    }
}
