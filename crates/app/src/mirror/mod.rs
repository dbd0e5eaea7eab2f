//! Mirrors: reading other indexes on behalf of our callers, and keeping what was read.
//!
//! The one idea: per upstream resource (a project page, the list of projects, a file, a core
//! metadata document) there is one *flight*. A flight runs in its own task, so a client that
//! goes away cancels nothing for the others; whoever asks meanwhile joins it. What lands is
//! remembered: pages in memory (bounded by bytes) and as one compressed document in the
//! database, files as blobs with a row. Failures are remembered too, for seconds, so that a
//! struggling upstream is not hammered.
//!
//! What is answered when the upstream does not help (see [`Mirrors::listing`]):
//!
//! | upstream | a listing is held | nothing is held |
//! |---|---|---|
//! | no connection, time-out, 5xx, 429, 401, 403, nonsense | held one, marked stale | [`Error::UpstreamFailed`] |
//! | 404, 410 | held one, marked stale and gone | known absent |
//! | older serial than before | held one, marked stale | not judged |
//!
//! No network call is made while a database transaction is open. Credentials of `mirror_url`
//! live in [`source::Source`] only and go to that origin only.

mod core_metadata;
mod default_upstream;
pub(crate) mod digests;
mod document;
mod download;
mod failure;
mod files;
mod flights;
mod held_page;
mod listing;
mod listing_fetch;
mod listing_store;
mod memory;
mod names;
mod project_list;
mod reading;
mod settings;
mod source;
mod store;
pub(crate) mod telemetry;
mod upstream;
mod wheel;

use std::sync::Arc;

use cheeseshop_domain::{Clock, EventKind, Index, RecordedEvent};
use cheeseshop_packaging::ProjectName;
use cheeseshop_packaging::simple::{NameList, PageFile};
use cheeseshop_storage::{BlobStore, Database};
use tokio_util::task::TaskTracker;

pub use self::default_upstream::{DefaultUpstream, Surroundings, UpstreamOrigin, default_upstream};
pub(crate) use self::held_page::{HeldPage, note_if_newly_held, read_listing};
pub use self::listing::{ListingState, Remembered};
pub use self::names::ProjectNames;
pub(crate) use self::project_list::{REMOVED, changes_held_projects};
pub(crate) use self::reading::Reading;
pub(crate) use self::settings::seconds;
pub use self::settings::{MirrorSettings, ProxySetting};
pub(crate) use self::store::ACTOR;

use self::core_metadata::MetadataFlights;
use self::download::Downloads;
use self::listing::ListingFlights;
use self::memory::Memory;
use self::project_list::ListFlights;
use self::upstream::Upstream;
use crate::Error;
use crate::file_handle::FileHandle;
use crate::outbound::{self, OutboundError};

/// All mirrors of the server. Cheap to clone.
#[derive(Clone)]
pub struct Mirrors(Arc<Inner>);

/// What flights need; they hold it while they run.
struct Inner {
    settings: MirrorSettings,
    db: Database,
    blobs: BlobStore,
    clock: Arc<dyn Clock>,
    upstream: Upstream,
    memory: Memory,
    listing_flights: ListingFlights,
    list_flights: ListFlights,
    downloads: Downloads,
    metadata_flights: MetadataFlights,
    /// Every task that mirrors start; always closed, so that it can be waited for.
    tasks: TaskTracker,
}

impl Mirrors {
    /// Nothing is asked before a caller asks.
    ///
    /// # Errors
    /// [`OutboundError`] when the CA bundle or the proxy setting cannot be used.
    pub fn new(
        settings: MirrorSettings,
        db: Database,
        blobs: BlobStore,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OutboundError> {
        let tasks = TaskTracker::new();
        tasks.close();
        let waiting = settings.max_concurrent_flights.max(1).saturating_mul(16);
        Ok(Self(Arc::new(Inner {
            upstream: Upstream::new(outbound::client(&settings)?, &settings),
            memory: Memory::new(settings.memory_bytes),
            listing_flights: ListingFlights::new("listing", waiting),
            list_flights: ListFlights::new("project_list", waiting),
            downloads: Downloads::new(waiting),
            metadata_flights: MetadataFlights::new("core_metadata", waiting),
            tasks,
            settings,
            db,
            blobs,
            clock,
        })))
    }

    /// What the upstream of `index` lists for `project`: from memory while fresh, else asked
    /// conditionally, in one flight however many wait.
    ///
    /// `None` means that the upstream is known not to have the project (404 or 410, asked
    /// directly: lists of names decide nothing), that the index has no `mirror_url`, or that
    /// the server is offline and holds no file of it. A client waits for `request_timeout`;
    /// the flight goes on without it.
    ///
    /// # Errors
    /// [`Error::UpstreamFailed`] when the truth is unknown and nothing is held,
    /// [`Error::Busy`] when too many flights are waiting, [`Error::Internal`].
    pub async fn listing(
        &self,
        index: &Arc<Index>,
        project: &ProjectName,
    ) -> Result<Option<ListingState>, Error> {
        self.0.listing(index, project).await
    }

    /// What is remembered of a listing and not yet due for a look upstream. Never waits.
    pub fn listing_now(&self, index: &Index, project: &ProjectName) -> Option<Remembered> {
        self.0.listing_now(index, project)
    }

    /// Asks the upstream anew, whatever is remembered, and without validators, so that also
    /// caches on the way give way.
    ///
    /// # Errors
    /// As [`Mirrors::listing`]; a failure upstream is an error here even when a listing is held.
    pub async fn refresh(&self, index: &Arc<Index>, project: &ProjectName) -> Result<(), Error> {
        self.0.refresh(index, project).await
    }

    /// The names of all projects of the upstream, normalised, sorted, each once.
    ///
    /// With `mirror_no_project_list`, offline, or when the upstream has no list (404): the
    /// projects that something is held of. When the upstream fails: the last list, else the
    /// held projects, marked stale.
    ///
    /// # Errors
    /// [`Error::UpstreamFailed`] when the upstream fails and nothing at all is held.
    pub async fn project_names(&self, index: &Arc<Index>) -> Result<Arc<ProjectNames>, Error> {
        self.0.project_names(index).await
    }

    /// The names of projects that are known without asking the upstream: those of the last list, however
    /// old it is, else those that something is held of.
    ///
    /// # Errors
    /// Whatever the database gives.
    pub async fn held_project_names(&self, index: &Arc<Index>) -> Result<NameList, Error> {
        self.0.held_project_names(index).await
    }

    /// Opens a file of a listing: the held blob, else the one running download of it, which is
    /// started if need be. Comes back once the upstream has begun to send.
    ///
    /// With `mirror_use_external_urls` a file that is not held is a redirect
    /// ([`FileHandle::redirect_url`]).
    ///
    /// # Errors
    /// [`Error::NotFound`] when the upstream says so (404, 410) or the server is offline,
    /// [`Error::UpstreamFailed`], [`Error::TooLarge`], [`Error::Busy`]; [`Error::Conflict`] when
    /// a non-volatile mirror holds other bytes under this name.
    pub async fn open_file(
        &self,
        index: &Arc<Index>,
        project: &ProjectName,
        file: &PageFile,
    ) -> Result<FileHandle, Error> {
        self.0.open_file(index, project, file).await
    }

    /// As [`Mirrors::open_file`], for HEAD: downloads nothing. The size comes from the listing,
    /// else from a HEAD request to the upstream.
    ///
    /// # Errors
    /// As [`Mirrors::open_file`].
    pub async fn describe_file(
        &self,
        index: &Arc<Index>,
        project: &ProjectName,
        file: &PageFile,
    ) -> Result<FileHandle, Error> {
        self.0.describe_file(index, project, file).await
    }

    /// The core metadata of a listed file: kept, else passed through from the upstream (with
    /// its announced digest checked), else read out of the wheel by ranged requests, else out
    /// of the whole wheel.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the file is no wheel and none is announced, or the wheel has
    /// none; otherwise as [`Mirrors::open_file`].
    pub async fn open_core_metadata(
        &self,
        index: &Arc<Index>,
        project: &ProjectName,
        file: &PageFile,
    ) -> Result<FileHandle, Error> {
        self.0.open_core_metadata(index, project, file).await
    }

    /// As [`Mirrors::on_event`], for a commit of this process: what flights of ours stored is
    /// left out. Memory is ahead of it, and an older one that is stored late must not make it
    /// forget what a newer one has brought.
    pub fn on_own_commit(&self, event: &RecordedEvent) {
        if event.actor != ACTOR {
            self.on_event(event);
        }
    }

    /// Follows the change log: forgets what this or another node has changed.
    pub fn on_event(&self, event: &RecordedEvent) {
        match event.event.kind {
            EventKind::MirrorListingChanged => self.0.memory.on_listing_changed(&event.event),
            EventKind::MirrorProjectListChanged => self.0.memory.on_list_changed(&event.event),
            EventKind::MirrorReset | EventKind::IndexRemoved => {
                if let Some(index) = event.event.index() {
                    self.0.memory.forget_named(index);
                }
            }
            EventKind::UserRemoved => self.0.memory.forget_user(event.event.user()),
            _ => {}
        }
    }

    /// Waits until every flight, and the storing of what it brought, has ended. New requests
    /// may start others meanwhile.
    pub async fn settle(&self) {
        self.0.tasks.wait().await;
    }
}
