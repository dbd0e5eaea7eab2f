//! What mirrors remember between requests, all of it bounded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cheeseshop_domain::{Event, Index, IndexId, MirrorListing};
use cheeseshop_packaging::Sha256;
use cheeseshop_packaging::simple::ProjectPage;
use jiff::Timestamp;
use moka::sync::Cache;

use super::failure::Failure;
use super::names::ProjectNames;

/// How many listings' freshness is remembered; an entry takes about 200 bytes.
const MOST_STATES: u64 = 200_000;

/// How many failures of files are remembered.
const MOST_FAILURES: u64 = 10_000;

/// The key in an event's detail that holds the digest of what was stored.
pub(super) const DOCUMENT: &str = "document";

/// A project of a mirror.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ListingKey {
    pub(super) index: IndexId,
    pub(super) project: Arc<str>,
}

/// What was last found out about a project, and until when that stands.
#[derive(Clone)]
pub(super) struct State {
    pub(super) fresh_until: Timestamp,
    pub(super) standing: Standing,
}

#[derive(Clone)]
pub(super) enum Standing {
    /// There is a listing. `stale`: the upstream does not confirm it; `gone`: it even says that
    /// the project is no more.
    Listed { stale: bool, gone: bool },
    /// The upstream does not have it.
    Absent,
    /// The upstream failed, and nothing is held.
    Unknown(Failure),
}

/// A listing that is held, and the digest of its stored form.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) listing: Arc<MirrorListing>,
    pub(super) digest: Sha256,
}

/// The last list of projects of an upstream.
#[derive(Clone)]
pub(super) struct HeldList {
    pub(super) names: Arc<ProjectNames>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) digest: Option<Sha256>,
}

/// A value that counts only for one upstream and until the index is forgotten.
#[derive(Clone)]
struct Scoped<T> {
    epoch: u64,
    source: Arc<str>,
    value: T,
}

impl<T: Clone> Scoped<T> {
    fn get(&self, scope: &Scope) -> Option<T> {
        (self.epoch == scope.index.epoch && self.source == scope.source).then(|| self.value.clone())
    }
}

/// One mirror's part of the memory.
pub(super) struct IndexMemory {
    name: String,
    epoch: u64,
    paused_until: Mutex<Timestamp>,
    list: Mutex<Option<Scoped<HeldList>>>,
}

/// Under what something is remembered: the mirror as it is now and its upstream.
#[derive(Clone)]
pub(super) struct Scope {
    index: Arc<IndexMemory>,
    source: Arc<str>,
}

/// The memory of all mirrors.
pub(super) struct Memory {
    indexes: RwLock<HashMap<IndexId, Arc<IndexMemory>>>,
    next_epoch: AtomicU64,
    states: Cache<ListingKey, Scoped<State>>,
    documents: Cache<ListingKey, Scoped<Held>>,
    failures: Cache<String, (Timestamp, Failure)>,
}

impl Memory {
    /// Listings take at most about `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            indexes: RwLock::default(),
            next_epoch: AtomicU64::new(0),
            states: Cache::new(MOST_STATES),
            documents: Cache::builder()
                .max_capacity(bytes)
                .weigher(|_, held: &Scoped<Held>| weight(&held.value.listing.page))
                .build(),
            failures: Cache::new(MOST_FAILURES),
        }
    }

    /// The scope of what is learned from now on. Taken before the upstream is asked: what was
    /// asked before [`Memory::forget`] is then not remembered.
    pub(super) fn scope(&self, index: &Index, source: &Arc<str>) -> Scope {
        let known = self
            .indexes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&index.id)
            .cloned();
        let memory = known.unwrap_or_else(|| {
            let mut indexes = self.indexes.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(indexes.entry(index.id).or_insert_with(|| {
                Arc::new(IndexMemory {
                    name: index.name.to_string(),
                    epoch: self.next_epoch.fetch_add(1, Ordering::Relaxed),
                    paused_until: Mutex::new(Timestamp::MIN),
                    list: Mutex::default(),
                })
            }))
        });
        Scope {
            index: memory,
            source: Arc::clone(source),
        }
    }

    /// Whether what was learned under this scope still counts.
    pub(super) fn is_current(&self, index: IndexId, scope: &Scope) -> bool {
        self.indexes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&index)
            .is_some_and(|memory| memory.epoch == scope.index.epoch)
    }

    /// What is known of a project, if that still stands.
    pub(super) fn state(&self, key: &ListingKey, scope: &Scope, now: Timestamp) -> Option<State> {
        self.states
            .get(key)?
            .get(scope)
            .filter(|state| now < state.fresh_until)
    }

    pub(super) fn remember(&self, key: &ListingKey, scope: &Scope, state: State) {
        self.states.insert(
            key.clone(),
            Scoped {
                epoch: scope.index.epoch,
                source: Arc::clone(&scope.source),
                value: state,
            },
        );
    }

    pub(super) fn document(&self, key: &ListingKey, scope: &Scope) -> Option<Held> {
        self.documents.get(key)?.get(scope)
    }

    pub(super) fn remember_document(&self, key: &ListingKey, scope: &Scope, held: Held) {
        self.documents.insert(
            key.clone(),
            Scoped {
                epoch: scope.index.epoch,
                source: Arc::clone(&scope.source),
                value: held,
            },
        );
    }

    /// The last list of projects, however old.
    pub(super) fn list(scope: &Scope) -> Option<HeldList> {
        let list = scope.index.list.lock();
        list.unwrap_or_else(PoisonError::into_inner)
            .as_ref()?
            .get(scope)
    }

    pub(super) fn remember_list(scope: &Scope, list: HeldList) {
        let scoped = Scoped {
            epoch: scope.index.epoch,
            source: Arc::clone(&scope.source),
            value: list,
        };
        let mut held = scope
            .index
            .list
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *held = Some(scoped);
    }

    /// Until when the upstream is left alone because nothing answered there.
    pub(super) fn paused_until(scope: &Scope) -> Timestamp {
        *scope
            .index
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pause(scope: &Scope, until: Timestamp) {
        *scope
            .index
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// A recent failure of a file or of its metadata, as it would be told now.
    pub(super) fn failure(&self, resource: &str, now: Timestamp) -> Option<Failure> {
        let (until, failure) = self.failures.get(resource)?;
        (now < until).then(|| failure.told_at(now, until))
    }

    pub(super) fn remember_failure(&self, resource: String, until: Timestamp, failure: Failure) {
        self.failures.insert(resource, (until, failure));
    }

    /// Forgets all about an index.
    pub(super) fn forget(&self, index: IndexId) {
        // What is left of it in the caches has an epoch that nobody asks for any more.
        self.indexes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&index);
    }

    /// Forgets all about a user's indexes.
    pub(super) fn forget_user(&self, user: &str) {
        self.indexes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, memory| memory.name.split('/').next() != Some(user));
    }

    pub(super) fn forget_named(&self, (user, index): (&str, &str)) {
        if let Some(id) = self.find(user, index) {
            self.forget(id);
        }
    }

    /// Another node (or this one) stored a listing: what is remembered is outdated, unless it is
    /// the very same document.
    pub(super) fn on_listing_changed(&self, event: &Event) {
        let (Some((user, index)), Some(project)) = (event.index(), event.project()) else {
            return;
        };
        let Some(index) = self.find(user, index) else {
            return;
        };
        let key = ListingKey {
            index,
            project: project.into(),
        };
        let same = self
            .documents
            .get(&key)
            .is_some_and(|held| is_document(event, &held.value.digest));
        if !same {
            self.documents.invalidate(&key);
            self.states.invalidate(&key);
        }
    }

    /// As [`Memory::on_listing_changed`], for the list of projects.
    pub(super) fn on_list_changed(&self, event: &Event) {
        let Some(id) = event
            .index()
            .and_then(|(user, index)| self.find(user, index))
        else {
            return;
        };
        let indexes = self.indexes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = indexes.get(&id) {
            let mut list = memory.list.lock().unwrap_or_else(PoisonError::into_inner);
            let same = list
                .as_ref()
                .and_then(|list| list.value.digest)
                .is_some_and(|digest| is_document(event, &digest));
            if !same {
                *list = None;
            }
        }
    }

    fn find(&self, user: &str, index: &str) -> Option<IndexId> {
        let indexes = self.indexes.read().unwrap_or_else(PoisonError::into_inner);
        indexes
            .iter()
            .find(|(_, memory)| memory.name.split_once('/') == Some((user, index)))
            .map(|(id, _)| *id)
    }
}

fn is_document(event: &Event, digest: &Sha256) -> bool {
    event
        .detail
        .get(DOCUMENT)
        .and_then(serde_json::Value::as_str)
        .is_some_and(|text| text == digest.to_string())
}

/// About how many bytes of memory a listing takes.
fn weight(page: &ProjectPage) -> u32 {
    let files: usize = page
        .files
        .iter()
        .map(|file| {
            size_of_val(file)
                + file.filename.len()
                + file.url.len()
                + file.hashes.len() * 80
                + file.requires_python.as_ref().map_or(0, String::len)
                // A digest of the core metadata, a provenance address, allocations.
                + 192
        })
        .sum();
    let versions: usize = page.versions.iter().map(|version| version.len() + 40).sum();
    u32::try_from(files + versions + 512).unwrap_or(u32::MAX)
}
