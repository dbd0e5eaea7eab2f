//! Removing blobs while others may put them again.
//!
//! S3 has no rename and no conditional delete that all stores honour, and the same bytes have
//! the same `ETag`, so a remover cannot tell "the old one" from "the one put again a moment
//! ago". A marker object decides:
//!
//! * who removes: write a marker of one's own, ask for the age, delete if it is old, delete the
//!   marker;
//! * who puts: put, wait while there is any marker, then make sure that the blob is there, or put
//!   it again.
//!
//! Reads, writes and listings are strongly consistent, so either the putter sees the marker, or
//! it looked before the marker was written, and then the remover sees the new age, or it looked
//! after the removal was over, and then it sees that the blob is gone.

use std::time::Duration;

use bytes::Bytes;
use cheeseshop_packaging::hash::Sha256;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore};
use tokio::time::Instant;

use super::super::{BlobError, Removal};
use super::{Failure, Inner, S3Store, modified, random_name};

/// A removal that is not over by then was cut off: the remover gives itself half of it.
const MARKER_LIFETIME: Duration = Duration::from_mins(1);

/// How long to wait before asking again whether the removal is over.
const POLL: Duration = Duration::from_millis(100);

impl S3Store {
    pub(in super::super) async fn remove(&self, digest: &Sha256) -> Result<bool, BlobError> {
        let removal = self.throw_away(digest, None).await?;
        Ok(removal == Removal::Removed)
    }

    pub(in super::super) async fn remove_if_older(
        &self,
        digest: &Sha256,
        cutoff: Timestamp,
    ) -> Result<Removal, BlobError> {
        self.throw_away(digest, Some(cutoff)).await
    }

    async fn throw_away(
        &self,
        digest: &Sha256,
        cutoff: Option<Timestamp>,
    ) -> Result<Removal, BlobError> {
        let inner = &self.0;
        let marker = inner.new_marker(digest)?;
        inner
            .put_small(&marker, Bytes::from_static(b"removing"))
            .await?;
        let removed =
            tokio::time::timeout(MARKER_LIFETIME / 2, inner.remove_marked(digest, cutoff)).await;
        match removed {
            Ok(Ok(removal)) => {
                inner.delete(&marker).await?;
                Ok(removal)
            }
            // The deletion may still be on its way: the marker stays, and whoever puts this blob
            // waits until that cannot be any more.
            Ok(Err(error)) => Err(error),
            Err(_) => Err(BlobError::Timeout {
                action: "remove",
                place: inner.key(digest).to_string(),
            }),
        }
    }
}

impl Inner {
    async fn remove_marked(
        &self,
        digest: &Sha256,
        cutoff: Option<Timestamp>,
    ) -> Result<Removal, BlobError> {
        let key = self.key(digest);
        let Some(found) = self.head(&key).await? else {
            return Ok(Removal::Absent);
        };
        // S3 tells whole seconds: a blob of the cutoff's own second counts as young.
        let young = |cutoff: Timestamp| {
            modified(&found).is_none_or(|modified| modified.as_second() >= cutoff.as_second())
        };
        if cutoff.is_some_and(young) {
            return Ok(Removal::Spared);
        }
        self.delete(&key).await?;
        Ok(Removal::Removed)
    }

    /// Returns when no removal of this blob can be under way that began before now.
    pub(super) async fn wait_for_removal(
        &self,
        digest: &Sha256,
        blob: &Key,
    ) -> Result<(), BlobError> {
        let mut first_seen = None;
        loop {
            let markers = self.markers(digest).await?;
            if markers.is_empty() {
                return Ok(());
            }
            let since = *first_seen.get_or_insert_with(Instant::now);
            for marker in markers {
                if since.elapsed() >= MARKER_LIFETIME || self.is_stale(&marker, blob).await? {
                    tracing::warn!(key = %blob, "removing the marker of a removal that was cut off");
                    self.delete(&marker.location).await?;
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether a marker is so much older than the blob just put that its removal must be dead.
    /// Both ages are the store's own.
    async fn is_stale(&self, marker: &ObjectMeta, blob: &Key) -> Result<bool, BlobError> {
        let Some(blob) = self.head(blob).await? else {
            return Ok(false);
        };
        let age = blob.last_modified.timestamp() - marker.last_modified.timestamp();
        Ok(u64::try_from(age).is_ok_and(|age| age > MARKER_LIFETIME.as_secs()))
    }

    async fn markers(&self, digest: &Sha256) -> Result<Vec<ObjectMeta>, BlobError> {
        let prefix = self.markers_of(digest);
        let listing = self.store.list(Some(&prefix)).try_collect();
        match self.timed("list", &prefix, listing).await {
            Ok(markers) => Ok(markers),
            Err(Failure::NotFound) => Ok(Vec::new()),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    fn new_marker(&self, digest: &Sha256) -> Result<Key, BlobError> {
        Ok(self.markers_of(digest).join(random_name()?))
    }

    fn markers_of(&self, digest: &Sha256) -> Key {
        self.prefix
            .clone()
            .join("removing")
            .join(digest.to_string())
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use sha2::Digest;

    use super::super::super::StoredBlob;
    use super::super::super::spool::TempFile;
    use super::*;

    const CONTENT: Bytes = Bytes::from_static(b"put again");

    fn spooled(store: &S3Store) -> (TempFile, StoredBlob) {
        let mut file = TempFile::create(store.area().reserve()).unwrap();
        file.write_all(&[CONTENT]).unwrap();
        let blob = StoredBlob {
            sha256: Sha256(sha2::Sha256::digest(CONTENT).into()),
            size: CONTENT.len() as u64,
        };
        (file, blob)
    }

    async fn begin_removal(store: &S3Store, digest: &Sha256) -> Key {
        let marker = store.0.new_marker(digest).unwrap();
        store.0.put_small(&marker, Bytes::new()).await.unwrap();
        marker
    }

    #[tokio::test(start_paused = true)]
    async fn who_puts_waits_for_a_removal_and_puts_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = S3Store::in_memory(directory.path());
        let (file, blob) = spooled(&store);
        let key = store.0.key(&blob.sha256);
        let marker = begin_removal(&store, &blob.sha256).await;
        let putting = tokio::spawn({
            let store = store.clone();
            async move { store.keep(file, blob).await }
        });
        while !store.exists(&blob.sha256).await.unwrap() {
            tokio::task::yield_now().await;
        }
        // The removal had looked at the old blob and hits the new one.
        store.0.delete(&key).await.unwrap();
        tokio::time::sleep(POLL * 20).await;
        assert!(!putting.is_finished());
        store.0.delete(&marker).await.unwrap();
        putting.await.unwrap().unwrap();
        assert!(store.exists(&blob.sha256).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn the_marker_of_a_dead_remover_does_not_stop_uploads_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let store = S3Store::in_memory(directory.path());
        let (file, blob) = spooled(&store);
        let marker = begin_removal(&store, &blob.sha256).await;
        let before = Instant::now();
        store.keep(file, blob).await.unwrap();
        assert!(before.elapsed() >= MARKER_LIFETIME);
        assert!(store.exists(&blob.sha256).await.unwrap());
        assert!(store.0.store.head(&marker).await.is_err());
    }

    #[tokio::test]
    async fn a_removal_leaves_no_marker() {
        let directory = tempfile::tempdir().unwrap();
        let store = S3Store::in_memory(directory.path());
        let (file, blob) = spooled(&store);
        store.keep(file, blob).await.unwrap();
        let spared = store.remove_if_older(&blob.sha256, Timestamp::MIN).await;
        assert_eq!(spared.unwrap(), Removal::Spared);
        assert!(store.remove(&blob.sha256).await.unwrap());
        assert!(!store.remove(&blob.sha256).await.unwrap());
        let left: Vec<_> = store.0.store.list(None).try_collect().await.unwrap();
        assert_eq!(left, []);
    }
}
