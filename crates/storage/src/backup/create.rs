//! Making a backup.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cheeseshop_domain::Clock;
use cheeseshop_packaging::hash::Sha256;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::Digest as _;

use super::blob_list::{ListReader, ListWriter, Listed};
use super::copy::{self, Got};
use super::directory::{self, Target};
use super::dump::Origin;
use super::manifest::{BlobPart, Counts, DatabasePart};
use super::{
    BLOB_LIST, BLOBS, Backup, BackupError, Keep, MANIFEST, Manifest, Progress, Pruned, Stage,
};
use crate::blobs::{BlobConfig, BlobStore, RemovalLock};
use crate::config::DatabaseConfig;
use crate::database::{Reader, change_log, inventory, snapshot};

/// What the database names, before it is known what the store has of it.
const TODO_LIST: &str = ".blobs.todo";

/// Rows of a list that are read at once.
const BATCH: usize = 1000;

/// Blobs that are fetched from an object store at the same time.
const FETCHES: usize = 8;

/// How a backup is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateOptions {
    /// Copy the bytes of every blob that no earlier backup has, also where the store is on the same file
    /// system and could share them.
    pub copy: bool,
    /// Fetch the blobs of an object store as well; else only their list is made.
    pub include_remote: bool,
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
    let target = blocking(move || Target::open(&target)).await?;
    progress.enter(Stage::Waiting);
    let _no_removals = match blobs {
        BlobConfig::Local { path } if path.is_dir() => {
            let waiting = || tracing::info!("garbage is being collected; the backup waits for it");
            Some(RemovalLock::forbid(path, waiting).await?)
        }
        BlobConfig::Local { .. } | BlobConfig::S3(_) => None,
    };
    let started = clock.now();
    let name = target.free_name(started);
    let incomplete = target.incomplete(&name);
    let work = Work {
        origin,
        database,
        blobs,
        options,
        place: incomplete.clone(),
        earlier: earlier_blobs(&target.path)?,
        progress,
    };
    let made = async {
        copy::make_directory(&incomplete)?;
        let mut manifest = work.fill().await?;
        manifest.name.clone_from(&name);
        manifest.started = started;
        manifest.finished = clock.now();
        let path = target.path.join(&name);
        let (from, to, parent) = (incomplete.clone(), path.clone(), target.path.clone());
        let written = manifest.clone();
        blocking(move || {
            write_manifest(&from, &written)?;
            copy::sync_file_system(&from)?;
            fs::rename(&from, &to).map_err(|error| BackupError::io("rename to", &to, error))?;
            copy::sync_directory(&parent)
        })
        .await?;
        Ok(Backup { path, manifest })
    };
    let backup = match made.await {
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
fn earlier_blobs(target: &Path) -> Result<Option<PathBuf>, BackupError> {
    let backups = directory::list(target)?;
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
        let here = BlobPlace {
            place: self.place.join(BLOBS),
            earlier: self.earlier.clone(),
            made: HashSet::new(),
        };
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

/// Where a blob of the backup came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Earlier,
    Store,
    Nowhere,
    NotAsked,
}

/// What was taken so far.
struct Taken {
    part: BlobPart,
    list: ListWriter,
    progress: Progress,
}

impl Taken {
    fn note(&mut self, mut blob: Listed, source: Source) -> Result<(), BackupError> {
        self.part.count += 1;
        self.part.bytes += blob.size;
        match source {
            Source::Earlier | Source::NotAsked => {}
            Source::Store => {
                self.part.new += 1;
                self.part.new_bytes += blob.size;
            }
            Source::Nowhere => {
                blob.missing = true;
                self.part.missing += 1;
            }
        }
        self.progress.add(blob.size);
        self.list.add(&blob)
    }

    fn finish(mut self) -> Result<BlobPart, BackupError> {
        self.part.list_sha256 = self.list.finish()?;
        Ok(self.part)
    }
}

/// The blobs of the backup that is being made.
struct BlobPlace {
    place: PathBuf,
    earlier: Option<PathBuf>,
    made: HashSet<String>,
}

impl BlobPlace {
    /// Where a blob goes; its directory is made.
    fn place(&mut self, blob: &Listed) -> Result<PathBuf, BackupError> {
        let (directory, name) = crate::blobs::key_parts(&blob.sha256);
        let path = self.place.join(&directory);
        if self.made.insert(directory) {
            copy::make_directory(&path)?;
        }
        Ok(path.join(name))
    }

    /// Shares a blob with the earlier backup, if that has it.
    fn share(&self, blob: &Listed, target: &Path) -> Result<bool, BackupError> {
        let Some(earlier) = &self.earlier else {
            return Ok(false);
        };
        let source = blob_in(earlier, &blob.sha256);
        Ok(copy::link(&source, target, blob.size)? == Got::Linked)
    }
}

/// Where a blob lies below a directory of blobs.
pub(super) fn blob_in(blobs: &Path, sha256: &Sha256) -> PathBuf {
    let (directory, name) = crate::blobs::key_parts(sha256);
    blobs.join(directory).join(name)
}

fn take_local(
    todo: ListReader,
    mut here: BlobPlace,
    store: &Path,
    share: bool,
    mut taken: Taken,
) -> Result<BlobPart, BackupError> {
    for blob in todo {
        let blob = blob?;
        let target = here.place(&blob)?;
        if here.share(&blob, &target)? {
            taken.note(blob, Source::Earlier)?;
            continue;
        }
        let source = blob_in(store, &blob.sha256);
        let linked = if share {
            copy::link(&source, &target, blob.size)?
        } else {
            Got::Absent
        };
        let got = match linked {
            Got::Linked => Got::Linked,
            _ => copy::copy(&source, &target, &blob.sha256)?,
        };
        let source = match got {
            Got::Linked | Got::Copied => Source::Store,
            Got::Absent | Got::Wrong => Source::Nowhere,
        };
        taken.note(blob, source)?;
    }
    taken.finish()
}

async fn take_remote(
    todo: ListReader,
    mut here: BlobPlace,
    store: &BlobStore,
    mut taken: Taken,
) -> Result<BlobPart, BackupError> {
    let mut fetches = Vec::with_capacity(BATCH);
    let mut todo = todo.fuse();
    loop {
        for blob in todo.by_ref().take(BATCH) {
            let blob = blob?;
            let target = here.place(&blob)?;
            let is_there = here.share(&blob, &target)?;
            fetches.push((blob, target, is_there));
        }
        if fetches.is_empty() {
            return taken.finish();
        }
        let mut done = stream::iter(fetches.drain(..))
            .map(async |(blob, target, is_there)| {
                let source = if is_there {
                    Source::Earlier
                } else {
                    fetch(store, &blob, &target).await?
                };
                Ok::<_, BackupError>((blob, source))
            })
            .buffered(FETCHES);
        while let Some((blob, source)) = done.try_next().await? {
            taken.note(blob, source)?;
        }
    }
}

async fn fetch(store: &BlobStore, blob: &Listed, target: &Path) -> Result<Source, BackupError> {
    let Some(opened) = store.open_stored(&blob.sha256).await? else {
        return Ok(Source::Nowhere);
    };
    let mut file = copy::create(target)?;
    let mut hasher = sha2::Sha256::new();
    let mut chunks = opened.read_all();
    while let Some(chunk) = chunks
        .try_next()
        .await
        .map_err(|error| BackupError::io("fetch", target, error))?
    {
        hasher.update(&chunk);
        let written = tokio::task::block_in_place(|| file.write_all(&chunk));
        written.map_err(|error| BackupError::io("write", target, error))?;
    }
    if Sha256(hasher.finalize().into()) == blob.sha256 {
        return Ok(Source::Store);
    }
    fs::remove_file(target).map_err(|error| BackupError::io("remove", target, error))?;
    Ok(Source::Nowhere)
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
