//! Read buffers that come back.
//!
//! A download of 500 MB needs two thousand chunks. Taken fresh from the allocator each of them
//! has to be mapped and zeroed before the kernel fills it, which was measured as a sixth of the
//! CPU time of a whole download to loopback. A buffer handed out as [`Bytes`] returns here when
//! its last reader is done.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::CHUNK;

/// Idle buffers that are kept: 4 MiB.
const MOST_IDLE: usize = 16;

/// A shared pool of buffers of [`CHUNK`] bytes.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Box<[u8]>>>>);

impl Buffers {
    /// A buffer of [`CHUNK`] bytes with arbitrary content.
    pub(super) fn take(&self) -> Buffer {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer {
            bytes: idle.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice()),
            length: 0,
            home: self.clone(),
        }
    }

    fn give_back(&self, bytes: Box<[u8]>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(bytes);
        }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Buffers")
    }
}

/// A buffer on loan.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
    home: Buffers,
}

impl Buffer {
    /// The whole room, to be filled from its beginning.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Shares the first `length` bytes; the buffer returns when all clones are dropped.
    pub(super) fn share(mut self, length: usize) -> Bytes {
        self.length = length.min(self.bytes.len());
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_returns_when_its_last_reader_is_done() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.room()[..3].copy_from_slice(b"abc");
        let shared = buffer.share(3);
        let part = shared.slice(1..);
        drop(shared);
        assert_eq!(&part[..], b"bc");
        assert!(buffers.0.lock().unwrap().is_empty());
        drop(part);
        assert_eq!(buffers.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn no_more_than_a_few_buffers_are_kept() {
        let buffers = Buffers::default();
        let many: Vec<_> = (0..3 * MOST_IDLE).map(|_| buffers.take()).collect();
        drop(many);
        assert_eq!(buffers.0.lock().unwrap().len(), MOST_IDLE);
    }
}
