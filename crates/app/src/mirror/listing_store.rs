//! Listings in the database: one compressed document per project.

use std::collections::HashSet;
use std::sync::Arc;

use cheeseshop_domain::mirror::{MirrorListing, is_from};
use cheeseshop_domain::{Event, EventKind};
use cheeseshop_packaging::Sha256;
use cheeseshop_storage::database::mirrors::{self, StoredListing};
use futures_util::FutureExt;
use jiff::Timestamp;
use serde_json::json;

use super::Inner;
use super::document::{self, off_thread};
use super::failure::later;
use super::listing::{ListingState, Target};
use super::memory::{DOCUMENT, Held, Moment};
use super::project_list::note_if_newly_held;
use crate::Error;

/// What the database has to know, after clients have their answer.
pub(super) enum Save {
    Changed(Changed),
    /// The upstream still says the same at this time.
    Confirmed(Timestamp),
}

/// A listing that differs from what is stored.
pub(super) struct Changed {
    pub(super) listing: Arc<MirrorListing>,
    pub(super) json: Vec<u8>,
    pub(super) digest: Sha256,
}

impl Inner {
    /// The held listing, from memory or from the database, if it came from this upstream.
    pub(super) async fn held_listing(
        &self,
        target: &Target,
        moment: Moment,
    ) -> Result<Option<Held>, Error> {
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
            .remember_stored(&target.key, &target.scope, moment, held.clone());
        Ok(Some(held))
    }

    /// Stores what is new, after it was answered: clients need not wait for the disk, and what
    /// is lost here is fetched again.
    pub(super) async fn save(self: &Arc<Self>, target: &Target, save: Save, moment: Moment) {
        let saved = match save {
            Save::Changed(changed) => self.save_listing(target, changed, moment).await,
            Save::Confirmed(fetched_at) => self.touch_listing(target, fetched_at, moment).await,
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
    async fn touch_listing(
        self: &Arc<Self>,
        target: &Target,
        fetched_at: Timestamp,
        moment: Moment,
    ) -> Result<(), Error> {
        let (inner, key) = (Arc::clone(self), target.key.clone());
        self.store(&target.index, move |tx| {
            async move {
                if inner.memory.moment(&key) == moment {
                    mirrors::touch_listing(tx, key.index, &key.project, fetched_at).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn save_listing(
        self: &Arc<Self>,
        target: &Target,
        changed: Changed,
        moment: Moment,
    ) -> Result<(), Error> {
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
        let mut event = Event::of_project(
            EventKind::MirrorListingChanged,
            &target.index.name,
            target.project.normalized(),
            json!({
                "files": listing.page.files.len(),
                "last_serial": listing.last_serial,
                DOCUMENT: digest.to_string(),
            }),
        );
        let (key, source) = (target.key.clone(), target.source.clone());
        let inner = Arc::clone(self);
        self.store(&target.index, move |tx| {
            async move {
                if inner.memory.moment(&key) == moment {
                    let project = &key.project;
                    note_if_newly_held(tx, &source, key.index, project, &mut event).await?;
                    mirrors::save_listing(tx, key.index, project, stored).await?;
                    tx.record(event);
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Offline: what is listed and held.
    pub(super) async fn offline_listing(
        &self,
        target: &Target,
    ) -> Result<Option<ListingState>, Error> {
        let moment = self.memory.moment(&target.key);
        let Some(held) = self.held_listing(target, moment).await? else {
            return Ok(None);
        };
        let mut reader = self.db.reader().await?;
        let files = mirrors::list_files(&mut reader, target.key.index, &target.key.project).await?;
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
