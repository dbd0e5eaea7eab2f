//! Values out of a stream of bytes, without knowing their lengths beforehand.

use bytes::{Buf as _, Bytes, BytesMut};

use super::decode::DecodeError;
use super::op::{self, Operand};

/// Cuts a stream of encoded values, one after the other, into the bytes of each.
///
/// Looks at every byte once, however the stream is cut.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    /// Up to here the buffer holds whole operations of the current value.
    scanned: usize,
    limit: usize,
}

impl FrameReader {
    /// Takes values of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            limit,
        }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing waits to be completed.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The bytes of the next value, once they are there.
    ///
    /// # Errors
    /// [`DecodeError`] when this cannot become a value any more, or one that is too large.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        while let Some(&operation) = self.buffer.get(self.scanned) {
            let position = self.scanned;
            let behind = &self.buffer[position + 1..];
            let length = match op::operand(operation) {
                Some(Operand::None) => 0,
                Some(Operand::Fixed(length)) => length,
                Some(Operand::Counted) => {
                    let Some(count) = behind.first_chunk() else {
                        return self.incomplete(5);
                    };
                    let count = usize::try_from(i32::from_be_bytes(*count))
                        .map_err(|_| DecodeError::Malformed { position })?;
                    4 + count
                }
                None => {
                    return Err(DecodeError::UnknownOperation {
                        operation,
                        position,
                    });
                }
            };
            if behind.len() < length {
                return self.incomplete(length + 1);
            }
            self.scanned += 1 + length;
            if operation == op::STOP {
                let frame = self.buffer.copy_to_bytes(self.scanned);
                self.scanned = 0;
                return Ok(Some(frame));
            }
        }
        self.incomplete(0)
    }

    /// More bytes are needed, if so many are taken.
    fn incomplete(&self, operation: usize) -> Result<Option<Bytes>, DecodeError> {
        if self.scanned.saturating_add(operation) > self.limit {
            return Err(DecodeError::TooLarge);
        }
        Ok(None)
    }
}
