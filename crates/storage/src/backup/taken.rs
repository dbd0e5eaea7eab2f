//! The blobs of a backup that is being made: from an earlier one, from the store, or from nowhere.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cheeseshop_packaging::hash::Sha256;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::Digest as _;

use super::blob_list::{ListReader, ListWriter, Listed};
use super::copy::{self, Got};
use super::manifest::BlobPart;
use super::{BackupError, Progress};
use crate::blobs::BlobStore;
use crate::owner::Owner;

/// Blobs that are looked at together.
const BATCH: usize = 1000;

/// Blobs that are fetched from an object store at the same time.
const FETCHES: usize = 8;

/// Where a blob of the backup came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Earlier,
    Store,
    Nowhere,
    NotAsked,
}

/// What was taken so far.
pub(super) struct Taken {
    pub(super) part: BlobPart,
    pub(super) list: ListWriter,
    pub(super) progress: Progress,
}

impl Taken {
    pub(super) fn note(&mut self, mut blob: Listed, source: Source) -> Result<(), BackupError> {
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

    pub(super) fn finish(mut self) -> Result<BlobPart, BackupError> {
        self.part.list_sha256 = self.list.finish()?;
        Ok(self.part)
    }
}

/// The blobs of the backup that is being made.
pub(super) struct BlobPlace {
    place: PathBuf,
    earlier: Option<PathBuf>,
    made: HashSet<String>,
    verify: bool,
    /// To whom the backup is to belong.
    owner: Owner,
}

impl BlobPlace {
    /// Into a directory; shared with those of an earlier backup, if there is one.
    pub(super) fn new(
        place: PathBuf,
        earlier: Option<PathBuf>,
        verify: bool,
        owner: Owner,
    ) -> Self {
        Self {
            place,
            earlier,
            made: HashSet::new(),
            verify,
            owner,
        }
    }

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
        self.link(&source, target, blob)
    }

    /// Shares a blob with a file of that size, and of its bytes if they are to be read.
    fn link(&self, source: &Path, target: &Path, blob: &Listed) -> Result<bool, BackupError> {
        if !self.owner.may_share(source) || copy::link(source, target, blob.size)? != Got::Linked {
            return Ok(false);
        }
        if !self.verify {
            return Ok(true);
        }
        if copy::digest_of(target).is_ok_and(|(found, _)| found == blob.sha256) {
            return Ok(true);
        }
        tracing::warn!(path = %source.display(), "damaged: it does not have the bytes that its name promises");
        fs::remove_file(target).map_err(|error| BackupError::io("remove", target, error))?;
        Ok(false)
    }
}

/// Where a blob lies below a directory of blobs.
pub(super) fn blob_in(blobs: &Path, sha256: &Sha256) -> PathBuf {
    let (directory, name) = crate::blobs::key_parts(sha256);
    blobs.join(directory).join(name)
}

/// Takes blobs from a directory, which may `share` them. Blocks.
pub(super) fn take_local(
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
        let is_linked = share && here.link(&source, &target, &blob)?;
        let is_there = is_linked
            || matches!(
                copy::copy(&source, &target, &blob.sha256, share)?,
                Got::Copied
            );
        let from = if is_there {
            Source::Store
        } else {
            Source::Nowhere
        };
        taken.note(blob, from)?;
    }
    taken.finish()
}

/// Fetches blobs from an object store.
pub(super) async fn take_remote(
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
