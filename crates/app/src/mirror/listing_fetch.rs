//! Asking an upstream for a project page, and reading what it says.

use std::sync::Arc;

use cheeseshop_domain::mirror::{MirrorListing, SerialVerdict, judge_serial};
use cheeseshop_packaging::Sha256;
use http::header::{CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderValue, StatusCode};

use super::Inner;
use super::document::{self, Body, Document, off_thread};
use super::listing::{Mode, Target};
use super::memory::Held;
use super::upstream::{Answer, Request, UpstreamError};

/// The header in which PyPI and its followers give a page's serial.
const SERIAL_HEADER: &str = "x-pypi-last-serial";

/// What came of asking.
pub(super) enum Fetched {
    /// What is held is what the upstream has.
    NotModified,
    Page(Box<NewPage>),
    /// The upstream does not have the project.
    Gone,
    Failed(UpstreamError),
}

/// A page as it was just read, and its stored form.
pub(super) struct NewPage {
    pub(super) listing: MirrorListing,
    pub(super) json: Vec<u8>,
    pub(super) digest: Sha256,
}

impl Inner {
    /// Asks the upstream, when it is this flight's turn.
    pub(super) async fn fetch_listing(
        &self,
        target: &Target,
        held: Option<&Held>,
        mode: Mode,
    ) -> Fetched {
        let _permit = self.upstream.page_permit().await;
        let fetched = match self.ask(target, held, mode).await {
            // Some cache on the way may be behind; it is asked to look for itself, once.
            Err(UpstreamError::Regression { .. }) if mode == Mode::WhenDue => {
                self.ask(target, held, Mode::Anew).await
            }
            fetched => fetched,
        };
        fetched.unwrap_or_else(Fetched::Failed)
    }

    async fn ask(
        &self,
        target: &Target,
        held: Option<&Held>,
        mode: Mode,
    ) -> Result<Fetched, UpstreamError> {
        let mut request = Request::page(target.url.clone(), self.settings.list_timeout);
        match (mode, held) {
            (Mode::Anew, _) => {
                let value = HeaderValue::from_static("no-cache");
                request.headers.insert(CACHE_CONTROL, value);
            }
            (Mode::WhenDue, Some(held)) => {
                let listing = &held.listing;
                add_validators(
                    &mut request,
                    listing.etag.as_deref(),
                    listing.last_modified.as_deref(),
                );
            }
            (Mode::WhenDue, None) => {}
        }
        let mut answer = self.upstream.send(&target.source, request).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Fetched::NotModified),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Fetched::Gone),
            _ => return Err(answer.status_error()),
        }
        let bytes = answer.body(self.settings.max_listing_bytes).await?;
        self.read(target, held, answer, bytes).await
    }

    async fn read(
        &self,
        target: &Target,
        held: Option<&Held>,
        answer: Answer,
        bytes: Vec<u8>,
    ) -> Result<Fetched, UpstreamError> {
        let serial_header = answer
            .header(SERIAL_HEADER)
            .and_then(|text| text.trim().parse::<u64>().ok());
        let (etag, last_modified) = validators(&answer);
        let known = held.and_then(|held| held.listing.last_serial);
        let ignores_serials = target.source.config().ignores_serial_header();
        let project = target.project.clone();
        let previous = held.map(|held| Arc::clone(&held.listing));
        let source_url = target.url.to_string();
        let now = self.clock.now();
        let body = Body {
            headers: answer.headers,
            url: answer.url,
            limit: self.settings.max_listing_bytes,
            bytes,
        };
        let read = off_thread(body.bytes.len(), move || {
            let previous = previous.as_ref().map(|listing| &listing.page);
            let mut page = document::read_page(body, &project, previous, now)?;
            let received = serial_header.or(page.last_serial);
            page.last_serial = match judge_serial(known, received, ignores_serials) {
                SerialVerdict::Accepted { remember } => remember,
                SerialVerdict::Regressed => {
                    return Err(UpstreamError::Regression {
                        known: known.unwrap_or_default(),
                        received,
                    });
                }
            };
            let Document { page, json, digest } = Document::of(page);
            let listing = MirrorListing {
                last_serial: page.last_serial,
                page,
                etag,
                last_modified,
                fetched_at: now,
                source_url,
            };
            Ok(Fetched::Page(Box::new(NewPage {
                listing,
                json,
                digest,
            })))
        });
        read.await
            .map_err(|lost| UpstreamError::NotAPage(lost.into()))?
    }
}

/// Asks for the body only if it is another one than that with these validators.
pub(super) fn add_validators(
    request: &mut Request,
    etag: Option<&str>,
    last_modified: Option<&str>,
) {
    for (name, text) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, last_modified)] {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
            request.headers.insert(name, value);
        }
    }
}

/// `ETag` and `Last-Modified` of an answer.
pub(super) fn validators(answer: &Answer) -> (Option<String>, Option<String>) {
    let text = |name| answer.header(name).map(str::to_owned);
    (text(ETAG), text(LAST_MODIFIED))
}
