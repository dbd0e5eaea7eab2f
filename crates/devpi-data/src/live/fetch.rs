//! The change log, from the wire into our file.

use cheeseshop_app::ByteStream;
use futures_util::TryStreamExt as _;

use super::FollowError;
use super::primary::{Log, Primary, unreachable};
use super::store::Store;
use crate::change_log::{Entry, EntryError, FrameReader, Limits, Value, decode};

/// Commits that are kept in one transaction.
const BATCH: usize = 500;

/// Bytes of commits that are kept in one transaction.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// One answer of the server: commits that follow each other.
pub(super) struct LogReader {
    primary: Primary,
    stream: ByteStream,
    frames: FrameReader,
    /// The server's last commit when it answered.
    head: u64,
    /// The commit that comes next.
    next: u64,
    /// Numbers and commits take turns; whether the number was read.
    announced: bool,
    /// The answer is at its end, or this kept it from getting there.
    ended: bool,
    trouble: Option<FollowError>,
}

impl LogReader {
    /// Asks for the commits from this one on; `None` when there are none yet.
    pub(super) async fn open(primary: &Primary, from: u64) -> Result<Option<Self>, FollowError> {
        let (head, stream) = match primary.log(from).await? {
            Log::Entries(head, stream) => (head, stream),
            Log::NothingNew => return Ok(None),
        };
        Ok(Some(Self {
            primary: primary.clone(),
            stream,
            frames: FrameReader::new(Limits::default().bytes),
            head,
            next: from,
            announced: false,
            ended: false,
            trouble: None,
        }))
    }

    /// The server's last commit when it answered.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Keeps some more commits and gives the number of the one that comes next; `None` at the
    /// end. What came before an error is kept before it is told.
    pub(super) async fn keep_some(&mut self, store: &Store) -> Result<Option<u64>, FollowError> {
        let first = self.next;
        let mut entries = Vec::new();
        let mut bytes = 0;
        while !self.ended && entries.len() < BATCH && bytes < BATCH_BYTES {
            match self.read().await {
                Ok(Some((entry, length))) => {
                    self.next += 1;
                    entries.push(entry);
                    bytes += length;
                }
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.trouble = Some(error);
                    self.ended = true;
                }
            }
        }
        if !entries.is_empty() {
            store.apply(first, entries).await?;
            return Ok(Some(self.next));
        }
        match self.trouble.take() {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// The next commit with its length in bytes.
    async fn read(&mut self) -> Result<Option<(Entry, usize)>, FollowError> {
        let serial = self.next;
        let damaged = |source: EntryError| FollowError::Entry { serial, source };
        let limits = Limits::default();
        loop {
            let frame = self.frames.next_frame();
            if let Some(frame) = frame.map_err(|error| damaged(error.into()))? {
                if self.announced {
                    self.announced = false;
                    let entry = Entry::decode(&frame, limits).map_err(damaged)?;
                    return Ok(Some((entry, frame.len())));
                }
                let number = decode(&frame, limits).map_err(|error| damaged(error.into()))?;
                if number != Value::Integer(serial.cast_signed()) {
                    return Err(damaged(EntryError::Form));
                }
                self.announced = true;
                continue;
            }
            match self.stream.try_next().await {
                Ok(Some(chunk)) => self.frames.push(&chunk),
                Ok(None) if self.frames.is_empty() && !self.announced => return Ok(None),
                Ok(None) => {
                    let cut = "its answer ended in the middle of a commit";
                    let cut = std::io::Error::other(cut);
                    return Err(unreachable(self.primary.url(), &cut));
                }
                Err(error) => return Err(unreachable(self.primary.url(), &error)),
            }
        }
    }
}
