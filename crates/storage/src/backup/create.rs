//! Making a backup.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cheeseshop_domain::Clock;
use cheeseshop_packaging::hash::Sha256;
use jiff::Timestamp;

use super::blob_list::{ListReader, ListWriter, Listed};
use super::copy;
use super::directory::{self, Target};
use super::dump::Origin;
use super::manifest::{BlobPart, Counts, DatabasePart};
use super::taken::{BlobPlace, Source, Taken, take_local, take_remote};
use super::{
    BLOB_LIST, BLOBS, Backup, BackupError, Keep, MANIFEST, Manifest, Progress, Pruned, Stage,
};
use crate::blobs::{BlobConfig, BlobStore};
use crate::config::DatabaseConfig;
use crate::database::{Reader, RemovalLock, Turn, change_log, inventory, snapshot};
use crate::owner::Owner;

/// What the database names, before it is known what the store has of it.
const TODO_LIST: &str = ".blobs.todo";

/// Rows of a list that are read at once.
const BATCH: usize = 1000;

/// What others are told who wait for this.
const PURPOSE: &str = "cheeseshop backup create";

/// How a backup is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateOptions {
    /// Copy the bytes of every blob that no earlier backup has, also where the store is on the same file
    /// system and could share them.
    pub copy: bool,
    /// Fetch the blobs of an object store as well; else only their list is made.
    pub include_remote: bool,
    /// Read also the bytes of blobs that are shared, and compare them with their digests.
    pub verify: bool,
    /// How long the end of a garbage collection is waited for.
    pub wait: Duration,
    /// Which older backups stay in the directory afterwards.
    pub keep: Keep,
}

/// A backup that was made.
#[derive(Debug)]
pub struct Created {
    /// The backup.
    pub backup: Backup,
    /// What became of older ones. The backup is there also when they could not be removed.
    pub pruned: Result<Pruned, BackupError>,
}

/// Makes a backup of a database and its blobs in `target`, beside whatever works with them. No writer
/// waits for it. Old backups are removed once it is whole.
///
/// # Errors
/// Whatever is in the way. Nothing that looks like a backup is left then.
pub async fn create(
    (database, blobs): (&DatabaseConfig, &BlobConfig),
    target: &Path,
    options: CreateOptions,
    clock: Arc<dyn Clock>,
    progress: &Progress,
) -> Result<Created, BackupError> {
    let origin = Origin::of(database)?;
    let target =
        std::path::absolute(target).map_err(|error| BackupError::io("find", target, error))?;
    let now = clock.now();
    let target = blocking(move || Target::open(&target, PURPOSE, now)).await?;
    progress.enter(Stage::Waiting);
    let takes_blobs = options.include_remote || matches!(blobs, BlobConfig::Local { .. });
    let mut no_removals = if takes_blobs {
        let turn = Turn {
            purpose: PURPOSE,
            now: clock.now(),
            wait: options.wait,
        };
        Some(RemovalLock::forbid(database, turn).await?)
    } else {
        None
    };
    let started = clock.now();
    // Root works for whoever owns the directory, and must be able to read and remove what is in it.
    let owner =
        Owner::of(&target.path).map_err(|error| BackupError::io("look at", &target.path, error))?;
    let name = target.free_name(started);
    let incomplete = target.incomplete(&name);
    let work = Work {
        origin,
        database,
        blobs,
        options,
        place: incomplete.clone(),
        owner,
        earlier: earlier_blobs(&target.path, started)?,
        progress,
    };
    let made = async {
        copy::make_directory(&incomplete)?;
        let mut manifest = work.fill().await?;
        // Whoever collects garbage since the lock was lost may have taken away what is copied here in part.
        if let Some(lock) = &mut no_removals {
            lock.check().await?;
        }
        manifest.name.clone_from(&name);
        manifest.started = started;
        manifest.finished = clock.now();
        let path = target.path.join(&name);
        let (from, to, parent) = (incomplete.clone(), path.clone(), target.path.clone());
        let written = manifest.clone();
        blocking(move || {
            write_manifest(&from, &written)?;
            owner
                .take_below(&from)
                .map_err(|error| BackupError::io("change the owner of", &from, error))?;
            copy::sync_file_system(&from)?;
            fs::rename(&from, &to).map_err(|error| BackupError::io("rename to", &to, error))?;
            copy::sync_directory(&parent)
        })
        .await?;
        Ok(Backup { path, manifest })
    };
    let made = made.await;
    if let Some(lock) = no_removals {
        lock.release().await;
    }
    let backup = match made {
        Ok(backup) => backup,
        Err(error) => {
            // What cannot be removed now is recognised as unfinished by its name.
            let _ = fs::remove_dir_all(&incomplete);
            return Err(error);
        }
    };
    let (keep, now) = (options.keep, clock.now());
    let pruned = if keep.is_everything() {
        Ok(Pruned::default())
    } else {
        let made = backup.path.clone();
        blocking(move || target.prune(keep, now, Some(made.as_path()))).await
    };
    Ok(Created { backup, pruned })
}

/// The blobs of the newest backup that has any.
fn earlier_blobs(target: &Path, now: Timestamp) -> Result<Option<PathBuf>, BackupError> {
    let backups = directory::list(target)?;
    if let Some(later) = backups.last().filter(|last| last.manifest.started > now) {
        tracing::warn!(
            path = %later.path.display(),
            "this backup is of a moment that is still to come; it is taken for the newest until then"
        );
    }
    let newest = backups
        .into_iter()
        .rev()
        .find(|backup| backup.manifest.blobs.included);
    Ok(newest.map(|backup| backup.path.join(BLOBS)))
}

struct Work<'a> {
    origin: Origin,
    database: &'a DatabaseConfig,
    blobs: &'a BlobConfig,
    options: CreateOptions,
    place: PathBuf,
    owner: Owner,
    earlier: Option<PathBuf>,
    progress: &'a Progress,
}

impl Work<'_> {
    /// Puts everything but the manifest into the place.
    async fn fill(&self) -> Result<Manifest, BackupError> {
        self.progress.enter(Stage::Database);
        let (mut reader, file) = self.origin.begin(self.database, &self.place).await?;
        if matches!(self.origin, Origin::Sqlite(_))
            && let Some(found) = snapshot::quick_check(&mut reader).await?
        {
            return Err(BackupError::Damaged(format!(
                "the copied database: {found}"
            )));
        }
        let log = change_log::verify_in(&mut reader).await?;
        let migrations = snapshot::applied_migrations(&mut reader).await?;
        let [users, indexes, projects, files] = snapshot::counts(&mut reader).await?;
        let todo = self.note_blobs(&mut reader).await?;
        self.origin.finish(&mut reader, &self.place).await?;
        drop(reader);

        let dumped = self.place.join(file);
        let (sha256, bytes) = blocking(move || {
            copy::digest_of(&dumped).map_err(|error| BackupError::io("read", &dumped, error))
        })
        .await?;
        self.progress.enter(Stage::Blobs);
        let blobs = self.take_blobs(todo).await?;
        self.progress.enter(Stage::Finishing);
        Ok(Manifest {
            format: Manifest::FORMAT,
            cheeseshop: env!("CARGO_PKG_VERSION").to_owned(),
            name: String::new(),
            started: jiff::Timestamp::UNIX_EPOCH,
            finished: jiff::Timestamp::UNIX_EPOCH,
            database: DatabasePart {
                kind: self.origin.kind(),
                file: file.to_owned(),
                bytes,
                sha256,
            },
            migrations,
            serial: log.head.0,
            head_hash: log.head_hash,
            broken_log: log
                .broken
                .map(|found| format!("serial {}: {}", found.serial, found.reason)),
            counts: Counts {
                users,
                indexes,
                projects,
                files,
            },
            blobs,
        })
    }

    /// Writes down what the snapshot names; the digest of that list.
    async fn note_blobs(&self, reader: &mut Reader) -> Result<Sha256, BackupError> {
        let mut list = ListWriter::create(&self.place, TODO_LIST)?;
        let mut newest = None;
        let mut count = 0;
        loop {
            let batch = inventory::list_blobs(reader, BATCH, newest).await?;
            let Some((end, _)) = batch.last() else {
                break;
            };
            newest = Some(*end);
            count += batch.len() as u64;
            for (sha256, size) in batch {
                list.add(&Listed {
                    sha256,
                    size,
                    missing: false,
                })?;
            }
        }
        self.progress.expect(count);
        list.finish()
    }

    /// Brings the blobs of the list here, and writes the list as it came out.
    async fn take_blobs(&self, todo: Sha256) -> Result<BlobPart, BackupError> {
        let todo = ListReader::open(&self.place, TODO_LIST, todo)?;
        let mut taken = Taken {
            part: BlobPart {
                included: true,
                list_sha256: todo.digest(),
                count: 0,
                bytes: 0,
                missing: 0,
                new: 0,
                new_bytes: 0,
            },
            list: ListWriter::create(&self.place, BLOB_LIST)?,
            progress: self.progress.clone(),
        };
        let here = BlobPlace::new(
            self.place.join(BLOBS),
            self.earlier.clone(),
            self.options.verify,
            self.owner,
        );
        let mut part = match self.blobs {
            BlobConfig::Local { path } => {
                let store = path.clone();
                let share = !self.options.copy;
                blocking(move || take_local(todo, here, &store, share, taken)).await?
            }
            BlobConfig::S3(_) if self.options.include_remote => {
                let store = BlobStore::open(self.blobs).await?;
                take_remote(todo, here, &store, taken).await?
            }
            BlobConfig::S3(_) => {
                taken.part.included = false;
                for blob in todo {
                    taken.note(blob?, Source::NotAsked)?;
                }
                taken.finish()?
            }
        };
        let todo = self.place.join(TODO_LIST);
        fs::remove_file(&todo).map_err(|error| BackupError::io("remove", &todo, error))?;
        // Without an earlier backup everything is new, also what the store shares.
        if !part.included {
            (part.new, part.new_bytes) = (0, 0);
        }
        Ok(part)
    }
}

fn write_manifest(place: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = place.join(MANIFEST);
    let failed = |error| BackupError::io("write", &path, error);
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let mut file = copy::create(&path)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// Runs something that blocks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| BackupError::worker(&error))?
}
