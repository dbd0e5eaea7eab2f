//! Collecting garbage: blobs that no row refers to.
//!
//! Uploads put the blob first and the row second, so at any moment there are blobs whose row is
//! on its way. Two things keep those safe: a blob that is put (again) counts as young, and only
//! blobs older than the grace period go, which the store checks at the very moment of removal.
//! Rows of the table of blobs go first: then whoever registers the blob anew has put it anew.
//! A backup copies what rows named a while ago, so it and a collection exclude each other.

use std::collections::HashSet;
use std::time::Duration;

use cheeseshop_domain::error_chain;
use cheeseshop_packaging::Sha256;
use cheeseshop_storage::blobs::{BlobEntry, Removal};
use cheeseshop_storage::database::{blobs, settings};
use cheeseshop_storage::{DatabaseError, Origin, RemovalLock, Turn};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};

use crate::{App, Error};

/// The setting that says when garbage was last collected.
const COLLECTED: &str = "garbage.collected";

/// How garbage is collected.
#[derive(Clone, Copy, Debug)]
pub struct GarbageOptions {
    /// Only count.
    pub dry_run: bool,
    /// Blobs younger than this are left alone: an upload may be about to refer to them. Must be
    /// longer than any upload takes from its last byte to its commit, unless nothing else runs.
    pub grace: Duration,
    /// How long the end of a backup is waited for.
    pub wait: Duration,
    /// Blobs per transaction.
    pub batch: u32,
}

impl Default for GarbageOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            grace: Duration::from_hours(1),
            wait: Duration::from_hours(1),
            batch: 500,
        }
    }
}

/// What was found and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GarbageReport {
    /// Blobs in the store that were looked at.
    pub examined: u64,
    /// Blobs that were removed (with `dry_run`: that would be).
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Unreferenced blobs that are younger than the grace period.
    pub spared: u64,
}

impl App {
    /// Removes the bytes that no file refers to. Safe beside a running server, also of another
    /// process or node, as long as the grace period is.
    ///
    /// # Errors
    ///
    /// What database and store give. What was removed before stays removed.
    pub async fn collect_garbage(&self, options: GarbageOptions) -> Result<GarbageReport, Error> {
        let turn = if options.dry_run {
            None
        } else {
            let turn = Turn {
                purpose: "cheeseshop gc",
                now: self.clock().now(),
                wait: options.wait,
            };
            Some(self.db().turn_to_remove(turn).await.map_err(refused)?)
        };
        let mut collection = Collection {
            app: self,
            options,
            cutoff: cutoff(options.grace),
            turn,
            report: GarbageReport::default(),
        };
        let collected = collection.run().await;
        if let Some(turn) = collection.turn {
            turn.release().await;
        }
        collected?;
        let report = collection.report;
        // Whoever asked for it tells the summary.
        tracing::debug!(
            examined = report.examined,
            removed = report.removed,
            size_bytes = report.removed_bytes,
            spared = report.spared,
            dry_run = options.dry_run,
            "garbage collected"
        );
        if !options.dry_run {
            self.note_garbage_collected().await?;
        }
        Ok(report)
    }

    /// When garbage was last collected to the end, by whichever node; `None`: never yet.
    ///
    /// # Errors
    /// Whatever the database gives.
    pub async fn garbage_collected_at(&self) -> Result<Option<Timestamp>, Error> {
        let mut reader = self.db().reader().await?;
        let noted = settings::get(&mut reader, COLLECTED).await?;
        Ok(noted.and_then(|text| text.parse().ok()))
    }

    /// In the database, since the node that collects may be another one than those that are watched.
    async fn note_garbage_collected(&self) -> Result<(), Error> {
        let now = self.clock().now().to_string();
        self.db()
            .write::<_, Error, _>(Origin::new(""), |tx| {
                Box::pin(async move { Ok(settings::set(tx, COLLECTED, &now).await?) })
            })
            .await?;
        Ok(())
    }
}

struct Collection<'a> {
    app: &'a App,
    options: GarbageOptions,
    cutoff: Timestamp,
    /// Whoever only counts has none.
    turn: Option<RemovalLock>,
    report: GarbageReport,
}

impl Collection<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let mut entries = self.app.blobs().list();
        let mut batch = Vec::new();
        while let Some(entry) = entries.try_next().await? {
            batch.push(entry);
            if batch.len() >= self.options.batch.max(1) as usize {
                self.look_at(std::mem::take(&mut batch)).await?;
            }
        }
        self.look_at(batch).await
    }

    async fn look_at(&mut self, batch: Vec<BlobEntry>) -> Result<(), Error> {
        self.report.examined += batch.len() as u64;
        let (young, old): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|entry| entry.modified >= self.cutoff);
        self.report.spared += self.unreferenced(&young).await?.len() as u64;
        let garbage = if self.options.dry_run {
            self.unreferenced(&old).await?
        } else {
            self.forget_unreferenced(&old).await?
        };
        for entry in garbage {
            let removal = if self.options.dry_run {
                Removal::Removed
            } else {
                // Somebody may have put it again since it was listed.
                self.app
                    .blobs()
                    .remove_if_older(&entry.sha256, self.cutoff)
                    .await?
            };
            match removal {
                Removal::Removed => {
                    self.report.removed += 1;
                    self.report.removed_bytes += entry.size;
                }
                Removal::Spared => self.report.spared += 1,
                Removal::Absent => {}
            }
        }
        Ok(())
    }

    /// Those that no row refers to.
    async fn unreferenced(&self, entries: &[BlobEntry]) -> Result<Vec<BlobEntry>, Error> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let digests = digests(entries);
        let mut reader = self.app.db().reader().await?;
        let referenced = blobs::list_referenced(&mut reader, &digests).await?;
        drop(reader);
        let referenced: HashSet<Sha256> = referenced.into_iter().collect();
        Ok(without(entries, &referenced))
    }

    /// As [`Self::unreferenced`], and takes them out of the table of blobs.
    async fn forget_unreferenced(
        &mut self,
        entries: &[BlobEntry],
    ) -> Result<Vec<BlobEntry>, Error> {
        if self.unreferenced(entries).await?.is_empty() {
            return Ok(Vec::new());
        }
        let digests = digests(entries);
        let referenced = self
            .app
            .write_as(Origin::new("garbage collection"), move |tx| {
                Box::pin(async move {
                    blobs::remove(tx, &digests).await?;
                    // What is registered still is referred to.
                    Ok(blobs::list_registered(tx, &digests).await?)
                })
            })
            .await?
            .value;
        // A backup that began after the turn was lost and before the rows went copies what they name.
        if let Some(turn) = &mut self.turn {
            turn.check().await.map_err(refused)?;
        }
        Ok(without(entries, &referenced.into_iter().collect()))
    }
}

/// That a backup is being made, or may be, is an answer, and no failure of ours.
fn refused(error: DatabaseError) -> Error {
    match error {
        DatabaseError::RemovalsHeld { .. } | DatabaseError::RemovalsLost(_) => {
            Error::Conflict(error_chain(&error))
        }
        error => error.into(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the store stamps blobs with the machine's time, not with that of the app's clock"
)]
fn cutoff(grace: Duration) -> Timestamp {
    SignedDuration::try_from(grace)
        .ok()
        .and_then(|grace| Timestamp::now().checked_sub(grace).ok())
        .unwrap_or(Timestamp::MIN)
}

fn digests(entries: &[BlobEntry]) -> Vec<Sha256> {
    entries.iter().map(|entry| entry.sha256).collect()
}

fn without(entries: &[BlobEntry], referenced: &HashSet<Sha256>) -> Vec<BlobEntry> {
    entries
        .iter()
        .filter(|entry| !referenced.contains(&entry.sha256))
        .copied()
        .collect()
}
