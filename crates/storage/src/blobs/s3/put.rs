//! Bringing a spooled blob to the store.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_packaging::hash::Sha256;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStoreExt};
use sha2::Digest;

use super::super::spool::TempFile;
use super::super::{BlobError, StoredBlob};
use super::{Inner, S3Store};

/// Bytes of one part. Each is one request that can be repeated, and S3 takes 10,000 parts, so a
/// blob may have 80 GiB.
const PART: usize = 8 * 1024 * 1024;

/// Parts on their way at once; twice this in memory would not be faster on one connection.
const PARTS_AT_ONCE: usize = 2;

/// How often a blob is sent whole before we give up on the store.
const ATTEMPTS: u32 = 3;

impl S3Store {
    /// Sends the blob, and makes sure that it is there, whole, and not about to be removed.
    pub(in super::super) async fn keep(
        &self,
        file: TempFile,
        blob: StoredBlob,
    ) -> Result<(), BlobError> {
        let inner = &self.0;
        let key = inner.key(&blob.sha256);
        let mut attempt = 0;
        loop {
            attempt += 1;
            inner.send(file.file(), &key, blob.size).await?;
            inner.wait_for_removal(&blob.sha256, &key).await?;
            match inner.compare(&key, blob).await {
                Ok(()) => return Ok(()),
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => {
                    tracing::warn!(%key, attempt, %error, "sending a blob again");
                }
            }
        }
    }
}

impl Inner {
    async fn send(&self, file: &Arc<File>, key: &Key, size: u64) -> Result<(), BlobError> {
        if size <= PART as u64 {
            let length = usize::try_from(size).unwrap_or(PART);
            let bytes = read_part(file, 0, length).await?;
            return self.put_small(key, bytes).await;
        }
        let mut upload = self
            .timed("begin", key, self.store.put_multipart(key))
            .await
            .map_err(|failure| failure.into_error("begin", key))?;
        let sent = self.send_parts(upload.as_mut(), file, key, size).await;
        if sent.is_err() {
            // Parts of an upload that is neither completed nor aborted cost space for ever.
            if let Err(error) = self.timed("abort", key, upload.abort()).await {
                let error = error.into_error("abort", key);
                tracing::warn!(%key, %error, "parts of a failed upload stay in the store");
            }
        }
        sent
    }

    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        file: &Arc<File>,
        key: &Key,
        size: u64,
    ) -> Result<(), BlobError> {
        let offsets = (0..size).step_by(PART);
        let parts = stream::iter(offsets).map(|offset| {
            let length = usize::try_from(size - offset).map_or(PART, |rest| rest.min(PART));
            (offset, length)
        });
        let mut parts = std::pin::pin!(parts);
        let mut on_their_way = stream::FuturesUnordered::new();
        while let Some((offset, length)) = parts.next().await {
            if on_their_way.len() >= PARTS_AT_ONCE {
                on_their_way.try_next().await?;
            }
            // The number of a part is the order of these calls.
            let part = upload.put_part(read_part(file, offset, length).await?.into());
            on_their_way.push(async move {
                self.timed("keep a part of", key, part)
                    .await
                    .map_err(|failure| failure.into_error("keep a part of", key))
            });
        }
        while on_their_way.try_next().await?.is_some() {}
        drop(on_their_way);
        self.timed("complete", key, upload.complete())
            .await
            .map(drop)
            .map_err(|failure| failure.into_error("complete", key))
    }

    /// Whether the store now has exactly these bytes.
    async fn compare(&self, key: &Key, blob: StoredBlob) -> Result<(), BlobError> {
        if !self.verify_uploads {
            return match self.head(key).await? {
                Some(found) if found.size == blob.size => Ok(()),
                found => Err(BlobError::Corrupted {
                    place: key.to_string(),
                    found: found.map_or("nothing".to_owned(), |found| {
                        format!("{} bytes", found.size)
                    }),
                }),
            };
        }
        let mut chunks = self
            .timed("read back", key, self.store.get(key))
            .await
            .map_err(|failure| failure.into_error("read back", key))?
            .into_stream();
        let mut hasher = sha2::Sha256::new();
        while let Some(chunk) = self
            .timed("read back", key, chunks.try_next())
            .await
            .map_err(|failure| failure.into_error("read back", key))?
        {
            hasher.update(&chunk);
        }
        let found = Sha256(hasher.finalize().into());
        if found == blob.sha256 {
            return Ok(());
        }
        Err(BlobError::corrupted(key, found))
    }
}

async fn read_part(file: &Arc<File>, offset: u64, length: usize) -> Result<Bytes, BlobError> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    })
    .await
    .map_err(|error| BlobError::worker("read", &error))?
    .map_err(|source| BlobError::io("read", "the spooled blob", source))
}
