//! What mirrors remember between requests, all of it bounded.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cheeseshop_domain::{Event, Index, IndexId, MirrorListing};
use cheeseshop_packaging::Sha256;
use cheeseshop_packaging::simple::ProjectPage;
use jiff::Timestamp;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::failure::Failure;
use super::names::ProjectNames;

/// How many listings' freshness is remembered; an entry takes about 200 bytes.
const MOST_STATES: u64 = 200_000;

/// How many failures of files are remembered.
const MOST_FAILURES: u64 = 10_000;

/// As many as there are of [`crate::generations`].
const STRIPES: usize = 1 << 14;

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
    fn new(scope: &Scope, value: T) -> Self {
        Self {
            epoch: scope.index.epoch,
            source: Arc::clone(&scope.source),
            value,
        }
    }

    fn is_of(&self, scope: &Scope) -> bool {
        self.epoch == scope.index.epoch && self.source == scope.source
    }

    fn get(&self, scope: &Scope) -> Option<T> {
        self.is_of(scope).then(|| self.value.clone())
    }
}

/// How often what is known of a listing was overtaken, as counted before somebody looked for it. What is found then
/// counts as long as the count stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

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
    states: Cache<ListingKey, Scoped<(Moment, State)>>,
    documents: Cache<ListingKey, Scoped<(Moment, Held)>>,
    /// Striped over a fixed table, so that memory is bounded; a shared stripe only costs a needless look.
    overtaken: Box<[AtomicU64]>,
    hasher: RandomState,
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
                .weigher(|_, held: &Scoped<(Moment, Held)>| weight(&held.value.1.listing.page))
                .build(),
            overtaken: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            failures: Cache::new(MOST_FAILURES),
        }
    }

    /// The scope of what is learned from now on. Taken before the upstream is asked: what was
    /// asked before [`Memory::forget_named`] is then not remembered.
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

    /// Now, as far as a listing goes: to be taken before anybody looks for it.
    pub(super) fn moment(&self, key: &ListingKey) -> Moment {
        Moment(self.stripe(key).load(Ordering::Acquire))
    }

    /// Something is known that overtakes all that was looked for before.
    pub(super) fn overtake(&self, key: &ListingKey) -> Moment {
        Moment(self.stripe(key).fetch_add(1, Ordering::AcqRel) + 1)
    }

    fn stripe(&self, key: &ListingKey) -> &AtomicU64 {
        let hash = usize::try_from(self.hasher.hash_one(key) % STRIPES as u64)
            .expect("smaller than the table");
        &self.overtaken[hash]
    }

    /// What is known of a project, if that still stands.
    pub(super) fn state(&self, key: &ListingKey, scope: &Scope, now: Timestamp) -> Option<State> {
        let (moment, state) = self.states.get(key)?.get(scope)?;
        (moment == self.moment(key) && now < state.fresh_until).then_some(state)
    }

    /// Remembers what was looked for since this moment, unless it has been overtaken.
    pub(super) fn remember(
        &self,
        key: &ListingKey,
        scope: &Scope,
        moment: Moment,
        state: State,
        held: Option<Held>,
    ) {
        self.states.entry_by_ref(key).and_compute_with(|known| {
            if known.is_some_and(|known| is_later(known.value(), scope, moment)) {
                return Op::Nop;
            }
            if let Some(held) = held {
                let held = Scoped::new(scope, (moment, held));
                self.documents.insert(key.clone(), held);
            }
            Op::Put(Scoped::new(scope, (moment, state)))
        });
    }

    pub(super) fn document(&self, key: &ListingKey, scope: &Scope) -> Option<Held> {
        let (moment, held) = self.documents.get(key)?.get(scope)?;
        (moment == self.moment(key)).then_some(held)
    }

    /// Remembers what was stored at this moment, unless something is remembered that is as new.
    pub(super) fn remember_stored(
        &self,
        key: &ListingKey,
        scope: &Scope,
        moment: Moment,
        held: Held,
    ) {
        self.documents.entry_by_ref(key).or_insert_with_if(
            || Scoped::new(scope, (moment, held)),
            |known| !known.is_of(scope) || known.value.0 < moment,
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
        let scoped = Scoped::new(scope, list);
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

    /// Forgets all about a user's indexes.
    pub(super) fn forget_user(&self, user: &str) {
        self.indexes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, memory| memory.name.split('/').next() != Some(user));
    }

    /// Forgets all about an index. What is under way for it lands, but is not remembered.
    pub(super) fn forget_named(&self, (user, index): (&str, &str)) {
        if let Some(id) = self.find(user, index) {
            // What is left of it in the caches has an epoch that nobody asks for any more.
            self.indexes
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
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
            .is_some_and(|held| is_document(event, &held.value.1.digest));
        if !same {
            self.overtake(&key);
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

/// Whether somebody looked after this moment for what is remembered.
fn is_later<T: Clone>(known: &Scoped<(Moment, T)>, scope: &Scope, moment: Moment) -> bool {
    known.is_of(scope) && known.value.0 > moment
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
