//! How far an import is, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How far an import is. A handle: clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    place: Mutex<Place>,
    projects: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Place {
    index: String,
    projects: Option<u64>,
}

/// The numbers at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgressNow {
    /// The index whose contents are being read, `user/index`; empty before the first.
    pub index: String,
    /// How many projects that index has in the source, if known.
    pub index_projects: Option<u64>,
    /// How many projects of that index are done.
    pub projects: u64,
    /// How many files (documentation and test results too) of all indexes were looked at.
    pub files: u64,
    /// How many bytes were read of them.
    pub bytes: u64,
}

impl Progress {
    /// Nothing done.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where things stand.
    pub fn now(&self) -> ProgressNow {
        let place = self.place().clone();
        ProgressNow {
            index: place.index,
            index_projects: place.projects,
            projects: self.0.projects.load(Ordering::Relaxed),
            files: self.0.files.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
        }
    }

    /// The contents of an index begin.
    pub fn begin_index(&self, index: &str, projects: Option<u64>) {
        let mut place = self.place();
        index.clone_into(&mut place.index);
        place.projects = projects;
        self.0.projects.store(0, Ordering::Relaxed);
    }

    /// A project of that index is done.
    pub fn project_done(&self) {
        self.0.projects.fetch_add(1, Ordering::Relaxed);
    }

    /// A file was looked at, and so many bytes of it read.
    pub fn file_done(&self, bytes: u64) {
        self.0.files.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Place> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
