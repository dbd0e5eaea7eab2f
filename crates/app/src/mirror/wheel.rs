//! The core metadata of a wheel that is too far away, or too large, to be read whole.

use std::ops::Range;

use cheeseshop_packaging::archive::ranged::{RangedMetadata, RangedReader};
use cheeseshop_packaging::{ArchiveError, ArchiveLimits, FileName};
use futures_util::TryStreamExt;
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderValue, Method, StatusCode};

use super::Inner;
use super::download::{Wanted, content_range};
use super::upstream::{Request, UpstreamError};
use crate::file_handle::FileHandle;

/// Most bytes of one range; the end of a wheel with very many entries has some megabytes.
const MOST_PER_RANGE: u64 = 64 * 1024 * 1024;

/// Why a wheel's core metadata could not be read in parts.
pub(super) enum Unreadable {
    /// The upstream does not answer ranges (usably): the whole file will have to do.
    NoRanges,
    /// It does not have the file.
    Absent(StatusCode),
    Upstream(UpstreamError),
    /// The wheel itself has none, or is damaged.
    Wheel(ArchiveError),
    /// Our own copy cannot be read.
    Own(std::io::Error),
}

/// Reads the core metadata out of a wheel that can be read here.
pub(super) async fn read_held(
    handle: &FileHandle,
    size: u64,
    name: &FileName,
    limits: &ArchiveLimits,
) -> Result<Vec<u8>, Unreadable> {
    let (mut reader, mut range) =
        RangedReader::begin(size, name, limits).map_err(Unreadable::Wheel)?;
    loop {
        let mut bytes = Vec::new();
        let mut chunks = handle.read(range);
        while let Some(chunk) = chunks.try_next().await.map_err(Unreadable::Own)? {
            bytes.extend_from_slice(&chunk);
        }
        match reader.feed(&bytes).map_err(Unreadable::Wheel)? {
            RangedMetadata::Need(next) => range = next,
            RangedMetadata::Done(metadata) => return Ok(metadata),
        }
    }
}

impl Inner {
    /// Reads the core metadata out of a wheel at the upstream, by ranged requests.
    pub(super) async fn read_remote_wheel(
        &self,
        wanted: &Wanted,
        name: &FileName,
        limits: &ArchiveLimits,
    ) -> Result<Vec<u8>, Unreadable> {
        let size = match wanted.file.size {
            Some(size) => size,
            None => self.remote_size(wanted).await?,
        };
        let (mut reader, mut range) =
            RangedReader::begin(size, name, limits).map_err(Unreadable::Wheel)?;
        loop {
            let bytes = self.fetch_range(wanted, range, size).await?;
            match reader.feed(&bytes).map_err(Unreadable::Wheel)? {
                RangedMetadata::Need(next) => range = next,
                RangedMetadata::Done(metadata) => return Ok(metadata),
            }
        }
    }

    /// The size of a file whose listing does not tell: asking for one byte shows it, and whether
    /// ranges are answered at all.
    async fn remote_size(&self, wanted: &Wanted) -> Result<u64, Unreadable> {
        let answer = self.ask_for(wanted, &(0..1)).await?;
        let range = answer.header(CONTENT_RANGE).and_then(content_range);
        range
            .and_then(|(_, total)| total)
            .ok_or(Unreadable::NoRanges)
    }

    async fn fetch_range(
        &self,
        wanted: &Wanted,
        range: Range<u64>,
        size: u64,
    ) -> Result<Vec<u8>, Unreadable> {
        let length = range.end.saturating_sub(range.start);
        if length > MOST_PER_RANGE {
            return Err(Unreadable::NoRanges);
        }
        let mut answer = self.ask_for(wanted, &range).await?;
        let fits = answer
            .header(CONTENT_RANGE)
            .and_then(content_range)
            .is_some_and(|(start, total)| {
                start == range.start && total.is_none_or(|total| total == size)
            });
        if !fits {
            return Err(Unreadable::NoRanges);
        }
        let bytes = answer.body(length).await.map_err(Unreadable::Upstream)?;
        if bytes.len() as u64 != length {
            return Err(Unreadable::NoRanges);
        }
        Ok(bytes)
    }

    async fn ask_for(
        &self,
        wanted: &Wanted,
        range: &Range<u64>,
    ) -> Result<super::upstream::Answer, Unreadable> {
        let patience = self.settings.request_timeout;
        let mut request = Request::file(Method::GET, wanted.url.clone(), patience);
        let last = range.end.saturating_sub(1);
        let value = HeaderValue::try_from(format!("bytes={}-{last}", range.start))
            .expect("digits make a header");
        request.headers.insert(RANGE, value);
        let answer = self
            .upstream
            .send(&wanted.source, request)
            .await
            .map_err(Unreadable::Upstream)?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT => Ok(answer),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Unreadable::Absent(answer.status)),
            // A whole file (dropping the answer ends it), or a refusal to cut.
            StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_IMPLEMENTED => {
                Err(Unreadable::NoRanges)
            }
            _ => Err(Unreadable::Upstream(answer.status_error())),
        }
    }
}
