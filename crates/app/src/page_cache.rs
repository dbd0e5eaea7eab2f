//! Rendered pages kept as immutable bytes, bounded by bytes.
//!
//! A page is found by what a caller may *see* (the visible part of the index's resolution
//! order), never by who the caller is, so callers whom permission tells apart share nothing
//! and all others share everything. Validity is the pair of [`Generation`] and time: a page in
//! which a mirror takes part ends when the listing of that mirror is due for a look upstream.

use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_domain::IndexId;
use jiff::Timestamp;
use moka::sync::Cache;

use crate::generations::Generation;
use crate::pages::{Page, Representation};

/// What a page is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    pub(crate) index: IndexId,
    /// The indexes that this caller may read of the index's resolution order.
    pub(crate) visible: Arc<[IndexId]>,
    pub(crate) representation: Representation,
    /// Base URL of absolute links; relative links otherwise.
    pub(crate) absolute_base: Option<Box<str>>,
    /// Normalized name; `None` is the list of projects.
    pub(crate) project: Option<Box<str>>,
}

/// A page with the conditions under which it is true.
#[derive(Clone)]
pub(crate) struct KeptPage {
    pub(crate) page: Arc<Page>,
    pub(crate) generation: Generation,
    pub(crate) fresh_until: Option<Timestamp>,
}

impl KeptPage {
    pub(crate) fn is_valid(&self, generation: Generation, now: Timestamp) -> bool {
        self.generation == generation && self.fresh_until.is_none_or(|until| now < until)
    }
}

pub(crate) struct PageCache {
    pages: Cache<PageKey, KeptPage>,
    /// One lock per page being made, so that a page is rendered once for all who wait.
    making: Cache<PageKey, Arc<tokio::sync::Mutex<()>>>,
}

impl PageCache {
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        Self {
            pages: Cache::builder()
                .max_capacity(capacity_bytes)
                .weigher(|_, kept: &KeptPage| kept.page.weight())
                .build(),
            making: Cache::builder().max_capacity(10_000).build(),
        }
    }

    pub(crate) fn find(
        &self,
        key: &PageKey,
        generation: Generation,
        now: Timestamp,
    ) -> Option<Arc<Page>> {
        self.pages
            .get(key)
            .filter(|kept| kept.is_valid(generation, now))
            .map(|kept| kept.page)
    }

    pub(crate) fn keep(&self, key: PageKey, kept: KeptPage) {
        self.pages.insert(key, kept);
    }

    pub(crate) fn lock_of(&self, key: &PageKey) -> Arc<tokio::sync::Mutex<()>> {
        self.making
            .get_with_by_ref(key, || Arc::new(tokio::sync::Mutex::new(())))
    }
}

/// Thorough for pages, quick for lists of hundreds of thousands of names.
fn level(body: &[u8]) -> u32 {
    if body.len() < 4 * 1024 * 1024 { 6 } else { 3 }
}

/// Compresses on the calling thread; callers with large bodies move to a blocking one.
pub(crate) fn gzip(body: &[u8]) -> Bytes {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(
        Vec::with_capacity(body.len() / 4),
        flate2::Compression::new(level(body)),
    );
    encoder
        .write_all(body)
        .and_then(|()| encoder.finish())
        .map(Bytes::from)
        .expect("writing to memory does not fail")
}

/// As [`gzip`], for `Content-Encoding: zstd`.
pub(crate) fn zstd(body: &[u8]) -> Bytes {
    zstd::bulk::compress(body, i32::try_from(level(body)).unwrap_or(3))
        .map(Bytes::from)
        .expect("the buffer is sized by the library")
}
