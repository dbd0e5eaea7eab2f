//! Whether the bytes of everything that is listed are there, and are the right ones.
//!
//! Each blob is looked at once, however many indexes list it, in batches, so that memory is
//! bounded whatever there is. Rows are asked for paths only when something is wrong. Safe beside
//! a running server: a blob that is removed while it is looked at has no referrer any more.

use cheeseshop_packaging::Sha256;
use cheeseshop_storage::database::inventory;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::Digest as _;

use crate::import::in_full;
use crate::{App, Error};

/// Blobs that are looked at together.
const BATCH: usize = 500;

/// Blobs of a batch that are read at the same time: one waits for the disk or the store while
/// another is hashed.
const AT_ONCE: usize = 4;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// Whether every blob is there and as long as it should be.
    Presence,
    /// All bytes are read and hashed as well.
    Digests,
}

/// What is told while the check runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Something is wrong with something that is listed.
    Wrong(Finding),
    /// So many blobs were looked at.
    Progress {
        /// Blobs so far.
        blobs: u64,
    },
}

/// Something that is listed and cannot be served as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it is served, without a leading slash: `bob/dev/+f/7f0/c4e…/pkg-1.0.whl`.
    pub path: String,
    /// Whether an upstream has it as well.
    pub is_mirrored: bool,
    /// What is wrong.
    pub damage: Damage,
}

/// What is wrong with a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// There is none.
    Missing,
    /// It has another number of bytes.
    Size {
        /// What was found.
        got: u64,
        /// What should have been.
        expected: u64,
    },
    /// It has another digest.
    Digest {
        /// What was found.
        got: Sha256,
        /// What should have been.
        expected: Sha256,
    },
    /// It cannot be read, which may be a matter of this moment: why, in one line.
    Unreadable(String),
}

/// What was found in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsistencyReport {
    /// Listed files, documentation and test results, those that mirrors hold among them.
    pub files: u64,
    /// Blobs that were looked at.
    pub blobs: u64,
    /// Listed things of hosted indexes without bytes.
    pub missing: u64,
    /// The same on mirrors, where the upstream may have them still.
    pub missing_on_mirrors: u64,
    /// Listed things with wrong bytes, on any index.
    pub damaged: u64,
    /// Listed things whose bytes cannot be read, on any index.
    pub unreadable: u64,
}

impl ConsistencyReport {
    /// Whether all that only this installation has is whole, and nothing wrong is served.
    pub fn is_consistent(&self) -> bool {
        self.missing == 0 && self.damaged == 0 && self.unreadable == 0
    }
}

impl App {
    /// Looks at the bytes of everything that is listed. `tell` hears of each thing that is wrong
    /// and, after every batch, how far it is.
    ///
    /// # Errors
    /// What the database gives. A blob that cannot be read is a finding, and the check goes on.
    pub async fn check_consistency(
        &self,
        thoroughness: Thoroughness,
        tell: &mut (dyn FnMut(Remark) + Send),
    ) -> Result<ConsistencyReport, Error> {
        let mut report = ConsistencyReport {
            files: inventory::count_files(&mut *self.db().reader().await?).await?,
            ..ConsistencyReport::default()
        };
        let mut last = None;
        loop {
            // A reader of its own for each batch: hashing may take hours, a snapshot must not.
            let mut reader = self.db().reader().await?;
            let batch = inventory::list_blobs(&mut reader, BATCH, last).await?;
            drop(reader);
            let Some((newest, _)) = batch.last() else {
                return Ok(report);
            };
            last = Some(*newest);
            report.blobs += batch.len() as u64;
            let mut damages = stream::iter(batch)
                .map(async |(sha256, size)| {
                    let damage = self.damage_of(sha256, size, thoroughness).await;
                    let damage = damage.unwrap_or_else(|error| Some(Damage::Unreadable(error)));
                    damage.map(|damage| (sha256, damage))
                })
                .buffered(AT_ONCE);
            while let Some(damage) = damages.next().await {
                if let Some((sha256, damage)) = damage {
                    self.tell_referrers(sha256, &damage, &mut report, tell)
                        .await?;
                }
            }
            tell(Remark::Progress {
                blobs: report.blobs,
            });
        }
    }

    /// What is wrong with a blob; the error says why it cannot be read.
    async fn damage_of(
        &self,
        sha256: Sha256,
        size: u64,
        thoroughness: Thoroughness,
    ) -> Result<Option<Damage>, String> {
        let opened = self.blobs().open_stored(&sha256).await;
        let Some(blob) = opened.map_err(|error| in_full(&error))? else {
            return Ok(Some(Damage::Missing));
        };
        if blob.size() != size {
            return Ok(Some(Damage::Size {
                got: blob.size(),
                expected: size,
            }));
        }
        if thoroughness == Thoroughness::Presence {
            return Ok(None);
        }
        let mut hasher = sha2::Sha256::new();
        let mut chunks = blob.read_all();
        while let Some(chunk) = chunks.try_next().await.map_err(|error| in_full(&error))? {
            hasher.update(&chunk);
        }
        let got = Sha256(hasher.finalize().into());
        Ok((got != sha256).then_some(Damage::Digest {
            got,
            expected: sha256,
        }))
    }

    async fn tell_referrers(
        &self,
        sha256: Sha256,
        damage: &Damage,
        report: &mut ConsistencyReport,
        tell: &mut (dyn FnMut(Remark) + Send),
    ) -> Result<(), Error> {
        let mut reader = self.db().reader().await?;
        let referrers = inventory::list_referrers(&mut reader, &sha256).await?;
        drop(reader);
        for referrer in referrers {
            let counter = match (damage, referrer.is_mirrored) {
                (Damage::Missing, false) => &mut report.missing,
                (Damage::Missing, true) => &mut report.missing_on_mirrors,
                (Damage::Size { .. } | Damage::Digest { .. }, _) => &mut report.damaged,
                (Damage::Unreadable(_), _) => &mut report.unreadable,
            };
            *counter += 1;
            tell(Remark::Wrong(Finding {
                path: referrer.path,
                is_mirrored: referrer.is_mirrored,
                damage: damage.clone(),
            }));
        }
        Ok(())
    }
}
