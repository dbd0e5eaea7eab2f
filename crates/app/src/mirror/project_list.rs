//! The list of all projects of an upstream. A hint for people and tools: whether a project
//! exists is never decided by it, since lists lag behind and many upstreams have none.

use std::sync::Arc;
use std::time::Duration;

use cheeseshop_domain::mirror::{Freshness, is_from, judge_freshness};
use cheeseshop_domain::{Event, EventKind, Index, IndexId};
use cheeseshop_packaging::Sha256;
use cheeseshop_packaging::simple::{NameList, ProjectList};
use cheeseshop_storage::database::mirrors::{self, StoredListing};
use cheeseshop_storage::{DatabaseError, Transaction};
use futures_util::FutureExt;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Digest;
use tokio::time::timeout;

use super::document::{is_json, off_thread, pack, unpack_stored};
use super::failure::{Failure, RETRY_PAUSE, later, pause_after};
use super::flights::{Flights, Landed, Landing};
use super::listing_fetch::{add_validators, validators};
use super::memory::{DOCUMENT, HeldList, Memory, Scope};
use super::names::ProjectNames;
use super::source::{Source, for_logs};
use super::upstream::{Request, UpstreamError, unpack};
use super::{Inner, telemetry};
use crate::Error;

/// How long the names of held projects count as the list: they grow with every new project.
const HELD_EXPIRY: Duration = Duration::from_mins(1);

/// The detail of an event with which the list of held projects grows.
const NEWLY_HELD: &str = "newly_held";

/// The detail of an event with which somebody removed what was held of a project.
pub(crate) const REMOVED: &str = "removed";

/// One list per index and upstream.
pub(super) type ListFlights = Flights<(IndexId, Arc<str>), Arc<ProjectNames>>;

struct Target {
    index: Arc<Index>,
    source: Source,
    scope: Scope,
    expiry: Duration,
}

enum Fetched {
    NotModified,
    Names {
        names: NameList,
        digest: Sha256,
        etag: Option<String>,
        last_modified: Option<String>,
        last_serial: Option<u64>,
    },
    /// The upstream has no list.
    Gone,
    Failed(UpstreamError),
}

impl Inner {
    pub(super) async fn project_names(
        self: &Arc<Self>,
        index: &Arc<Index>,
    ) -> Result<Arc<ProjectNames>, Error> {
        let now = self.clock.now();
        let source = match Source::of(index) {
            Some(source) if !self.settings.offline && !source.config().has_no_project_list() => {
                source
            }
            _ => {
                let names = self.held_names(index.id).await?;
                let fresh_until = later(now, HELD_EXPIRY);
                return Ok(Arc::new(ProjectNames::new(names, fresh_until, false)));
            }
        };
        let target = self.list_target(index, source);
        if let Some(list) = Memory::list(&target.scope)
            && now < list.names.fresh_until
        {
            let result = if list.names.stale { "stale" } else { "hit" };
            telemetry::cache("project_list", result);
            return Ok(list.names);
        }
        let key = (index.id, Arc::clone(target.source.identity()));
        let landed = self.list_flights.join(key, |landing| {
            self.tasks.spawn(Arc::clone(self).fly_list(landing, target));
        });
        Ok(landed.await?)
    }

    pub(super) async fn held_project_names(&self, index: &Arc<Index>) -> Result<NameList, Error> {
        let source = Source::of(index).filter(|source| !source.config().has_no_project_list());
        if let Some(source) = source
            && let Some(list) = self.held_list(&self.list_target(index, source)).await?
        {
            return Ok(list.names.list().clone());
        }
        self.held_names(index.id).await
    }

    fn list_target(&self, index: &Arc<Index>, source: Source) -> Target {
        let default = Duration::from_secs(self.settings.cache_expiry.into());
        Target {
            index: Arc::clone(index),
            scope: self.memory.scope(index, source.identity()),
            expiry: source.config().cache_expiry(default),
            source,
        }
    }

    async fn fly_list(
        self: Arc<Self>,
        landing: Landing<(IndexId, Arc<str>), Arc<ProjectNames>>,
        target: Target,
    ) {
        let held = match self.held_list(&target).await {
            Ok(held) => held,
            Err(error) => return landing.land(Err(error.into())),
        };
        let now = self.clock.now();
        if let Some(list) = &held
            && now < list.names.fresh_until
        {
            return landing.land(Ok(Arc::clone(&list.names)));
        }
        let paused_until = Memory::paused_until(&target.scope);
        if let Some(list) = &held
            && now < paused_until
        {
            let names = list.names.list().clone();
            return landing.land(Ok(remember(
                &target,
                list.clone(),
                names,
                paused_until,
                true,
            )));
        }
        telemetry::cache("project_list", "miss");
        let patience = self.settings.list_timeout;
        let fetched = timeout(patience, self.fetch_list(&target, held.as_ref()))
            .await
            .unwrap_or(Fetched::Failed(UpstreamError::Timeout { after: patience }));
        let now = self.clock.now();
        let fresh_until = later(now, target.expiry);
        match (fetched, held) {
            (Fetched::NotModified, Some(list)) => {
                let names = list.names.list().clone();
                landing.land(Ok(remember(&target, list, names, fresh_until, false)));
            }
            (
                Fetched::Names {
                    names,
                    digest,
                    etag,
                    last_modified,
                    last_serial,
                },
                held,
            ) => {
                let is_new = held.as_ref().and_then(|list| list.digest) != Some(digest);
                let list = HeldList {
                    names: Arc::new(ProjectNames::new(names.clone(), fresh_until, false)),
                    etag: etag.clone(),
                    last_modified: last_modified.clone(),
                    digest: Some(digest),
                };
                landing.land_last(Ok(remember(
                    &target,
                    list,
                    names.clone(),
                    fresh_until,
                    false,
                )));
                if is_new {
                    let stored = StoredListing {
                        document: Vec::new(),
                        etag,
                        last_modified,
                        last_serial,
                        fetched_at: now,
                        source_url: target.source.list_url().to_string(),
                    };
                    self.save_list(&target, names, digest, stored).await;
                }
            }
            (Fetched::Gone, held) => landing.land(self.without_list(&target, held, None).await),
            (Fetched::NotModified, None) => {
                let error = UpstreamError::Unusable("304 to a request without validators");
                landing.land(self.without_list(&target, None, Some(error)).await);
            }
            (Fetched::Failed(error), held) => {
                landing.land(self.without_list(&target, held, Some(error)).await);
            }
        }
    }

    /// What to answer when the upstream gave no list: the last one, else what is held.
    async fn without_list(
        &self,
        target: &Target,
        held: Option<HeldList>,
        error: Option<UpstreamError>,
    ) -> Landed<Arc<ProjectNames>> {
        let now = self.clock.now();
        let fresh_until = match &error {
            Some(error) => later(now, pause_after(error)),
            None => later(now, target.expiry.min(HELD_EXPIRY)),
        };
        if let Some(error) = &error {
            tracing::warn!(
                index.name = %target.index.name,
                upstream.url = for_logs(&target.source.list_url()),
                error = error as &dyn std::error::Error,
                is_list_held = held.is_some(),
                "the upstream gave no list of projects"
            );
            if error.is_unreachable() {
                Memory::pause(&target.scope, later(now, RETRY_PAUSE));
            }
        }
        if let Some(list) = held {
            telemetry::cache("project_list", "stale");
            let names = list.names.list().clone();
            return Ok(remember(target, list, names, fresh_until, true));
        }
        let names = self.held_names(target.index.id).await?;
        match error {
            Some(error) if names.is_empty() => {
                Err(Failure::upstream(&error, "the list of projects"))
            }
            error => {
                let is_stale = error.is_some();
                Ok(Arc::new(ProjectNames::new(names, fresh_until, is_stale)))
            }
        }
    }

    async fn fetch_list(&self, target: &Target, held: Option<&HeldList>) -> Fetched {
        let _permit = self.upstream.page_permit().await;
        self.ask_list(target, held)
            .await
            .unwrap_or_else(Fetched::Failed)
    }

    async fn ask_list(
        &self,
        target: &Target,
        held: Option<&HeldList>,
    ) -> Result<Fetched, UpstreamError> {
        let mut request = Request::page(target.source.list_url(), self.settings.list_timeout);
        if let Some(list) = held {
            add_validators(
                &mut request,
                list.etag.as_deref(),
                list.last_modified.as_deref(),
            );
        }
        let mut answer = self.upstream.send(&target.source, request).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Fetched::NotModified),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Fetched::Gone),
            _ => return Err(answer.status_error()),
        }
        let limit = self.settings.max_project_list_bytes;
        let body = answer.body(limit).await?;
        let (etag, last_modified) = validators(&answer);
        let headers = answer.headers;
        let read = off_thread(body.len(), move || {
            let body = unpack(&headers, body, limit)?;
            let list = if is_json(&headers, &body) {
                ProjectList::parse_json(&body)
            } else {
                ProjectList::parse_html(&body)
            };
            let list = list.map_err(|error| UpstreamError::NotAPage(error.into()))?;
            drop(body);
            let names = list.names;
            let digest = digest(&names);
            Ok(Fetched::Names {
                names,
                digest,
                etag,
                last_modified,
                last_serial: list.last_serial,
            })
        });
        read.await
            .map_err(|lost| UpstreamError::NotAPage(lost.into()))?
    }

    /// The last list, from memory or from the database, if it came from this upstream.
    async fn held_list(&self, target: &Target) -> Result<Option<HeldList>, Error> {
        if let Some(list) = Memory::list(&target.scope) {
            return Ok(Some(list));
        }
        let mut reader = self.db.reader().await?;
        let stored = mirrors::find_project_list(&mut reader, target.index.id).await?;
        drop(reader);
        let Some(stored) =
            stored.filter(|stored| is_from(&stored.source_url, &target.source.list_url()))
        else {
            return Ok(None);
        };
        let packed = stored.document;
        let read = off_thread(packed.len() * 8, move || {
            let text = String::from_utf8(unpack_stored(&packed).ok()?).ok()?;
            let names = NameList::from_text(&text);
            let digest = digest(&names);
            Some((names, digest))
        });
        let Some((names, digest)) = read.await.map_err(Error::internal)? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let fresh_until = match judge_freshness(stored.fetched_at, target.expiry, now) {
            Freshness::Fresh { remaining } => later(now, remaining),
            Freshness::Expired => now,
        };
        let list = HeldList {
            names: Arc::new(ProjectNames::new(names, fresh_until, false)),
            etag: stored.etag,
            last_modified: stored.last_modified,
            digest: Some(digest),
        };
        Memory::remember_list(&target.scope, list.clone());
        Ok(Some(list))
    }

    /// The names of the projects that something is held of.
    async fn held_names(&self, index: IndexId) -> Result<NameList, Error> {
        let mut reader = self.db.reader().await?;
        let names = mirrors::list_projects(&mut reader, index).await?;
        Ok(names.into_iter().collect())
    }

    async fn save_list(
        &self,
        target: &Target,
        names: NameList,
        digest: Sha256,
        stored: StoredListing,
    ) {
        if let Err(error) = self.try_save_list(target, names, digest, stored).await {
            tracing::warn!(
                index.name = %target.index.name,
                error = &error as &dyn std::error::Error,
                "a list of projects could not be stored"
            );
        }
    }

    async fn try_save_list(
        &self,
        target: &Target,
        names: NameList,
        digest: Sha256,
        stored: StoredListing,
    ) -> Result<(), Error> {
        let event = Event::of_index(
            EventKind::MirrorProjectListChanged,
            &target.index.name,
            json!({ "projects": names.len(), DOCUMENT: digest.to_string() }),
        );
        let packed = off_thread(names.as_text().len(), move || {
            pack(names.as_text().as_bytes())
        });
        let stored = StoredListing {
            document: packed
                .await
                .map_err(Error::internal)?
                .map_err(Error::internal)?,
            ..stored
        };
        let index = target.index.id;
        self.store(&target.index, move |tx| {
            async move {
                mirrors::save_project_list(tx, index, stored).await?;
                tx.record(event);
                Ok(())
            }
            .boxed()
        })
        .await
    }
}

/// Notes in the event of what `tx` is about to store that a project appears with it on a list
/// that consists of what is held.
pub(super) async fn note_if_newly_held(
    tx: &mut Transaction,
    source: &Source,
    index: IndexId,
    project: &str,
    event: &mut Event,
) -> Result<(), DatabaseError> {
    if source.config().has_no_project_list()
        && !mirrors::holds_project(tx, index, project).await?
        && let Some(detail) = event.detail.as_object_mut()
    {
        detail.insert(NEWLY_HELD.to_owned(), true.into());
    }
    Ok(())
}

/// Whether a list of held projects is another one after this event.
pub(crate) fn changes_held_projects(event: &Event) -> bool {
    let is_noted = |key| event.detail.get(key).and_then(Value::as_bool) == Some(true);
    match event.kind {
        EventKind::MirrorListingChanged => is_noted(NEWLY_HELD) || is_noted(REMOVED),
        EventKind::MirrorFileStored => is_noted(NEWLY_HELD),
        _ => false,
    }
}

fn remember(
    target: &Target,
    list: HeldList,
    names: NameList,
    fresh_until: Timestamp,
    stale: bool,
) -> Arc<ProjectNames> {
    let names = Arc::new(ProjectNames::new(names, fresh_until, stale));
    let list = HeldList {
        names: Arc::clone(&names),
        ..list
    };
    Memory::remember_list(&target.scope, list);
    names
}

fn digest(names: &NameList) -> Sha256 {
    Sha256(sha2::Sha256::digest(names.as_text()).into())
}
