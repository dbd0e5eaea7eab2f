//! Project pages of upstreams: when to ask, what to believe, what to answer meanwhile.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cheeseshop_domain::mirror::{Freshness, MirrorListing, is_from, judge_freshness};
use cheeseshop_domain::{Event, EventKind, Index};
use cheeseshop_packaging::{ProjectName, Sha256};
use cheeseshop_storage::database::mirrors::{self, StoredListing};
use cheeseshop_storage::{DatabaseError, Origin};
use futures_util::FutureExt;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::timeout;
use url::Url;

use super::document::{self, off_thread};
use super::failure::{Failure, RETRY_PAUSE, later, pause_after};
use super::flights::{Flights, Landed, Landing};
use super::listing_fetch::{Fetched, NewPage};
use super::memory::{DOCUMENT, Held, ListingKey, Memory, Scope, Standing, State};
use super::source::Source;
use super::upstream::UpstreamError;
use super::{Inner, telemetry};
use crate::Error;

/// How long at most it is believed that the upstream does not have a project: new projects are
/// to be found soon.
const ABSENT_EXPIRY: Duration = Duration::from_mins(1);

/// The actor of what mirrors write.
pub(super) const ACTOR: &str = "mirror";

/// What is known of a project of a mirror.
#[derive(Clone, Debug)]
pub struct ListingState {
    /// What the upstream lists; URLs are absolute and hold no credentials.
    pub listing: Arc<MirrorListing>,
    /// When the upstream is due for another look.
    pub fresh_until: Timestamp,
    /// The upstream does not confirm this listing: it failed, or (offline) was not asked.
    pub stale: bool,
    /// The upstream even says that the project is no more (404 or 410). Then `stale` too.
    pub gone: bool,
}

/// What is remembered and need not be asked for.
#[derive(Clone, Debug)]
pub enum Remembered {
    /// There is a listing.
    Listing(ListingState),
    /// The upstream does not have the project.
    Absent {
        /// When it is due for another look.
        fresh_until: Timestamp,
    },
}

/// Whether the upstream is asked only when due, or at any rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    WhenDue,
    Anew,
}

/// What makes a flight one with another: also the upstream, which may be changed meanwhile.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    listing: ListingKey,
    source: Arc<str>,
    mode: Mode,
}

pub(super) type ListingFlights = Flights<FlightKey, Option<ListingState>>;

/// What a flight is after.
pub(super) struct Target {
    pub(super) index: Arc<Index>,
    pub(super) project: ProjectName,
    pub(super) source: Source,
    /// The project's page at the upstream, without credentials.
    pub(super) url: Url,
    key: ListingKey,
    scope: Scope,
    expiry: Duration,
}

/// What the database has to know, after clients have their answer.
enum Save {
    Changed(Changed),
    /// The upstream still says the same at this time.
    Confirmed(Timestamp),
}

/// A listing that differs from what is stored.
struct Changed {
    listing: Arc<MirrorListing>,
    json: Vec<u8>,
    digest: Sha256,
}

impl Inner {
    pub(super) async fn listing(
        self: &Arc<Self>,
        index: &Arc<Index>,
        project: &ProjectName,
    ) -> Result<Option<ListingState>, Error> {
        let Some(target) = self.target(index, project) else {
            return Ok(None);
        };
        if self.settings.offline {
            return self.offline_listing(&target).await;
        }
        match self.remembered(&target) {
            Some(Ok(answer)) => {
                telemetry::cache("listing", if is_stale(&answer) { "stale" } else { "hit" });
                Ok(answer)
            }
            Some(Err(failure)) => Err(failure.into()),
            None => Ok(self.join_listing(target, Mode::WhenDue).await?),
        }
    }

    pub(super) fn listing_now(&self, index: &Index, project: &ProjectName) -> Option<Remembered> {
        let source = Source::of(index)?;
        let key = listing_key(index, project);
        let scope = self.memory.scope(index, source.identity());
        let state = self.memory.state(&key, &scope, self.clock.now())?;
        match state.standing {
            Standing::Listed { stale, gone } => {
                let held = self.memory.document(&key, &scope)?;
                Some(Remembered::Listing(ListingState {
                    listing: held.listing,
                    fresh_until: state.fresh_until,
                    stale,
                    gone,
                }))
            }
            Standing::Absent => Some(Remembered::Absent {
                fresh_until: state.fresh_until,
            }),
            Standing::Unknown(_) => None,
        }
    }

    pub(super) async fn refresh(
        self: &Arc<Self>,
        index: &Arc<Index>,
        project: &ProjectName,
    ) -> Result<(), Error> {
        if self.settings.offline {
            return Ok(());
        }
        if let Some(target) = self.target(index, project) {
            self.join_listing(target, Mode::Anew).await?;
        }
        Ok(())
    }

    fn target(&self, index: &Arc<Index>, project: &ProjectName) -> Option<Target> {
        let source = Source::of(index)?;
        let default = Duration::from_secs(self.settings.cache_expiry.into());
        Some(Target {
            index: Arc::clone(index),
            project: project.clone(),
            url: source.project_url(project),
            key: listing_key(index, project),
            scope: self.memory.scope(index, source.identity()),
            expiry: source.config().cache_expiry(default),
            source,
        })
    }

    /// What memory alone can answer.
    fn remembered(&self, target: &Target) -> Option<Landed<Option<ListingState>>> {
        let now = self.clock.now();
        let state = self.memory.state(&target.key, &target.scope, now)?;
        Some(match state.standing {
            Standing::Listed { stale, gone } => Ok(Some(ListingState {
                listing: self.memory.document(&target.key, &target.scope)?.listing,
                fresh_until: state.fresh_until,
                stale,
                gone,
            })),
            Standing::Absent => Ok(None),
            Standing::Unknown(failure) => Err(failure.told_at(now, state.fresh_until)),
        })
    }

    async fn join_listing(
        self: &Arc<Self>,
        target: Target,
        mode: Mode,
    ) -> Landed<Option<ListingState>> {
        let key = FlightKey {
            listing: target.key.clone(),
            source: Arc::clone(target.source.identity()),
            mode,
        };
        self.listing_flights
            .join(key, |landing| {
                let flight = Arc::clone(self).fly_listing(landing, target, mode);
                self.tasks.spawn(flight);
            })
            .await
    }

    /// One flight from the look at what is held to the storing of what is new.
    async fn fly_listing(
        self: Arc<Self>,
        landing: Landing<FlightKey, Option<ListingState>>,
        target: Target,
        mode: Mode,
    ) {
        let held = match self.held_listing(&target).await {
            Ok(held) => held,
            Err(error) => return landing.land(Err(error.into())),
        };
        if mode == Mode::WhenDue
            && let Some(answer) = self.answer_without_asking(&target, held.as_ref())
        {
            return landing.land(answer);
        }
        telemetry::cache("listing", "miss");
        let patience = self.settings.request_timeout;
        let longest = self.settings.list_timeout.max(patience);
        let fetched = {
            let mut fetch = pin!(self.fetch_listing(&target, held.as_ref(), mode));
            match timeout(patience, &mut fetch).await {
                Ok(fetched) => fetched,
                Err(_) => {
                    // Clients have waited long enough. The fetch goes on without them.
                    let error = UpstreamError::Timeout { after: patience };
                    landing.land(self.fail(&target, held.clone(), &error, mode));
                    let error = UpstreamError::Timeout { after: longest };
                    timeout(longest.saturating_sub(patience), fetch)
                        .await
                        .unwrap_or(Fetched::Failed(error))
                }
            }
        };
        let (answer, save) = self.conclude(&target, held, fetched, mode);
        landing.land(answer);
        if let Some(save) = save {
            self.save(&target, save).await;
        }
    }

    /// The held listing, from memory or from the database, if it came from this upstream.
    async fn held_listing(&self, target: &Target) -> Result<Option<Held>, Error> {
        if let Some(held) = self.memory.document(&target.key, &target.scope) {
            return Ok(Some(held));
        }
        let mut reader = self.db.reader().await?;
        let stored =
            mirrors::find_listing(&mut reader, target.key.index, &target.key.project).await?;
        drop(reader);
        let Some(stored) = stored.filter(|stored| is_from(&stored.source_url, &target.url)) else {
            return Ok(None);
        };
        let size = stored.document.len() * 8;
        let source_url = stored.source_url.clone();
        let document = stored.document;
        let read = off_thread(size, move || document::read_stored(&document, &source_url))
            .await
            .map_err(Error::internal)?;
        let Some(document) = read else {
            tracing::warn!(
                index.name = %target.index.name,
                project.name = target.project.normalized(),
                "a stored listing cannot be read and is fetched anew"
            );
            return Ok(None);
        };
        let held = Held {
            listing: Arc::new(MirrorListing {
                page: document.page,
                etag: stored.etag,
                last_modified: stored.last_modified,
                last_serial: stored.last_serial,
                fetched_at: stored.fetched_at,
                source_url: stored.source_url,
            }),
            digest: document.digest,
        };
        self.memory
            .remember_document(&target.key, &target.scope, held.clone());
        Ok(Some(held))
    }

    /// What can be answered now that the held listing is at hand: something may have landed
    /// meanwhile, the stored listing may still be fresh (after a restart, or since another node
    /// fetched it), or nothing answers at the upstream at the moment.
    fn answer_without_asking(
        &self,
        target: &Target,
        held: Option<&Held>,
    ) -> Option<Landed<Option<ListingState>>> {
        if let Some(answer) = self.remembered(target) {
            return Some(answer);
        }
        let held = held?;
        let now = self.clock.now();
        let fresh = judge_freshness(held.listing.fetched_at, target.expiry, now);
        if let Freshness::Fresh { remaining } = fresh {
            return Some(Ok(Some(listed(held, later(now, remaining)))));
        }
        let paused_until = Memory::paused_until(&target.scope);
        (now < paused_until).then(|| {
            let state = ListingState {
                stale: true,
                ..listed(held, paused_until)
            };
            Ok(Some(self.remember(target, state)))
        })
    }

    /// Turns what came into memory and an answer; the last part is what has to be stored.
    fn conclude(
        &self,
        target: &Target,
        held: Option<Held>,
        fetched: Fetched,
        mode: Mode,
    ) -> (Landed<Option<ListingState>>, Option<Save>) {
        let now = self.clock.now();
        let fresh_until = later(now, target.expiry);
        match (fetched, held) {
            (Fetched::Page(page), held) => {
                let NewPage { listing, json, digest } = *page;
                let is_new = held.is_none_or(|held| held.digest != digest);
                let listing = Arc::new(listing);
                let save = match is_new {
                    true => Save::Changed(Changed {
                        listing: Arc::clone(&listing),
                        json,
                        digest,
                    }),
                    false => Save::Confirmed(now),
                };
                let held = Held { listing, digest };
                self.memory
                    .remember_document(&target.key, &target.scope, held.clone());
                let state = listed(&held, fresh_until);
                (Ok(Some(self.remember(target, state))), Some(save))
            }
            (Fetched::NotModified, Some(held)) => {
                let state = listed(&held, fresh_until);
                let state = self.remember(target, state);
                (Ok(Some(state)), Some(Save::Confirmed(now)))
            }
            (Fetched::NotModified, None) => {
                let error = UpstreamError::Unusable("304 to a request without validators");
                (self.fail(target, None, &error, mode), None)
            }
            (Fetched::Gone, Some(held)) => {
                let fresh_until = later(now, target.expiry.min(ABSENT_EXPIRY));
                let state = ListingState {
                    stale: true,
                    gone: true,
                    ..listed(&held, fresh_until)
                };
                (Ok(Some(self.remember(target, state))), None)
            }
            (Fetched::Gone, None) => {
                let state = State {
                    fresh_until: later(now, target.expiry.min(ABSENT_EXPIRY)),
                    standing: Standing::Absent,
                };
                self.memory.remember(&target.key, &target.scope, state);
                (Ok(None), None)
            }
            (Fetched::Failed(error), held) => (self.fail(target, held, &error, mode), None),
        }
    }

    /// The answer when the upstream failed: the held listing, if there is one.
    fn fail(
        &self,
        target: &Target,
        held: Option<Held>,
        error: &UpstreamError,
        mode: Mode,
    ) -> Landed<Option<ListingState>> {
        let now = self.clock.now();
        let fresh_until = later(now, pause_after(error));
        tracing::warn!(
            index.name = %target.index.name,
            project.name = target.project.normalized(),
            upstream.url = %target.url,
            error = error as &dyn std::error::Error,
            is_listing_held = held.is_some(),
            "the upstream gave no listing"
        );
        if error.is_unreachable() {
            Memory::pause(&target.scope, later(now, RETRY_PAUSE));
        }
        let what = format!("the listing of `{}`", target.project.normalized());
        let failure = Failure::upstream(error, &what);
        let Some(held) = held else {
            let state = State {
                fresh_until,
                standing: Standing::Unknown(failure.clone()),
            };
            self.memory.remember(&target.key, &target.scope, state);
            return Err(failure);
        };
        telemetry::cache("listing", "stale");
        let state = ListingState {
            stale: true,
            ..listed(&held, fresh_until)
        };
        let state = self.remember(target, state);
        match mode {
            Mode::WhenDue => Ok(Some(state)),
            // Whoever insists on a fresh answer is told that there is none.
            Mode::Anew => Err(failure),
        }
    }

    fn remember(&self, target: &Target, state: ListingState) -> ListingState {
        let standing = Standing::Listed {
            stale: state.stale,
            gone: state.gone,
        };
        let remembered = State {
            fresh_until: state.fresh_until,
            standing,
        };
        self.memory.remember(&target.key, &target.scope, remembered);
        state
    }

    /// Stores what is new, after it was answered: clients need not wait for the disk, and what
    /// is lost here is fetched again.
    async fn save(&self, target: &Target, save: Save) {
        if !self.memory.is_current(target.key.index, &target.scope) {
            return;
        }
        let saved = match save {
            Save::Changed(changed) => self.save_listing(target, changed).await,
            Save::Confirmed(fetched_at) => self.touch_listing(target, fetched_at).await,
        };
        if let Err(error) = saved {
            tracing::warn!(
                index.name = %target.index.name,
                project.name = target.project.normalized(),
                error = &error as &dyn std::error::Error,
                "a listing could not be stored"
            );
        }
    }

    /// Notes that the listing was confirmed, so that a restart need not ask again. This changes
    /// nothing that anybody derives from it, so it is no event.
    async fn touch_listing(&self, target: &Target, fetched_at: Timestamp) -> Result<(), Error> {
        let (index, project) = (target.key.index, Arc::clone(&target.key.project));
        self.db
            .write(Origin::new(ACTOR), move |tx| {
                async move {
                    mirrors::touch_listing(tx, index, &project, fetched_at).await?;
                    Ok::<_, DatabaseError>(())
                }
                .boxed()
            })
            .await?;
        Ok(())
    }

    async fn save_listing(&self, target: &Target, changed: Changed) -> Result<(), Error> {
        let Changed {
            listing,
            json,
            digest,
        } = changed;
        let packed = off_thread(json.len(), move || document::pack(&json))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)?;
        let stored = StoredListing {
            document: packed,
            etag: listing.etag.clone(),
            last_modified: listing.last_modified.clone(),
            last_serial: listing.last_serial,
            fetched_at: listing.fetched_at,
            source_url: listing.source_url.clone(),
        };
        let event = Event::of_project(
            EventKind::MirrorListingChanged,
            &target.index.name,
            target.project.normalized(),
            json!({
                "files": listing.page.files.len(),
                "last_serial": listing.last_serial,
                DOCUMENT: digest.to_string(),
            }),
        );
        let (index, project) = (target.key.index, Arc::clone(&target.key.project));
        self.db
            .write(Origin::new(ACTOR), move |tx| {
                async move {
                    mirrors::save_listing(tx, index, &project, stored).await?;
                    tx.record(event);
                    Ok::<_, DatabaseError>(())
                }
                .boxed()
            })
            .await?;
        Ok(())
    }

    /// Offline: what is listed and held.
    async fn offline_listing(&self, target: &Target) -> Result<Option<ListingState>, Error> {
        let Some(held) = self.held_listing(target).await? else {
            return Ok(None);
        };
        let mut reader = self.db.reader().await?;
        let files =
            mirrors::list_files(&mut reader, target.key.index, &target.key.project).await?;
        drop(reader);
        let names: HashSet<&str> = files.iter().map(|file| file.filename.as_str()).collect();
        let mut listing = held.listing.as_ref().clone();
        listing
            .page
            .files
            .retain(|file| names.contains(file.filename.as_str()));
        if listing.page.files.is_empty() {
            return Ok(None);
        }
        Ok(Some(ListingState {
            listing: Arc::new(listing),
            fresh_until: later(self.clock.now(), target.expiry),
            stale: true,
            gone: false,
        }))
    }
}

fn listed(held: &Held, fresh_until: Timestamp) -> ListingState {
    ListingState {
        listing: Arc::clone(&held.listing),
        fresh_until,
        stale: false,
        gone: false,
    }
}

fn listing_key(index: &Index, project: &ProjectName) -> ListingKey {
    ListingKey {
        index: index.id,
        project: project.normalized().into(),
    }
}

fn is_stale(answer: &Option<ListingState>) -> bool {
    answer.as_ref().is_some_and(|state| state.stale)
}
