//! A rendered page and its encodings.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cheeseshop_packaging::Sha256;
use jiff::Timestamp;
use sha2::Digest as _;

use crate::page_cache::{gzip, zstd};

/// Bodies above this are compressed on a blocking thread.
const LARGE_BODY: usize = 32 * 1024;

/// Bodies below this are not worth compressing.
const SMALL_BODY: usize = 200;

/// The two spellings of the Simple API (PEP 503 with PEP 629, and PEP 691).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Representation {
    /// `text/html` or `application/vnd.pypi.simple.v1+html`.
    Html,
    /// `application/vnd.pypi.simple.v1+json`.
    Json,
}

/// How a body is encoded on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// `gzip`.
    Gzip,
    /// `zstd` (RFC 8878).
    Zstd,
}

/// What a face wants of a page.
#[derive(Clone, Copy, Debug)]
pub struct PageOptions<'a> {
    /// Which spelling.
    pub representation: Representation,
    /// Which encoding will be sent; the page comes with it ready.
    pub encoding: Encoding,
    /// Base URL without a slash at the end, if links are to be absolute.
    pub absolute_base: Option<&'a str>,
}

/// How long, and by whom, a page may be kept on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// By nobody but the one who asks, who has to ask again each time.
    Private,
    /// By everybody, who have to ask again each time.
    Revalidate,
    /// By everybody, for [`App::seconds_left`](crate::App::seconds_left) until then.
    FreshUntil(Timestamp),
}

/// One rendered page and its encodings.
#[derive(Debug)]
pub struct Page {
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    zstd: OnceLock<Bytes>,
    /// Strong entity tags (RFC 9110 §8.8.3), quotes included: identity, gzip, zstd.
    etags: [String; 3],
    /// Which spelling this is.
    pub representation: Representation,
    /// Highest serial that an upstream announced for it.
    pub last_serial: Option<u64>,
    /// Made from an outdated listing because an upstream does not answer.
    pub stale: bool,
    /// How long clients may keep it.
    pub cache_policy: CachePolicy,
}

impl Page {
    pub(super) fn new(
        body: Vec<u8>,
        representation: Representation,
        last_serial: Option<u64>,
        stale: bool,
        cache_policy: CachePolicy,
    ) -> Self {
        let digest = Sha256(sha2::Sha256::digest(&body).into()).to_string();
        let stem = &digest[..32];
        let kind = match representation {
            Representation::Html => 'h',
            Representation::Json => 'j',
        };
        Self {
            identity: Bytes::from(body),
            gzip: OnceLock::new(),
            zstd: OnceLock::new(),
            etags: [
                format!("\"{stem}-{kind}\""),
                format!("\"{stem}-{kind}g\""),
                format!("\"{stem}-{kind}z\""),
            ],
            representation,
            last_serial,
            stale,
            cache_policy,
        }
    }

    /// The encoding that is really sent when `wanted` would be acceptable: tiny bodies stay
    /// as they are.
    pub fn effective(&self, wanted: Encoding) -> Encoding {
        if self.identity.len() < SMALL_BODY {
            Encoding::Identity
        } else {
            wanted
        }
    }

    /// The body in this encoding. Made on first use; [`App`]'s methods have done that already
    /// for the encoding of the [`PageOptions`].
    pub fn body(&self, encoding: Encoding) -> Bytes {
        match self.effective(encoding) {
            Encoding::Identity => self.identity.clone(),
            Encoding::Gzip => self.gzip.get_or_init(|| gzip(&self.identity)).clone(),
            Encoding::Zstd => self.zstd.get_or_init(|| zstd(&self.identity)).clone(),
        }
    }

    /// The strong entity tag of this encoding, in quotes.
    pub fn etag(&self, encoding: Encoding) -> &str {
        match self.effective(encoding) {
            Encoding::Identity => &self.etags[0],
            Encoding::Gzip => &self.etags[1],
            Encoding::Zstd => &self.etags[2],
        }
    }

    pub(super) fn is_ready(&self, encoding: Encoding) -> bool {
        match self.effective(encoding) {
            Encoding::Identity => true,
            Encoding::Gzip => self.gzip.get().is_some(),
            Encoding::Zstd => self.zstd.get().is_some(),
        }
    }

    /// What the page takes in memory once its encodings are made, in bytes; text of this kind
    /// compresses to well under a fifth.
    pub(crate) fn weight(&self) -> u32 {
        let bytes = self.identity.len() + self.identity.len() / 3 + 512;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

/// Makes the encoding ready, off the async threads when it is work.
pub(super) async fn prepare(page: &Arc<Page>, encoding: Encoding) {
    if page.is_ready(encoding) {
        return;
    }
    if page.identity.len() < LARGE_BODY {
        page.body(encoding);
        return;
    }
    let page = Arc::clone(page);
    // A lost thread only means that the body is made where it is sent.
    let _ = tokio::task::spawn_blocking(move || page.body(encoding)).await;
}
