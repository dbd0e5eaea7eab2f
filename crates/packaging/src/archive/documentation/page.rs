//! One page of an archive: where it lies, and unpacking it piece by piece.

use std::ops::Range;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::archive::ArchiveError;
use crate::archive::zip::{
    DEFLATED, Entry, LOCAL_HEADER_LENGTH, LOCAL_HEADER_SIGNATURE, STORED, u16_at,
};

/// Where a page lies in its archive, and what comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    start: u64,
    end: u64,
    packed: u64,
    size: u64,
    crc: u32,
    deflated: bool,
}

impl Page {
    /// `None` for entries that cannot be unpacked. `next` is where the entry
    /// has ended at the latest.
    pub(super) fn of(entry: &Entry, next: u64) -> Option<Self> {
        let deflated = match entry.method {
            STORED => false,
            DEFLATED => true,
            _ => return None,
        };
        if entry.is_encrypted() {
            return None;
        }
        // The header's own name and extra field may have any length.
        let longest = (LOCAL_HEADER_LENGTH + 2 * usize::from(u16::MAX)) as u64;
        let end = entry
            .offset
            .saturating_add(longest)
            .saturating_add(entry.compressed);
        Some(Self {
            start: entry.offset,
            end: end.min(next),
            packed: entry.compressed,
            size: entry.size,
            crc: entry.crc,
            deflated,
        })
    }

    /// The bytes of the archive that a [`PageReader`] wants, in their order. It
    /// may be finished before their end.
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }

    /// The size of the page in bytes, unpacked.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// How far a step of a [`PageReader`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// So many bytes of the input are done with.
    pub consumed: usize,
    /// So many bytes were put at the beginning of the output.
    pub produced: usize,
}

/// Unpacks a page as its bytes arrive, in constant memory.
///
/// Never gives more bytes than the page is said to have; what turns out to be
/// shorter, longer or other than said is an error before the reader is finished.
#[derive(Debug)]
pub struct PageReader {
    page: Page,
    /// The entry's own header, as far as it has arrived.
    header: Vec<u8>,
    /// Bytes between the header and the content that are still to be skipped;
    /// `None` while the header is not complete.
    skipped: Option<usize>,
    /// Packed bytes that are still to come.
    left: u64,
    inflater: Option<Decompress>,
    crc: Crc,
    produced: u64,
    finished: bool,
}

impl PageReader {
    /// Starts on a page.
    pub fn new(page: &Page) -> Self {
        Self {
            page: *page,
            header: Vec::with_capacity(LOCAL_HEADER_LENGTH),
            skipped: None,
            left: page.packed,
            inflater: page.deflated.then(|| Decompress::new(false)),
            crc: Crc::new(),
            produced: 0,
            finished: false,
        }
    }

    /// Whether the whole page was given out and is what it was said to be.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Takes what it can of the input and fills what it can of the output,
    /// which must not be empty. When nothing is left of the input, nothing was
    /// produced and the reader is not finished, it wants more input.
    ///
    /// # Errors
    /// [`ArchiveError::Malformed`] when the page is not what it was said to be.
    pub fn unpack(&mut self, input: &[u8], output: &mut [u8]) -> Result<Unpacked, ArchiveError> {
        let header = self.take_header(input)?;
        let mut done = Unpacked {
            consumed: header,
            produced: 0,
        };
        if self.skipped != Some(0) || self.finished {
            return Ok(done);
        }
        let input = &input[header..];
        let input = &input[..clamp(input.len(), self.left)];
        let content = match self.inflater.take() {
            None => self.copy(input, output),
            Some(mut inflater) => {
                let outcome = self.inflate(&mut inflater, input, output);
                self.inflater = Some(inflater);
                outcome
            }
        }?;
        self.left -= content.consumed as u64;
        done.consumed += content.consumed;
        done.produced = content.produced;
        Ok(done)
    }

    /// Takes the bytes before the content; answers how many.
    fn take_header(&mut self, input: &[u8]) -> Result<usize, ArchiveError> {
        let mut taken = 0;
        if self.skipped.is_none() {
            taken = (LOCAL_HEADER_LENGTH - self.header.len()).min(input.len());
            self.header.extend_from_slice(&input[..taken]);
            if self.header.len() < LOCAL_HEADER_LENGTH {
                return Ok(taken);
            }
            if !self.header.starts_with(LOCAL_HEADER_SIGNATURE) {
                return Err(damaged("its header is not where the directory says"));
            }
            let name = usize::from(u16_at(&self.header, 26));
            let extra = usize::from(u16_at(&self.header, 28));
            self.skipped = Some(name + extra);
        }
        if let Some(left) = &mut self.skipped {
            let skipped = (*left).min(input.len() - taken);
            *left -= skipped;
            taken += skipped;
        }
        Ok(taken)
    }

    fn copy(&mut self, input: &[u8], output: &mut [u8]) -> Result<Unpacked, ArchiveError> {
        if self.page.packed != self.page.size {
            return Err(damaged("it has another size than the directory says"));
        }
        let length = input.len().min(output.len());
        output[..length].copy_from_slice(&input[..length]);
        self.note(&output[..length])?;
        if self.produced == self.page.size {
            self.finish()?;
        }
        Ok(Unpacked {
            consumed: length,
            produced: length,
        })
    }

    fn inflate(
        &mut self,
        inflater: &mut Decompress,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Unpacked, ArchiveError> {
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let status = inflater
            .decompress(input, output, FlushDecompress::None)
            .map_err(|_| damaged("its content is damaged"))?;
        let progress = |before: u64, after: u64| {
            usize::try_from(after - before).expect("no more than the length of a slice")
        };
        let done = Unpacked {
            consumed: progress(read, inflater.total_in()),
            produced: progress(written, inflater.total_out()),
        };
        self.note(&output[..done.produced])?;
        if status == Status::StreamEnd {
            if self.left != done.consumed as u64 {
                return Err(damaged("there is more behind its content"));
            }
            self.finish()?;
        } else if self.left == done.consumed as u64 && done.produced == 0 {
            return Err(damaged("its content ends too early"));
        }
        Ok(done)
    }

    fn note(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.produced += bytes.len() as u64;
        if self.produced > self.page.size {
            return Err(damaged("it is larger than the directory says"));
        }
        self.crc.update(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ArchiveError> {
        if self.produced != self.page.size || self.crc.sum() != self.page.crc {
            return Err(damaged("its content differs from what the directory says"));
        }
        self.finished = true;
        Ok(())
    }
}

/// As much of a length as a larger number allows.
fn clamp(length: usize, limit: u64) -> usize {
    usize::try_from(limit).map_or(length, |limit| length.min(limit))
}

fn damaged(reason: &str) -> ArchiveError {
    ArchiveError::Malformed(reason.into())
}
