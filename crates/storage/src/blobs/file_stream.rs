//! Streams a range of a file: positional reads on blocking threads, one chunk ahead.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::JoinHandle;

use super::CHUNK;
use super::buffers::Buffers;

/// The bytes of one range of one file.
///
/// The next chunk is read while the consumer is busy with the last one, so that disk and socket
/// work at the same time and a slow consumer costs two chunks of memory.
pub(super) struct FileStream {
    file: Arc<File>,
    /// What has not been asked for yet.
    rest: Range<u64>,
    pending: Option<JoinHandle<io::Result<Bytes>>>,
    buffers: Buffers,
}

impl FileStream {
    pub(super) fn new(file: Arc<File>, range: Range<u64>, buffers: Buffers) -> Self {
        Self {
            file,
            rest: range,
            pending: None,
            buffers,
        }
    }

    fn read_ahead(&mut self) {
        if self.rest.is_empty() {
            return;
        }
        let offset = self.rest.start;
        let length = usize::try_from(self.rest.end - offset).map_or(CHUNK, |rest| rest.min(CHUNK));
        self.rest.start += length as u64;
        let file = Arc::clone(&self.file);
        let buffers = self.buffers.clone();
        self.pending = Some(tokio::task::spawn_blocking(move || {
            read_chunk(&file, offset, length, &buffers)
        }));
    }
}

impl Stream for FileStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.pending.is_none() {
            self.read_ahead();
        }
        let Some(pending) = self.pending.as_mut() else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(pending).poll(context));
        self.pending = None;
        let chunk = match read {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        };
        if chunk.is_ok() {
            self.read_ahead();
        } else {
            self.rest.start = self.rest.end;
        }
        Poll::Ready(Some(chunk))
    }
}

fn read_chunk(file: &File, offset: u64, length: usize, buffers: &Buffers) -> io::Result<Bytes> {
    // A short piece (a metadata range, the tail) gets memory of its own size: it may be kept for
    // longer than a buffer of the pool should be away.
    if length <= CHUNK / 8 {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        return Ok(bytes.into());
    }
    let mut buffer = buffers.take();
    file.read_exact_at(&mut buffer.room()[..length], offset)?;
    Ok(buffer.share(length))
}
