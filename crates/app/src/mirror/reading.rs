//! Reading a file while it is still being downloaded.
//!
//! The download tells how far it is; each reader takes what is there: the newest part from
//! memory, without copying, and what lies further back from the spooled file. The last byte of
//! every range is held back until the whole file has been verified, so nobody ever gets a
//! complete answer out of wrong bytes.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use cheeseshop_storage::{ByteStream, Spool};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::watch;

use super::failure::Failure;
use crate::Error;
use crate::file_handle::FileHandle;

/// Bytes of a running download that are kept in memory before the older ones leave it.
const RECENT: usize = 2 * 1024 * 1024;

/// Bytes that stay: readers that keep up find everything here.
const NEWEST: usize = RECENT / 4;

/// What is known of a file once its download has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Number of bytes, if listing or upstream say so.
    pub(super) size: Option<u64>,
    pub(super) modified: Timestamp,
}

/// How far a download is.
#[derive(Clone)]
enum Phase {
    /// No answer from the upstream yet.
    Waiting,
    /// Bytes are coming.
    Running(Head),
    /// All bytes are there, and are the right ones.
    Verified(Head),
    /// It turned out that the file is held already.
    Held(Box<FileHandle>),
    Failed(Failure),
}

#[derive(Clone)]
struct Progress {
    written: u64,
    phase: Phase,
}

/// The shared end of one download: written by its flight, read by many.
pub(super) struct Tail {
    progress: watch::Sender<Progress>,
    recent: Mutex<Recent>,
    spool: OnceLock<Spool>,
    readers: AtomicUsize,
}

/// The newest bytes: consecutive chunks, each with its position in the file.
#[derive(Default)]
struct Recent {
    chunks: VecDeque<(u64, Bytes)>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new() -> Arc<Self> {
        let progress = Progress {
            written: 0,
            phase: Phase::Waiting,
        };
        Arc::new(Self {
            progress: watch::channel(progress).0,
            recent: Mutex::default(),
            spool: OnceLock::new(),
            readers: AtomicUsize::new(0),
        })
    }

    /// Nobody waits for this file or reads it at the moment.
    pub(super) fn is_unread(&self) -> bool {
        self.readers.load(Ordering::Acquire) == 0
    }

    /// Bytes that have come so far.
    pub(super) fn written(&self) -> u64 {
        self.progress.borrow().written
    }

    /// The upstream has begun to answer.
    pub(super) fn start(&self, head: Head) {
        self.progress
            .send_modify(|progress| progress.phase = Phase::Running(head));
    }

    /// More bytes. True when there are so many in memory that [`Tail::recede`] is due.
    pub(super) fn push(&self, chunk: Bytes) -> bool {
        let written = self.written();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let end = written + chunk.len() as u64;
        recent.bytes += chunk.len();
        recent.chunks.push_back((written, chunk));
        let is_long = recent.bytes > RECENT;
        drop(recent);
        self.progress.send_modify(|progress| progress.written = end);
        is_long
    }

    /// Everything pushed so far is in the spooled file: what is older leaves memory.
    pub(super) fn recede(&self, spool: Spool) {
        // The first one reads all that is written later, too.
        let _ = self.spool.set(spool);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while recent.bytes > NEWEST {
            let Some((_, chunk)) = recent.chunks.pop_front() else {
                break;
            };
            recent.bytes -= chunk.len();
        }
    }

    /// All bytes are there and are the right ones.
    pub(super) fn verified(&self) {
        self.progress.send_modify(|progress| {
            if let Phase::Running(head) = progress.phase {
                progress.phase = Phase::Verified(Head {
                    size: Some(progress.written),
                    ..head
                });
            }
        });
    }

    /// No download was needed.
    pub(super) fn held(&self, handle: FileHandle) {
        self.progress
            .send_modify(|progress| progress.phase = Phase::Held(Box::new(handle)));
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.progress
            .send_modify(|progress| progress.phase = Phase::Failed(failure));
    }

    /// The flight has ended; if nobody said how, it was lost.
    pub(super) fn lost(&self) {
        self.progress.send_if_modified(|progress| {
            let is_open = matches!(progress.phase, Phase::Waiting | Phase::Running(_));
            if is_open {
                progress.phase = Phase::Failed(Failure::lost());
            }
            is_open
        });
    }
}

/// A reader of a download; while there is one, the download goes on.
pub(crate) struct Reading(Arc<Tail>);

impl Reading {
    pub(super) fn new(tail: Arc<Tail>) -> Self {
        tail.readers.fetch_add(1, Ordering::AcqRel);
        Self(tail)
    }

    /// Waits until the upstream has begun to answer. What is held already comes as a handle.
    pub(super) async fn started(&self) -> Result<Result<Head, FileHandle>, Failure> {
        self.when(|phase| match phase {
            Phase::Waiting => None,
            Phase::Running(head) | Phase::Verified(head) => Some(Ok(Ok(*head))),
            Phase::Held(handle) => Some(Ok(Err(handle.as_ref().clone()))),
            Phase::Failed(failure) => Some(Err(failure.clone())),
        })
        .await
    }

    /// Waits for the last byte to be verified; answers the size.
    pub(crate) async fn complete(&self) -> Result<u64, Error> {
        let size = self
            .when(|phase| match phase {
                Phase::Waiting | Phase::Running(_) => None,
                Phase::Verified(head) => Some(Ok(head.size)),
                Phase::Held(handle) => Some(Ok(handle.size)),
                Phase::Failed(failure) => Some(Err(failure.clone())),
            })
            .await?;
        size.ok_or_else(|| Failure::lost().into())
    }

    async fn when<T>(
        &self,
        answer: impl Fn(&Phase) -> Option<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut progress = self.0.progress.subscribe();
        // The sender lives in the tail, which we hold: the channel cannot close.
        let reached = progress
            .wait_for(|progress| answer(&progress.phase).is_some())
            .await;
        match reached {
            Ok(progress) => answer(&progress.phase).unwrap_or_else(|| Err(Failure::lost())),
            Err(_) => Err(Failure::lost()),
        }
    }

    /// The size, as far as it is known by now.
    pub(crate) fn size(&self) -> Option<u64> {
        match &self.0.progress.borrow().phase {
            Phase::Running(head) | Phase::Verified(head) => head.size,
            Phase::Held(handle) => handle.size,
            Phase::Waiting | Phase::Failed(_) => None,
        }
    }

    /// Streams a range as its bytes arrive. An end beyond the file means its end.
    pub(crate) fn read(&self, range: Range<u64>) -> ByteStream {
        let cursor = Cursor {
            progress: self.0.progress.subscribe(),
            reading: self.clone(),
            rest: range,
            spooled: None,
        };
        stream::unfold(Some(cursor), |cursor| async move {
            let mut cursor = cursor?;
            match cursor.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(cursor))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

impl Clone for Reading {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One range being read.
struct Cursor {
    reading: Reading,
    progress: watch::Receiver<Progress>,
    rest: Range<u64>,
    /// A part of the range that lies in the spooled file.
    spooled: Option<ByteStream>,
}

impl Cursor {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let Some(limit) = self.limit()? else {
                return Ok(None);
            };
            if let Some(spooled) = &mut self.spooled {
                match spooled.next().await {
                    Some(chunk) => return chunk.map(|chunk| Some(self.took(chunk))),
                    None => self.spooled = None,
                }
                continue;
            }
            if self.rest.start < limit {
                if let Some(chunk) = self.take_recent(limit) {
                    return Ok(Some(self.took(chunk)));
                }
                continue;
            }
            if self.progress.changed().await.is_err() {
                return Err(io::Error::other("the download was given up"));
            }
        }
    }

    /// How far may be read now; `None` at the end.
    fn limit(&mut self) -> io::Result<Option<u64>> {
        let progress = self.progress.borrow_and_update();
        match &progress.phase {
            Phase::Waiting => Ok(Some(0)),
            // The last byte of the file and that of the range are held back.
            Phase::Running(_) => Ok(Some(progress.written.min(self.rest.end).saturating_sub(1))),
            Phase::Verified(_) => {
                self.rest.end = self.rest.end.min(progress.written);
                Ok((self.rest.start < self.rest.end).then_some(self.rest.end))
            }
            Phase::Held(_) => Err(io::Error::other("the file is held and not downloaded")),
            Phase::Failed(failure) => Err(io::Error::other(Error::from(failure.clone()))),
        }
    }

    /// The next bytes from memory. When they are not there any more, the spooled file is opened
    /// for the part that only it has.
    fn take_recent(&mut self, limit: u64) -> Option<Bytes> {
        let recent = self.reading.0.recent.lock();
        let recent = recent.unwrap_or_else(PoisonError::into_inner);
        let position = self.rest.start;
        let first = recent.chunks.front().map_or(limit, |(start, _)| *start);
        if position < first {
            let part = position..limit.min(first);
            drop(recent);
            self.spooled = Some(match self.reading.0.spool.get() {
                Some(spool) => spool.read(part),
                None => {
                    stream::iter([Err(io::Error::other("the spooled file is missing"))]).boxed()
                }
            });
            return None;
        }
        let after = recent
            .chunks
            .partition_point(|(start, _)| *start <= position);
        let (start, chunk) = recent.chunks.get(after.checked_sub(1)?)?;
        let from = usize::try_from(position - start).ok()?;
        let to = usize::try_from(limit - start).map_or(chunk.len(), |to| to.min(chunk.len()));
        Some(chunk.slice(from..to))
    }

    fn took(&mut self, chunk: Bytes) -> Bytes {
        self.rest.start += chunk.len() as u64;
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        size: Some(6),
        modified: Timestamp::UNIX_EPOCH,
    };

    async fn collect(stream: ByteStream) -> io::Result<Vec<u8>> {
        let chunks: Vec<io::Result<Bytes>> = stream.collect().await;
        let mut all = Vec::new();
        for chunk in chunks {
            all.extend_from_slice(&chunk?);
        }
        Ok(all)
    }

    /// Takes what can be read without waiting.
    async fn ready(stream: &mut ByteStream) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(Some(chunk)) = futures_util::FutureExt::now_or_never(stream.next()) {
            all.extend_from_slice(&chunk.unwrap());
        }
        tokio::task::yield_now().await;
        all
    }

    #[tokio::test]
    async fn the_last_byte_of_every_range_waits_for_the_verdict() {
        let tail = Tail::new();
        let reading = Reading::new(Arc::clone(&tail));
        tail.start(HEAD);
        let (mut whole, mut part) = (reading.read(0..6), reading.read(1..3));
        tail.push(Bytes::from_static(b"abcd"));
        assert_eq!(ready(&mut whole).await, b"abc");
        assert_eq!(ready(&mut part).await, b"b");
        tail.push(Bytes::from_static(b"ef"));
        assert_eq!(ready(&mut whole).await, b"de");
        tail.verified();
        assert_eq!(collect(whole).await.unwrap(), b"f");
        assert_eq!(collect(part).await.unwrap(), b"c");
        assert_eq!(collect(reading.read(4..u64::MAX)).await.unwrap(), b"ef");
        assert_eq!(collect(reading.read(3..3)).await.unwrap(), b"");
        assert_eq!(reading.complete().await.unwrap(), 6);
    }

    #[tokio::test]
    async fn a_failure_ends_every_range_in_an_error() {
        let tail = Tail::new();
        let reading = Reading::new(Arc::clone(&tail));
        tail.start(HEAD);
        tail.push(Bytes::from_static(b"abcdef"));
        let (whole, part) = (reading.read(0..6), reading.read(0..2));
        tail.failed(Failure::Busy);
        assert!(collect(whole).await.is_err());
        assert!(collect(part).await.is_err());
        assert!(reading.started().await.is_err());
        assert!(reading.complete().await.is_err());
    }

    #[tokio::test]
    async fn readers_are_counted() {
        let tail = Tail::new();
        assert!(tail.is_unread());
        let reading = Reading::new(Arc::clone(&tail));
        let stream = reading.read(0..6);
        drop(reading);
        assert!(!tail.is_unread());
        drop(stream);
        assert!(tail.is_unread());
    }
}
