//! Garbage collection and backups exclude each other.
//!
//! A backup copies what a snapshot of the database names. A blob whose last row went after that snapshot
//! is garbage to everybody else, and as old as its upload: no grace period saves it. So whoever copies
//! forbids removals, and whoever removes waits. The lock lies beside the blobs, where all processes of a
//! local store find it, also those of other machines that have mounted it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{Backend, BlobError, BlobStore};
use crate::owner::open_lock;

/// The lock's file below the root of a local store.
const LOCK_FILE: &str = "gc.lock";

/// Removals are forbidden, or this process's turn, for as long as this lives. The system lets go when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct RemovalLock {
    /// `None` where there is nothing to lock: an object store, a file system without locks.
    _file: Option<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forbid,
    Remove,
}

impl RemovalLock {
    /// Forbids removals from the local store in a directory. Any number may do so at once. `waiting` is
    /// called when a collection is under way, whose end is waited for.
    ///
    /// # Errors
    /// A lock that cannot be had for another reason.
    pub async fn forbid(
        root: &Path,
        waiting: impl FnOnce() + Send + 'static,
    ) -> Result<Self, BlobError> {
        lock(root.to_owned(), Way::Forbid, waiting).await
    }
}

impl BlobStore {
    /// Takes the turn to remove blobs: as long as the result lives, no backup is made of a local store.
    /// `waiting` is called when one is under way, whose end is waited for. An object store has no lock: what goes
    /// while a backup fetches its blobs is missing in that, which says so.
    ///
    /// # Errors
    /// A lock that cannot be had for another reason.
    pub async fn turn_to_remove(
        &self,
        waiting: impl FnOnce() + Send + 'static,
    ) -> Result<RemovalLock, BlobError> {
        match self.backend() {
            Backend::Local(store) => lock(store.root().to_owned(), Way::Remove, waiting).await,
            Backend::S3(_) => Ok(RemovalLock { _file: None }),
        }
    }
}

async fn lock(
    root: PathBuf,
    way: Way,
    waiting: impl FnOnce() + Send + 'static,
) -> Result<RemovalLock, BlobError> {
    super::local::blocking("lock", move || {
        let place = root.join(LOCK_FILE);
        let failed = |error| BlobError::io("lock", place.display(), error);
        let file = open_lock(&place, &root).map_err(failed)?;
        let at_once = match way {
            Way::Forbid => file.try_lock_shared(),
            Way::Remove => file.try_lock(),
        };
        let locked = match at_once {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                waiting();
                match way {
                    Way::Forbid => file.lock_shared(),
                    Way::Remove => file.lock(),
                }
            }
            Err(TryLockError::Error(error)) => Err(error),
        };
        match locked {
            Ok(()) => Ok(RemovalLock { _file: Some(file) }),
            // Some network file systems know no locks; nobody can be kept out there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(RemovalLock { _file: None })
            }
            Err(error) => Err(failed(error)),
        }
    })
    .await
}
