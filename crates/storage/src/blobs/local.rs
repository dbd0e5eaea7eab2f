//! Blobs in a directory.
//!
//! `ab/<digest>` below the root; `tmp/` for what comes in and `trash/` for what goes out,
//! both on the same file system so that every move is one atomic rename.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use cheeseshop_packaging::hash::Sha256;
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;

use super::buffers::Buffers;
use super::spool::{TempArea, TempFile, make_directory};
use super::{Blob, BlobEntry, BlobError, CHUNK, Removal, StoredBlob, key};

const TEMPORARY: &str = "tmp";
const TRASH: &str = "trash";

/// Entries that are handed over at once when listing.
const LIST_BATCH: usize = 256;

type Entries = Pin<Box<dyn Stream<Item = Result<BlobEntry, BlobError>> + Send>>;

/// Blobs in a directory. Cheap to clone.
#[derive(Clone)]
pub(super) struct LocalStore(Arc<Inner>);

struct Inner {
    root: PathBuf,
    area: TempArea,
    buffers: Buffers,
    durable: DurableDirectories,
    /// One lock per directory of blobs: putting a blob and throwing it away exclude each
    /// other within this process, for the microseconds of a rename.
    places: Vec<Mutex<()>>,
    trashed: AtomicU64,
    /// One [`LocalStore::check_alive`] at a time.
    checking: Arc<tokio::sync::Mutex<()>>,
}

impl LocalStore {
    pub(super) async fn open(root: PathBuf) -> Result<Self, BlobError> {
        blocking("open", move || {
            make_directory(&root)?;
            // Without this a store made just now, and everything in it, could vanish with the
            // power. The parent may be none of ours to open; then there was nothing to make.
            if let Some(parent) = root.parent().filter(|parent| parent.is_dir()) {
                let _ = sync_directory(parent);
            }
            let area = TempArea::open(&root.join(TEMPORARY))?;
            make_directory(&root.join(TRASH))?;
            let inner = Inner {
                area,
                buffers: Buffers::default(),
                durable: DurableDirectories::default(),
                places: (0..key::SHARDS).map(|_| Mutex::new(())).collect(),
                trashed: AtomicU64::new(0),
                checking: Arc::default(),
                root,
            };
            inner.probe()?;
            inner.refuse_old_layout()?;
            inner.empty_trash()?;
            Ok(Self(Arc::new(inner)))
        })
        .await
    }

    /// Where a blob lies, if it is there.
    pub(super) fn path(&self, digest: &Sha256) -> PathBuf {
        self.0.path(digest)
    }

    pub(super) fn area(&self) -> &TempArea {
        &self.0.area
    }

    /// Looks whether the directory is there and takes files.
    pub(super) async fn check_alive(&self) -> Result<(), BlobError> {
        // The lock is held by the thread, so that a dead network mount holds one thread and not
        // one for every time that somebody asks.
        let lock = Arc::clone(&self.0.checking).lock_owned().await;
        let inner = Arc::clone(&self.0);
        blocking("check", move || {
            let _lock = lock;
            drop(TempFile::create(inner.area.reserve())?);
            inner.check_listing()
        })
        .await
    }

    pub(super) fn buffers(&self) -> &Buffers {
        &self.0.buffers
    }

    pub(super) async fn keep(&self, file: TempFile, blob: StoredBlob) -> Result<(), BlobError> {
        let inner = Arc::clone(&self.0);
        blocking("keep", move || inner.keep(file, &blob.sha256)).await
    }

    pub(super) async fn open_blob(&self, digest: &Sha256) -> Result<Option<Blob>, BlobError> {
        let inner = Arc::clone(&self.0);
        let digest = *digest;
        blocking("open", move || {
            let path = inner.path(&digest);
            inner
                .open_blob(&path)
                .or_else(|error| absent_or(error, || None))
                .map_err(|source| BlobError::io("read", path.display(), source))
        })
        .await
    }

    pub(super) async fn exists(&self, digest: &Sha256) -> Result<bool, BlobError> {
        let path = self.0.path(digest);
        blocking("look for", move || {
            path.try_exists()
                .map_err(|source| BlobError::io("look for", path.display(), source))
        })
        .await
    }

    pub(super) async fn remove(&self, digest: &Sha256) -> Result<bool, BlobError> {
        let removal = self.throw_away(*digest, None).await?;
        Ok(removal == Removal::Removed)
    }

    pub(super) async fn remove_if_older(
        &self,
        digest: &Sha256,
        cutoff: Timestamp,
    ) -> Result<Removal, BlobError> {
        self.throw_away(*digest, Some(cutoff)).await
    }

    pub(super) fn list(&self) -> Entries {
        // One batch waits while the next is collected; a consumer that goes away ends the walk.
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            if let Err(Stop::Failed(error)) = inner.walk(&sender) {
                let _ = sender.blocking_send(vec![Err(error)]);
            }
        });
        stream::unfold(receiver, async |mut receiver| {
            let batch = receiver.recv().await?;
            Some((stream::iter(batch), receiver))
        })
        .flatten()
        .boxed()
    }

    async fn throw_away(
        &self,
        digest: Sha256,
        cutoff: Option<Timestamp>,
    ) -> Result<Removal, BlobError> {
        let inner = Arc::clone(&self.0);
        blocking("remove", move || {
            let path = inner.path(&digest);
            inner
                .throw_away(&digest, &path, cutoff)
                .map_err(|source| BlobError::io("remove", path.display(), source))
        })
        .await
    }
}

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.root.fmt(formatter)
    }
}

impl Inner {
    fn path(&self, digest: &Sha256) -> PathBuf {
        key::directory(&self.root, digest).join(digest.to_string())
    }

    fn place(&self, digest: &Sha256) -> MutexGuard<'_, ()> {
        let place = &self.places[key::shard(digest)];
        place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries whether this store can be written and synced, before anybody relies on it.
    fn probe(&self) -> Result<(), BlobError> {
        let mut file = TempFile::create(self.area.reserve())?;
        let written = file
            .write_all(&[Bytes::from_static(b"probe")])
            .and_then(|()| {
                file.file()
                    .sync_data()
                    .map_err(|source| BlobError::io("sync", file.path().display(), source))
            });
        match written {
            // What is there can be read, and whoever makes room by removing garbage must get in.
            Err(error @ BlobError::Full { .. }) => tracing::warn!(%error, "nothing can be added"),
            written => written?,
        }
        self.check_listing()
    }

    fn check_listing(&self) -> Result<(), BlobError> {
        // Listing needs another permission than writing.
        fs::read_dir(&self.root)
            .map(drop)
            .map_err(|source| BlobError::io("list", self.root.display(), source))
    }

    fn open_blob(&self, path: &Path) -> io::Result<Option<Blob>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        if size > CHUNK as u64 {
            return Ok(Some(Blob::from_file(file, size, self.buffers.clone())));
        }
        // One byte more shows a file that is longer than it was a moment ago, which cannot be
        // unless somebody writes into the store.
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(CHUNK) + 1);
        (&file).take(size + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Blob::from_bytes(bytes.into())))
    }

    fn keep(&self, mut file: TempFile, digest: &Sha256) -> Result<(), BlobError> {
        // The age of a blob counts from here and not from its last byte.
        file.file()
            .set_modified(file_time())
            .and_then(|()| file.file().sync_data())
            .map_err(|source| BlobError::io("sync", file.path().display(), source))?;
        let directory = key::directory(&self.root, digest);
        let target = directory.join(digest.to_string());
        let mut known = self.durable.contains(digest);
        if !known {
            make_directory(&directory)?;
        }
        if let Err(error) = self.rename(&mut file, digest, &target) {
            // Somebody tidied empty directories away behind our back.
            if error.kind() != io::ErrorKind::NotFound {
                return Err(BlobError::io("rename to", target.display(), error));
            }
            known = false;
            make_directory(&directory)?;
            self.rename(&mut file, digest, &target)
                .map_err(|source| BlobError::io("rename to", target.display(), source))?;
        }
        sync_directory(&directory)?;
        if !known {
            sync_directory(&self.root)?;
            self.durable.insert(digest);
        }
        Ok(())
    }

    fn rename(&self, file: &mut TempFile, digest: &Sha256, target: &Path) -> io::Result<()> {
        let _place = self.place(digest);
        file.rename(target)
    }

    /// Moves the blob to the trash, looks at it there, and brings it back when it is too young.
    ///
    /// Looking first and removing then would lose a blob that another process puts in between;
    /// whatever has been moved to the trash cannot be replaced any more.
    fn throw_away(
        &self,
        digest: &Sha256,
        path: &Path,
        cutoff: Option<Timestamp>,
    ) -> io::Result<Removal> {
        let number = self.trashed.fetch_add(1, Ordering::Relaxed);
        let trash = self
            .root
            .join(TRASH)
            .join(format!("{digest}-{}-{number}", std::process::id()));
        let _place = self.place(digest);
        let young = |path: &Path| -> io::Result<bool> {
            let Some(cutoff) = cutoff else {
                return Ok(false);
            };
            Ok(modified(&fs::metadata(path)?)? >= cutoff)
        };
        match young(path) {
            Ok(true) => return Ok(Removal::Spared),
            Ok(false) => {}
            Err(error) => return absent_or(error, || Removal::Absent),
        }
        if let Err(error) = fs::rename(path, &trash) {
            return absent_or(error, || Removal::Absent);
        }
        if young(&trash)? {
            restore(&trash, path)?;
            return Ok(Removal::Spared);
        }
        match fs::remove_file(&trash) {
            Ok(()) => Ok(Removal::Removed),
            // A process that started just now took it for the leftover of a crash.
            Err(error) => absent_or(error, || Removal::Spared),
        }
    }

    /// Puts back what a crash left in the trash: whether it was to go or to return is not
    /// known, and garbage is found again.
    fn empty_trash(&self) -> Result<(), BlobError> {
        let trash = self.root.join(TRASH);
        let failed = |source| BlobError::io("put back", trash.display(), source);
        for entry in fs::read_dir(&trash).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| key::parse(name.get(..64)?));
            let Some(digest) = digest else { continue };
            let _place = self.place(&digest);
            match restore(&entry.path(), &self.path(&digest)) {
                // Another process is at work here and has finished with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                restored => restored.map_err(failed)?,
            }
        }
        Ok(())
    }

    /// Blobs two directories deep would not be found: better no store than one that looks empty.
    fn refuse_old_layout(&self) -> Result<(), BlobError> {
        for shard in shard_names(&self.root)? {
            let shard = self.root.join(shard);
            let failed = |source| BlobError::io("list", shard.display(), source);
            for entry in list_directory(&shard)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                let name = name.to_str().unwrap_or_default();
                if key::parse(name).is_some() {
                    // A store has one layout; what else is here need not be read.
                    return Ok(());
                }
                if key::is_shard(name) && entry.file_type().map_err(failed)?.is_dir() {
                    return Err(BlobError::old_layout(entry.path().display()));
                }
            }
        }
        Ok(())
    }

    fn walk(&self, sender: &Sender) -> Result<(), Stop> {
        let mut batch = Vec::with_capacity(LIST_BATCH);
        for shard in shard_names(&self.root)? {
            list_shard(&self.root.join(shard), |entry| {
                batch.push(Ok(entry));
                if batch.len() < LIST_BATCH {
                    return Ok(());
                }
                send(sender, std::mem::take(&mut batch))
            })?;
        }
        send(sender, batch)
    }
}

type Batch = Vec<Result<BlobEntry, BlobError>>;
type Sender = tokio::sync::mpsc::Sender<Batch>;

/// Why a walk ended early.
enum Stop {
    NobodyListens,
    Failed(BlobError),
}

impl From<BlobError> for Stop {
    fn from(error: BlobError) -> Self {
        Self::Failed(error)
    }
}

fn send(sender: &Sender, batch: Batch) -> Result<(), Stop> {
    sender.blocking_send(batch).map_err(|_| Stop::NobodyListens)
}

/// The two-digit directories in a directory, sorted; none when it is gone.
fn shard_names(directory: &Path) -> Result<Vec<String>, BlobError> {
    let failed = |source| BlobError::io("list", directory.display(), source);
    let mut names = Vec::new();
    for entry in list_directory(directory)? {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string()
            && key::is_shard(&name)
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Calls back with every blob in a directory.
fn list_shard(
    directory: &Path,
    mut found: impl FnMut(BlobEntry) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let failed = |source| BlobError::io("list", directory.display(), source);
    for entry in list_directory(directory)? {
        let entry = entry.map_err(failed)?;
        let Some(sha256) = entry.file_name().to_str().and_then(key::parse) else {
            tracing::debug!(path = %entry.path().display(), "not a blob; left alone");
            continue;
        };
        let blob = entry.metadata().and_then(|metadata| {
            Ok(BlobEntry {
                sha256,
                size: metadata.len(),
                modified: modified(&metadata)?,
            })
        });
        match blob {
            Ok(blob) => found(blob)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error).into()),
        }
    }
    Ok(())
}

/// What is in a directory; nothing when it does not exist (any more).
fn list_directory(
    directory: &Path,
) -> Result<impl Iterator<Item = io::Result<fs::DirEntry>>, BlobError> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(BlobError::io("list", directory.display(), error)),
    }
}

/// Links a file back to its place unless there is a newer one, and takes it out of the trash.
fn restore(trash: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(trash, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::remove_file(trash)
}

fn absent_or<T>(error: io::Error, absent: impl FnOnce() -> T) -> io::Result<T> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(absent())
    } else {
        Err(error)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the machine stamps files with its own time, and ages are told by these stamps"
)]
pub(super) fn file_time() -> SystemTime {
    SystemTime::now()
}

fn modified(metadata: &fs::Metadata) -> io::Result<Timestamp> {
    Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)
}

fn sync_directory(directory: &Path) -> Result<(), BlobError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| BlobError::io("sync", directory.display(), source))
}

/// Runs something that blocks.
pub(super) async fn blocking<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| BlobError::worker(action, &error))?
}

/// The directories whose existence this process has made sure of: one bit for each.
struct DurableDirectories(Vec<AtomicU64>);

impl Default for DurableDirectories {
    fn default() -> Self {
        Self((0..key::SHARDS / 64).map(|_| AtomicU64::new(0)).collect())
    }
}

impl DurableDirectories {
    fn contains(&self, digest: &Sha256) -> bool {
        let shard = key::shard(digest);
        self.0[shard / 64].load(Ordering::Acquire) & (1 << (shard % 64)) != 0
    }

    fn insert(&self, digest: &Sha256) {
        let shard = key::shard(digest);
        self.0[shard / 64].fetch_or(1 << (shard % 64), Ordering::Release);
    }
}
