//! Restoring a backup into an empty place.
//!
//! Blobs first, each read and compared on its way; the database last, under a temporary name until it is
//! whole. A file in the data directory says that a restore is under way: with it no server starts, and
//! the restore can be started again after whatever has ended it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, stream};

use super::blob_list::{ListReader, Listed};
use super::create::blocking;
use super::taken::blob_in;
use super::verify::database as damage_of_database;
use super::{
    BLOB_LIST, BLOBS, Backup, BackupError, Damage, DatabaseKind, Progress, Stage, copy, dump,
};
use crate::blobs::{BlobConfig, BlobStore, TakeError, Taking};
use crate::config::{Address, DatabaseConfig};
use crate::owner::Owner;

/// The file in a data directory that says that a restore was begun and did not come to its end.
pub const RESTORING: &str = "restoring";

/// Blobs that are brought back at the same time.
const AT_ONCE: usize = 4;

/// Blobs that are looked at together.
const BATCH: usize = 500;

/// What may be in an empty data directory: the lock of whoever restores, and what file systems make.
const NOTHING: &[&str] = &["lock", "lost+found", RESTORING];

/// What may be in the directory of an empty store.
const EMPTY_STORE: &[&str] = &["tmp", "trash", "lost+found"];

/// How a backup is restored.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreOptions {
    /// Share the bytes of blobs with the backup where that is possible, instead of copying them.
    pub share: bool,
    /// Come to an end also when blobs are damaged or missing.
    pub accept_damage: bool,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The backup.
    pub backup: Backup,
    /// Blobs that were brought back, or found where they belong.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that the backup does not have as it should.
    pub damaged: u64,
    /// Blobs that the store had not when the backup was made.
    pub missing: u64,
    /// Whether it came to its end: else blobs are damaged, and the server does not start.
    pub finished: bool,
}

/// The place that a backup is restored to.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The data directory. The caller holds its lock.
    pub data_directory: &'a Path,
    /// The database.
    pub database: &'a DatabaseConfig,
    /// The store of blobs.
    pub blobs: &'a BlobConfig,
    /// To whom everything is to belong, when root restores.
    pub owner: Owner,
}

/// Restores a backup. `tell` hears of every blob that is not as it should be.
///
/// # Errors
/// A backup that is damaged or too new, a place that is not empty or of another kind, and whatever is in
/// the way. The file [`RESTORING`] stays then, if anything was written.
pub async fn restore(
    backup: Backup,
    destination: Destination<'_>,
    options: RestoreOptions,
    tell: &mut (dyn FnMut(Damage) + Send),
    progress: &Progress,
) -> Result<Restored, BackupError> {
    let manifest = &backup.manifest;
    manifest.refuse_newer_schema()?;
    let address = destination.database.address()?;
    match (manifest.database.kind, &address) {
        (DatabaseKind::Sqlite, Address::Sqlite(_)) => {}
        (DatabaseKind::Postgresql, Address::Postgres(_)) => dump::find_restore()?,
        (DatabaseKind::Sqlite, Address::Postgres(_)) => {
            return Err(mismatch("of an embedded database", "a database server"));
        }
        (DatabaseKind::Postgresql, Address::Sqlite(_)) => {
            return Err(mismatch("of a PostgreSQL database", "an embedded one"));
        }
    }
    if !manifest.blobs.included && matches!(destination.blobs, BlobConfig::Local { .. }) {
        return Err(mismatch(
            "without blobs, which were in an object store",
            "a directory for them",
        ));
    }
    let resumes = destination.data_directory.join(RESTORING).exists();
    if !resumes {
        refuse_full(&destination, &address)?;
    }
    progress.enter(Stage::Database);
    if let Some(first) = damage_of_database(&backup).await?.into_iter().next() {
        return Err(BackupError::Damaged(first));
    }
    let list = ListReader::open(&backup.path, BLOB_LIST, manifest.blobs.list_sha256)?;

    let mark = destination.data_directory.join(RESTORING);
    if !resumes {
        let text = format!("{}\n", backup.path.display());
        copy::create(&mark)?
            .write_all(text.as_bytes())
            .map_err(|error| BackupError::io("write", &mark, error))?;
    }
    copy::sync_directory(destination.data_directory)?;
    progress.enter(Stage::Blobs);
    progress.expect(manifest.blobs.count);
    let store = BlobStore::open(destination.blobs).await?;
    let mut restored = Restored {
        blobs: 0,
        bytes: 0,
        damaged: 0,
        missing: 0,
        finished: false,
        backup: backup.clone(),
    };
    let how = How {
        options,
        owner: destination.owner,
        resumes,
    };
    bring_blobs(&store, list, how, &mut restored, tell, progress).await?;
    drop(store);
    if restored.damaged > 0 && !options.accept_damage {
        return Ok(restored);
    }
    progress.enter(Stage::Finishing);
    let file = backup.path.join(&manifest.database.file);
    match &address {
        Address::Sqlite(target) => {
            let (target, expected) = (target.clone(), manifest.database.sha256);
            let owner = destination.owner;
            blocking(move || put_database(&file, &target, &expected, owner)).await?;
        }
        Address::Postgres(url) => {
            // Ended right after the database, a restore would find its own tables in the way.
            let is_there = resumes && dump::is_restored(url, destination.database, manifest).await;
            if !is_there {
                dump::restore(url, file).await?;
            }
        }
    }
    let parent = destination.data_directory.to_owned();
    blocking(move || {
        copy::sync_file_system(&parent)?;
        fs::remove_file(&mark).map_err(|error| BackupError::io("remove", &mark, error))?;
        copy::sync_directory(&parent)
    })
    .await?;
    restored.finished = true;
    Ok(restored)
}

fn mismatch(backup: &str, settings: &str) -> BackupError {
    BackupError::Mismatch(format!(
        "the backup is {backup}, and the settings name {settings}"
    ))
}

/// Restoring over something would mix two installations.
fn refuse_full(destination: &Destination<'_>, address: &Address) -> Result<(), BackupError> {
    // A store or database in the data directory is found with it, an empty store is none.
    refuse_entries(destination.data_directory, |name| {
        let path = destination.data_directory.join(name);
        let is_store =
            matches!(destination.blobs, BlobConfig::Local { path: store } if *store == path);
        NOTHING.contains(&name) || is_store
    })?;
    if let BlobConfig::Local { path } = destination.blobs
        && path.exists()
    {
        refuse_entries(path, |name| {
            let below = path.join(name);
            EMPTY_STORE.contains(&name)
                || (name.len() == 2
                    && fs::read_dir(below).is_ok_and(|mut all| all.next().is_none()))
        })?;
    }
    let Address::Sqlite(path) = address else {
        // pg_restore refuses by itself, and changes nothing.
        return Ok(());
    };
    // The log of another database would be taken for this one's, and spoil it.
    let found = std::iter::once(path.clone())
        .chain(logs_of(path))
        .find(|path| path.symlink_metadata().is_ok());
    match found {
        None => Ok(()),
        Some(found) => Err(BackupError::NotEmpty {
            path: path.parent().unwrap_or(path).to_owned(),
            found: found
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        }),
    }
}

fn refuse_entries(directory: &Path, allowed: impl Fn(&str) -> bool) -> Result<(), BackupError> {
    let failed = |error| BackupError::io("list", directory, error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        if !allowed(&name) {
            return Err(BackupError::NotEmpty {
                path: directory.to_owned(),
                found: name.into_owned(),
            });
        }
    }
    Ok(())
}

/// How blobs are brought back.
#[derive(Clone, Copy)]
struct How {
    options: RestoreOptions,
    owner: Owner,
    /// Whether some may be there already.
    resumes: bool,
}

async fn bring_blobs(
    store: &BlobStore,
    list: ListReader,
    how: How,
    restored: &mut Restored,
    tell: &mut (dyn FnMut(Damage) + Send),
    progress: &Progress,
) -> Result<(), BackupError> {
    let blobs = restored.backup.path.join(BLOBS);
    let included = restored.backup.manifest.blobs.included;
    let mut list = list.fuse();
    loop {
        let batch: Vec<Listed> = list.by_ref().take(BATCH).collect::<Result<_, _>>()?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut done = stream::iter(batch)
            .map(async |blob| {
                let what = if blob.missing {
                    None
                } else if included {
                    let path = blob_in(&blobs, &blob.sha256);
                    let taking = if how.options.share && how.owner.may_share(&path) {
                        Taking::Link
                    } else {
                        Taking::Copy
                    };
                    if how.resumes && is_in_place(store, &blob).await? {
                        None
                    } else {
                        bring(store, &path, &blob, taking).await?
                    }
                } else {
                    let is_there = store.exists(&blob.sha256).await?;
                    (!is_there).then(|| "is not in the store".to_owned())
                };
                Ok::<_, BackupError>((blob, what))
            })
            .buffered(AT_ONCE);
        while let Some(result) = done.next().await {
            let (blob, what) = result?;
            progress.add(blob.size);
            match what {
                _ if blob.missing => restored.missing += 1,
                None => {
                    restored.blobs += 1;
                    restored.bytes += blob.size;
                }
                Some(what) => {
                    restored.damaged += 1;
                    tell(Damage::Blob {
                        sha256: blob.sha256,
                        what,
                    });
                }
            }
        }
    }
}

/// Whether a restore that was ended had brought a blob already, to a local store. Reading it again is much
/// quicker than bringing it again, which waits for the disk.
async fn is_in_place(store: &BlobStore, blob: &Listed) -> Result<bool, BackupError> {
    let Some(path) = store.local_path(&blob.sha256) else {
        return Ok(false);
    };
    let expected = blob.sha256;
    blocking(move || Ok(copy::digest_of(&path).is_ok_and(|(found, _)| found == expected))).await
}

/// Puts a blob into the store; says what is wrong with it in the backup.
async fn bring(
    store: &BlobStore,
    path: &Path,
    blob: &Listed,
    taking: Taking,
) -> Result<Option<String>, BackupError> {
    let spooled = match store.take_file(path, taking).await {
        Ok(spooled) => spooled,
        Err(TakeError::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some("is missing".to_owned()));
        }
        Err(TakeError::Unreadable(error)) => return Ok(Some(format!("cannot be read: {error}"))),
        Err(TakeError::Store(error)) => return Err(error.into()),
    };
    if spooled.sha256() != blob.sha256 {
        return Ok(Some(format!("has the digest {}", spooled.sha256())));
    }
    spooled.keep().await?;
    Ok(None)
}

/// Puts the database into its place, whole or not at all.
fn put_database(
    source: &Path,
    target: &Path,
    expected: &cheeseshop_packaging::Sha256,
    owner: Owner,
) -> Result<(), BackupError> {
    let given = |path: &Path| {
        let taken = owner.take(path);
        taken.map_err(|error| BackupError::io("change the owner of", path, error))
    };
    if let Some(parent) = target.parent() {
        let missing: Vec<&Path> = parent
            .ancestors()
            .take_while(|path| !path.exists())
            .collect();
        copy::make_directory(parent)?;
        for made in missing.into_iter().filter(|path| *path != Path::new("")) {
            given(made)?;
        }
    }
    let suffixed = |suffix: &str| {
        let mut name = target.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let temporary = suffixed(".restoring");
    // Of a restore that was ended: what is not of it was refused at its beginning. A log must be gone, also after a
    // power cut, before the database is there: SQLite would write what it holds into that.
    for left in [temporary.clone()].into_iter().chain(logs_of(target)) {
        match fs::remove_file(&left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::io("remove", &left, error));
            }
            _ => {}
        }
    }
    sync_parent(target)?;
    if copy::copy(source, &temporary, expected, true)? != copy::Got::Copied {
        return Err(BackupError::Damaged(
            "the database changed while it was copied".to_owned(),
        ));
    }
    // It may lie on another file system than the data directory.
    fs::File::open(&temporary)
        .and_then(|file| file.sync_all())
        .map_err(|error| BackupError::io("sync", &temporary, error))?;
    given(&temporary)?;
    fs::rename(&temporary, target).map_err(|error| BackupError::io("rename to", target, error))?;
    sync_parent(target)
}

fn sync_parent(path: &Path) -> Result<(), BackupError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => copy::sync_directory(parent),
        _ => Ok(()),
    }
}

/// The files that SQLite may have beside a database, and would believe.
fn logs_of(database: &Path) -> impl Iterator<Item = PathBuf> {
    ["-wal", "-shm", "-journal"].into_iter().map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}
