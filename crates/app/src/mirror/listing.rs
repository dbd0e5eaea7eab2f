//! Project pages of upstreams: when to ask, what to believe, what to answer meanwhile.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cheeseshop_domain::Index;
use cheeseshop_domain::mirror::{Freshness, MirrorListing, judge_freshness};
use cheeseshop_packaging::ProjectName;
use jiff::Timestamp;
use tokio::time::timeout;
use url::Url;

use super::failure::{Failure, RETRY_PAUSE, later, pause_after};
use super::flights::{Flights, Landed, Landing};
use super::listing_fetch::{Fetched, NewPage};
use super::listing_store::{Changed, Save};
use super::memory::{Held, ListingKey, Memory, Moment, Scope, Standing, State};
use super::source::{Source, for_logs};
use super::upstream::UpstreamError;
use super::{Inner, telemetry};
use crate::Error;

/// How long at most it is believed that the upstream does not have a project: new projects are
/// to be found soon.
const ABSENT_EXPIRY: Duration = Duration::from_mins(1);

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

impl FlightKey {
    fn of(target: &Target, mode: Mode) -> Self {
        Self {
            listing: target.key.clone(),
            source: Arc::clone(target.source.identity()),
            mode,
        }
    }
}

pub(super) type ListingFlights = Flights<FlightKey, Option<ListingState>>;

/// What a flight is after.
pub(super) struct Target {
    pub(super) index: Arc<Index>,
    pub(super) project: ProjectName,
    pub(super) source: Source,
    /// The project's page at the upstream, without credentials.
    pub(super) url: Url,
    pub(super) key: ListingKey,
    pub(super) scope: Scope,
    pub(super) expiry: Duration,
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
                telemetry::cache(
                    "listing",
                    if is_stale(answer.as_ref()) {
                        "stale"
                    } else {
                        "hit"
                    },
                );
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
            // What a refresh brings that is under way may be older than this wish.
            let key = FlightKey::of(&target, Mode::Anew);
            self.listing_flights.wait_for_end(&key).await?;
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
        self.listing_flights
            .join(FlightKey::of(&target, mode), |landing| {
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
        let moment = self.memory.moment(&target.key);
        let held = match self.held_listing(&target, moment).await {
            Ok(held) => held,
            Err(error) => return landing.land(Err(error.into())),
        };
        if mode == Mode::WhenDue
            && let Some(answer) = self.answer_without_asking(&target, held.as_ref(), moment)
        {
            return landing.land(answer);
        }
        telemetry::cache("listing", "miss");
        let patience = self.settings.request_timeout;
        let longest = self.settings.list_timeout.max(patience);
        let fetched = {
            let mut fetch = pin!(self.fetch_listing(&target, held.as_ref(), mode));
            if let Ok(fetched) = timeout(patience, &mut fetch).await {
                fetched
            } else {
                // Clients have waited long enough. The fetch goes on without them.
                let error = UpstreamError::Timeout { after: patience };
                landing.land(self.fail(&target, held.clone(), &error, mode, moment));
                let error = UpstreamError::Timeout { after: longest };
                timeout(longest.saturating_sub(patience), fetch)
                    .await
                    .unwrap_or(Fetched::Failed(error))
            }
        };
        let moment = match (mode, &fetched) {
            // Whatever was asked before a refresh must not undo it, however late it comes.
            (Mode::Anew, Fetched::Page(_) | Fetched::NotModified | Fetched::Gone) => {
                self.memory.overtake(&target.key)
            }
            (Mode::Anew, Fetched::Failed(_)) | (Mode::WhenDue, _) => moment,
        };
        let (answer, save) = self.conclude(&target, held, fetched, mode, moment);
        let save = async {
            if let Some(save) = save {
                self.save(&target, save, moment).await;
            }
        };
        if mode == Mode::Anew && self.db.is_shared() {
            // Other nodes learn of it from the database, and whoever asked for it may ask them next.
            save.await;
            landing.land_last(answer);
        } else {
            landing.land_last(answer);
            save.await;
        }
    }

    /// What can be answered now that the held listing is at hand: something may have landed
    /// meanwhile, the stored listing may still be fresh (after a restart, or since another node
    /// fetched it), or nothing answers at the upstream at the moment.
    fn answer_without_asking(
        &self,
        target: &Target,
        held: Option<&Held>,
        moment: Moment,
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
            Ok(Some(self.remember(target, moment, held, state)))
        })
    }

    /// Turns what came into memory and an answer; the last part is what has to be stored.
    fn conclude(
        &self,
        target: &Target,
        held: Option<Held>,
        fetched: Fetched,
        mode: Mode,
        moment: Moment,
    ) -> (Landed<Option<ListingState>>, Option<Save>) {
        let now = self.clock.now();
        let fresh_until = later(now, target.expiry);
        match (fetched, held) {
            (Fetched::Page(page), held) => {
                let NewPage {
                    listing,
                    json,
                    digest,
                } = *page;
                let is_new = held.is_none_or(|held| held.digest != digest);
                let listing = Arc::new(listing);
                let save = if is_new {
                    Save::Changed(Changed {
                        listing: Arc::clone(&listing),
                        json,
                        digest,
                    })
                } else {
                    Save::Confirmed(now)
                };
                let held = Held { listing, digest };
                let state = listed(&held, fresh_until);
                let state = self.remember(target, moment, &held, state);
                (Ok(Some(state)), Some(save))
            }
            (Fetched::NotModified, Some(held)) => {
                let state = listed(&held, fresh_until);
                let state = self.remember(target, moment, &held, state);
                (Ok(Some(state)), Some(Save::Confirmed(now)))
            }
            (Fetched::NotModified, None) => {
                let error = UpstreamError::Unusable("304 to a request without validators");
                (self.fail(target, None, &error, mode, moment), None)
            }
            (Fetched::Gone, Some(held)) => {
                let fresh_until = later(now, target.expiry.min(ABSENT_EXPIRY));
                let state = ListingState {
                    stale: true,
                    gone: true,
                    ..listed(&held, fresh_until)
                };
                let state = self.remember(target, moment, &held, state);
                (Ok(Some(state)), None)
            }
            (Fetched::Gone, None) => {
                let state = State {
                    fresh_until: later(now, target.expiry.min(ABSENT_EXPIRY)),
                    standing: Standing::Absent,
                };
                self.memory
                    .remember(&target.key, &target.scope, moment, state, None);
                (Ok(None), None)
            }
            (Fetched::Failed(error), held) => (self.fail(target, held, &error, mode, moment), None),
        }
    }

    /// The answer when the upstream failed: the held listing, if there is one.
    fn fail(
        &self,
        target: &Target,
        held: Option<Held>,
        error: &UpstreamError,
        mode: Mode,
        moment: Moment,
    ) -> Landed<Option<ListingState>> {
        let now = self.clock.now();
        let fresh_until = later(now, pause_after(error));
        tracing::warn!(
            index.name = %target.index.name,
            project.name = target.project.normalized(),
            upstream.url = for_logs(&target.url),
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
            self.memory
                .remember(&target.key, &target.scope, moment, state, None);
            return Err(failure);
        };
        telemetry::cache("listing", "stale");
        let state = ListingState {
            stale: true,
            ..listed(&held, fresh_until)
        };
        let state = self.remember(target, moment, &held, state);
        match mode {
            Mode::WhenDue => Ok(Some(state)),
            // Whoever insists on a fresh answer is told that there is none.
            Mode::Anew => Err(failure),
        }
    }

    fn remember(
        &self,
        target: &Target,
        moment: Moment,
        held: &Held,
        state: ListingState,
    ) -> ListingState {
        let standing = Standing::Listed {
            stale: state.stale,
            gone: state.gone,
        };
        let remembered = State {
            fresh_until: state.fresh_until,
            standing,
        };
        let held = Some(held.clone());
        self.memory
            .remember(&target.key, &target.scope, moment, remembered, held);
        state
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

fn is_stale(answer: Option<&ListingState>) -> bool {
    answer.is_some_and(|state| state.stale)
}
