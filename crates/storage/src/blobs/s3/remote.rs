//! Reading blobs from the store.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use cheeseshop_packaging::hash::Sha256;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt};
use sha2::Digest;

use super::super::{Blob, BlobError, ByteStream, CHUNK};
use super::{Failure, Inner};

/// A blob in the bucket, with its first chunk.
#[derive(Clone)]
pub(in super::super) struct RemoteBlob {
    store: Arc<dyn ObjectStore>,
    key: Key,
    digest: Sha256,
    /// What came with the answer that told the size: reading from the beginning needs no
    /// second request before it can start.
    first: Bytes,
}

/// Opens a blob with one request, which brings its size and its first chunk.
pub(super) async fn open(inner: &Inner, digest: &Sha256) -> Result<Option<Blob>, BlobError> {
    let key = inner.key(digest);
    let request = async {
        let options = GetOptions {
            range: Some(GetRange::Bounded(0..CHUNK as u64)),
            ..GetOptions::default()
        };
        let answer = match inner.store.get_opts(&key, options).await {
            // An empty object has no range that could be answered.
            Err(object_store::Error::Generic { .. }) => inner.store.get(&key).await?,
            answer => answer?,
        };
        read_first(answer).await
    };
    let (first, size) = match inner.timed("read", &key, request).await {
        Ok(opened) => opened,
        Err(Failure::NotFound) => return Ok(None),
        Err(Failure::Other(error)) => return Err(error),
    };
    if first.len() as u64 == size {
        let found = Sha256(sha2::Sha256::digest(&first).into());
        if found != *digest {
            return Err(BlobError::corrupted(key, found));
        }
        return Ok(Some(Blob::from_bytes(first)));
    }
    let remote = RemoteBlob {
        store: Arc::clone(&inner.store),
        key,
        digest: *digest,
        first,
    };
    Ok(Some(Blob::from_remote(remote, size)))
}

async fn read_first(answer: GetResult) -> object_store::Result<(Bytes, u64)> {
    let size = answer.meta.size;
    if answer.range.end - answer.range.start > CHUNK as u64 {
        // Only for a store that ignores ranges: take the beginning, drop the rest.
        let mut first = Vec::with_capacity(CHUNK);
        let mut chunks = answer.into_stream();
        while let Some(chunk) = chunks.try_next().await? {
            first.extend_from_slice(&chunk);
            if first.len() >= CHUNK {
                first.truncate(CHUNK);
                break;
            }
        }
        return Ok((first.into(), size));
    }
    Ok((answer.bytes().await?, size))
}

impl RemoteBlob {
    /// Streams a range. The whole blob is compared with its digest on the way, and its last
    /// bytes are held back until that is done; a part cannot be compared with anything.
    pub(in super::super) fn read(&self, range: Range<u64>, size: u64) -> ByteStream {
        let whole = range == (0..size);
        let held = self.first.len() as u64;
        let at_hand = range.start.min(held)..range.end.min(held);
        let to_fetch = range.start.max(held)..range.end;
        // Both ends are below the length of a buffer in memory.
        let at_hand = at_hand.start.try_into().unwrap_or(0)..at_hand.end.try_into().unwrap_or(0);
        let first = self.first.slice(at_hand);
        let chunks = stream::iter((!first.is_empty()).then_some(Ok(first)))
            .chain(self.fetch(to_fetch))
            .boxed();
        if whole {
            Checked {
                chunks,
                hasher: sha2::Sha256::new(),
                left: size,
                digest: self.digest,
                held_back: None,
                done: false,
            }
            .boxed()
        } else {
            chunks
        }
    }

    fn fetch(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        if range.is_empty() {
            return stream::empty().boxed();
        }
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        let length = range.end - range.start;
        let request = async move {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                ..GetOptions::default()
            };
            let answer = store.get_opts(&key, options).await?;
            if answer.range != range {
                return Err(io::Error::other("the object store answered another range"));
            }
            Ok(answer.into_stream().map_err(io::Error::from))
        };
        let chunks = stream::once(request).try_flatten();
        Exact {
            chunks: chunks.boxed(),
            left: length,
        }
        .boxed()
    }
}

impl std::fmt::Debug for RemoteBlob {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.key.as_ref())
    }
}

/// A stream that is an error when it ends early.
struct Exact {
    chunks: BoxStream<'static, io::Result<Bytes>>,
    left: u64,
}

impl Stream for Exact {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = match ready!(self.chunks.poll_next_unpin(context)) {
            Some(Ok(chunk)) => match self.left.checked_sub(chunk.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Some(Ok(chunk))
                }
                None => Some(Err(io::Error::other("the object store sent too much"))),
            },
            None if self.left > 0 => {
                self.left = 0;
                Some(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            other => other,
        };
        Poll::Ready(next)
    }
}

/// A stream whose last chunk comes only if all chunks together have the right digest.
struct Checked {
    chunks: BoxStream<'static, io::Result<Bytes>>,
    hasher: sha2::Sha256,
    left: u64,
    digest: Sha256,
    held_back: Option<Bytes>,
    done: bool,
}

impl Stream for Checked {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.done {
            match ready!(self.chunks.poll_next_unpin(context)) {
                Some(Ok(chunk)) => {
                    self.hasher.update(&chunk);
                    self.left = self.left.saturating_sub(chunk.len() as u64);
                    if let Some(before) = self.held_back.replace(chunk) {
                        return Poll::Ready(Some(Ok(before)));
                    }
                }
                Some(Err(error)) => {
                    self.done = true;
                    self.held_back = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.done = true;
                    let found = std::mem::take(&mut self.hasher).finalize();
                    if self.left > 0 || found[..] != self.digest.as_bytes()[..] {
                        self.held_back = None;
                        let text = "the object store's bytes do not have the digest of their name";
                        let error = io::Error::new(io::ErrorKind::InvalidData, text);
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
        Poll::Ready(self.held_back.take().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(parts: &[&'static str], digest_of: &str) -> Vec<io::Result<Bytes>> {
        let chunks: Vec<io::Result<Bytes>> = parts
            .iter()
            .map(|part| Ok(Bytes::from_static(part.as_bytes())))
            .collect();
        let checked = Checked {
            chunks: stream::iter(chunks).boxed(),
            hasher: sha2::Sha256::new(),
            left: digest_of.len() as u64,
            digest: Sha256(sha2::Sha256::digest(digest_of).into()),
            held_back: None,
            done: false,
        };
        checked.collect().await
    }

    #[tokio::test]
    async fn right_bytes_come_whole() {
        let read = read(&["ab", "cd", "e"], "abcde").await;
        let whole: Vec<u8> = read.into_iter().flat_map(|chunk| chunk.unwrap()).collect();
        assert_eq!(whole, b"abcde");
    }

    #[tokio::test]
    async fn wrong_bytes_never_come_whole() {
        for parts in [
            &["ab", "cd", "x"][..],
            &["ab", "cd"][..],
            &["abxde"][..],
            &[][..],
        ] {
            let mut read = read(parts, "abcde").await;
            let last = read.pop().unwrap();
            assert_eq!(last.unwrap_err().kind(), io::ErrorKind::InvalidData);
            let before: usize = read.into_iter().map(|chunk| chunk.unwrap().len()).sum();
            assert!(before < 5);
        }
    }

    #[tokio::test]
    async fn a_short_answer_is_an_error() {
        let chunks = stream::iter([Ok(Bytes::from_static(b"abc"))]).boxed();
        let read: Vec<_> = Exact { chunks, left: 4 }.collect().await;
        assert!(read[0].is_ok());
        assert_eq!(
            read[1].as_ref().unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
