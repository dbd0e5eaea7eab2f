//! How far a backup is, for those who watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// A collection of garbage runs, and is waited for.
    Waiting = 0,
    /// The database.
    Database = 1,
    /// Blobs.
    Blobs = 2,
    /// Bringing everything to the disk, checking the end.
    Finishing = 3,
}

/// How far it is. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stage: AtomicU8,
    blobs: AtomicU64,
    all_blobs: AtomicU64,
    bytes: AtomicU64,
}

/// How far it is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressNow {
    /// What is being done.
    pub stage: Stage,
    /// Blobs that are done.
    pub blobs: u64,
    /// All blobs; 0 while that is not known.
    pub all_blobs: u64,
    /// Bytes of the blobs that are done.
    pub bytes: u64,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How far it is.
    pub fn now(&self) -> ProgressNow {
        ProgressNow {
            stage: match self.0.stage.load(Ordering::Relaxed) {
                0 => Stage::Waiting,
                1 => Stage::Database,
                2 => Stage::Blobs,
                _ => Stage::Finishing,
            },
            blobs: self.0.blobs.load(Ordering::Relaxed),
            all_blobs: self.0.all_blobs.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.0.stage.store(stage as u8, Ordering::Relaxed);
    }

    pub(super) fn expect(&self, blobs: u64) {
        self.0.all_blobs.store(blobs, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.blobs.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
