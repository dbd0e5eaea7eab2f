//! Downloading a file once, however many want it.
//!
//! Bytes go to the blob writer (which hashes them) and to the readers as they come. When the
//! last one is there, length and digests are compared with what the listing promised; only then
//! do the readers get the last byte, and only then is anything kept. When all readers have gone
//! away a download goes on if it is nearly done or small, and is given up otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use cheeseshop_domain::{FilePath, Index, IndexId};
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_packaging::{HashAlgorithm, ProjectName};
use cheeseshop_storage::{BlobError, SpooledBlob};
use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use tokio::time::timeout;
use url::Url;

use super::Inner;
use super::digests::{Digests, Mismatch};
use super::failure::{Failure, RETRY_PAUSE, later};
use super::reading::{Head, Reading, Tail};
use super::source::{Source, for_logs};
use super::telemetry::{self, ActiveFlight};
use super::upstream::{Answer, Request, UpstreamError};

/// A download that nobody reads any more is finished when at most this much is missing.
const WORTH_FINISHING: u64 = 32 * 1024 * 1024;

/// A file of an index, at one place: other digests or another address make another file.
pub(super) type DownloadKey = (IndexId, String);

/// The downloads under way.
pub(super) struct Downloads {
    running: Arc<Mutex<HashMap<DownloadKey, Arc<Tail>>>>,
    most: usize,
}

impl Downloads {
    pub(super) fn new(most: usize) -> Self {
        Self {
            running: Arc::default(),
            most,
        }
    }

    /// A reader of the download of `key`, which `start` begins in a task of its own if there is
    /// none.
    pub(super) fn join(
        &self,
        key: DownloadKey,
        start: impl FnOnce(Flight),
    ) -> Result<Reading, Failure> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tail) = running.get(&key) {
            telemetry::joined_flight("file");
            return Ok(Reading::new(Arc::clone(tail)));
        }
        if running.len() >= self.most {
            return Err(Failure::Busy);
        }
        let tail = Tail::new();
        let reading = Reading::new(Arc::clone(&tail));
        running.insert(key.clone(), Arc::clone(&tail));
        drop(running);
        start(Flight {
            tail,
            key,
            running: Arc::clone(&self.running),
            _active: ActiveFlight::begin("file"),
        });
        Ok(reading)
    }
}

/// The running side of a download. When it is dropped the download is over, one way or another.
pub(super) struct Flight {
    pub(super) tail: Arc<Tail>,
    key: DownloadKey,
    running: Arc<Mutex<HashMap<DownloadKey, Arc<Tail>>>>,
    _active: ActiveFlight,
}

impl Flight {
    /// Gives up if nobody reads; nobody can join any more then.
    fn give_up_unread(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unread = self.tail.is_unread();
        if is_unread {
            running.remove(&self.key);
        }
        is_unread
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = running
            .get(&self.key)
            .is_some_and(|tail| Arc::ptr_eq(tail, &self.tail));
        if is_ours {
            running.remove(&self.key);
        }
        drop(running);
        // Without effect when the download ended as it should.
        self.tail.lost();
    }
}

/// What is to be downloaded, and for whom it is kept.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) index: Arc<Index>,
    pub(super) project: ProjectName,
    pub(super) file: PageFile,
    pub(super) path: FilePath,
    pub(super) url: Url,
    pub(super) source: Source,
}

impl Wanted {
    /// What a 404 for the file means to the client; devpi's words.
    pub(super) fn absent(&self, status: StatusCode) -> Failure {
        let text = format!("error {} getting {}", status.as_u16(), self.file.filename);
        Failure::NotFound(text.into())
    }
}

/// A file that is complete and right, and not yet kept.
pub(super) struct Arrived {
    pub(super) blob: SpooledBlob,
    /// `Last-Modified` of the upstream's answer, verbatim.
    pub(super) last_modified: Option<String>,
}

/// Why a download ended early.
enum Stop {
    /// Nobody wants it any more.
    Unread,
    Upstream(UpstreamError),
    Other(Failure),
}

impl From<UpstreamError> for Stop {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<BlobError> for Stop {
    fn from(error: BlobError) -> Self {
        Self::Other(error.into())
    }
}

impl Inner {
    /// One download from the look at what is held to the row that says that it is kept.
    pub(super) async fn fly_file(self: Arc<Self>, flight: Flight, wanted: Wanted) {
        let held = self
            .held_file(&wanted.index, &wanted.project, &wanted.file, &wanted.path)
            .await;
        match held {
            Ok(None) => {}
            Ok(Some(handle)) => return flight.tail.held(handle),
            Err(error) => return flight.tail.failed(error.into()),
        }
        telemetry::cache("file", "miss");
        let turn = timeout(self.settings.request_timeout, self.upstream.file_permit());
        let Ok(permit) = turn.await else {
            return flight.tail.failed(Failure::Busy);
        };
        let downloaded = self.download(&flight, &wanted).await;
        drop(permit);
        let failure = match downloaded {
            Ok(arrived) => {
                flight.tail.verified();
                return self.keep_file(&wanted, arrived).await;
            }
            Err(Stop::Unread) => {
                tracing::debug!(
                    file.name = wanted.file.filename,
                    "a download that nobody reads any more was given up"
                );
                return;
            }
            Err(Stop::Other(failure)) => failure,
            Err(Stop::Upstream(error)) => {
                let what = format!("`{}`", wanted.file.filename);
                Failure::upstream(&error, &what)
            }
        };
        tracing::warn!(
            index.name = %wanted.index.name,
            file.name = wanted.file.filename,
            upstream.url = for_logs(&wanted.url),
            failure = %crate::Error::from(failure.clone()),
            "a file could not be downloaded"
        );
        if matches!(failure, Failure::Upstream { .. } | Failure::NotFound(_)) {
            let until = later(self.clock.now(), RETRY_PAUSE);
            self.memory
                .remember_failure(failure_key(&flight.key), until, failure.clone());
        }
        flight.tail.failed(failure);
    }

    async fn download(&self, flight: &Flight, wanted: &Wanted) -> Result<Arrived, Stop> {
        let tail = &flight.tail;
        let patience = self.settings.request_timeout;
        let request = Request::file(Method::GET, wanted.url.clone(), patience);
        let mut answer = self.upstream.send(&wanted.source, request).await?;
        let head = self.head_of(wanted, &answer)?;
        let validator = resume_validator(&answer);
        let last_modified = answer.header(LAST_MODIFIED).map(str::to_owned);
        tail.start(head);
        let mut writer = self.blobs.writer().await?;
        let mut digests = Digests::new(&wanted.file.hashes);
        let mut may_resume = true;
        // Bytes that come again after a resumption that the upstream did not understand.
        let mut again = 0;
        loop {
            let problem = match answer.chunk().await {
                Ok(Some(chunk)) => {
                    telemetry::upstream_bytes("file", chunk.len());
                    let chunk = skip(chunk, &mut again);
                    if chunk.is_empty() {
                        continue;
                    }
                    self.check_length(head, tail.written() + chunk.len() as u64)?;
                    digests.update(&chunk);
                    writer.write(chunk.clone()).await?;
                    if tail.push(chunk) {
                        tail.recede(writer.spool().await?);
                    }
                    if tail.is_unread()
                        && !is_worth_finishing(tail.written(), head.size)
                        && flight.give_up_unread()
                    {
                        return Err(Stop::Unread);
                    }
                    continue;
                }
                Ok(None) if head.size.is_none_or(|size| size == tail.written()) => break,
                Ok(None) => UpstreamError::Unusable("fewer bytes than announced"),
                Err(problem) => problem,
            };
            if !may_resume || tail.written() == 0 {
                telemetry::refused_file("length");
                return Err(problem.into());
            }
            may_resume = false;
            let resumed = self.resume(wanted, validator.as_ref(), tail.written(), head.size);
            let Some((rest, repeated)) = resumed.await else {
                telemetry::refused_file("length");
                return Err(problem.into());
            };
            (answer, again) = (rest, repeated);
        }
        let blob = writer.finish_spooled().await?;
        let expected = wanted.file.hashes.sha256();
        let verdict = if expected.is_none_or(|expected| expected == blob.sha256()) {
            digests.verify()
        } else {
            Err(Mismatch(HashAlgorithm::Sha256))
        };
        if let Err(Mismatch(algorithm)) = verdict {
            telemetry::refused_file("digest");
            tracing::warn!(
                file.name = wanted.file.filename,
                algorithm = algorithm.as_str(),
                got = %blob.sha256(),
                "the upstream sent other bytes than it listed"
            );
            return Err(UpstreamError::Unusable("other bytes than it lists").into());
        }
        Ok(Arrived {
            blob,
            last_modified,
        })
    }

    /// Judges the beginning of an answer.
    fn head_of(&self, wanted: &Wanted, answer: &Answer) -> Result<Head, Stop> {
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(Stop::Other(wanted.absent(answer.status)));
            }
            _ => return Err(answer.status_error().into()),
        }
        let announced = answer.content_length();
        if let (Some(listed), Some(announced)) = (wanted.file.size, announced)
            && listed != announced
        {
            telemetry::refused_file("length");
            return Err(UpstreamError::Unusable("a file of another length than it lists").into());
        }
        let head = Head {
            size: wanted.file.size.or(announced),
            modified: answer
                .header(LAST_MODIFIED)
                .and_then(parse_http_date)
                .or(wanted.file.upload_time)
                .unwrap_or_else(|| self.clock.now()),
        };
        self.check_length(head, head.size.unwrap_or(0))?;
        Ok(head)
    }

    fn check_length(&self, head: Head, length: u64) -> Result<(), Stop> {
        let limit = self.settings.max_file_bytes;
        if length > limit {
            return Err(UpstreamError::TooLarge { limit }.into());
        }
        if head.size.is_some_and(|size| length > size) {
            telemetry::refused_file("length");
            return Err(UpstreamError::Unusable("more bytes than announced").into());
        }
        Ok(())
    }

    /// Asks for the rest after a broken connection. Also answers how many bytes will come again.
    async fn resume(
        &self,
        wanted: &Wanted,
        validator: Option<&HeaderValue>,
        written: u64,
        size: Option<u64>,
    ) -> Option<(Answer, u64)> {
        // Without a digest nothing would tell whether the halves belong together.
        if validator.is_none() && wanted.file.hashes.is_empty() {
            return None;
        }
        let patience = self.settings.request_timeout;
        let mut request = Request::file(Method::GET, wanted.url.clone(), patience);
        let range = HeaderValue::try_from(format!("bytes={written}-")).ok()?;
        request.headers.insert(RANGE, range);
        if let Some(validator) = validator {
            request.headers.insert(IF_RANGE, validator.clone());
        }
        let answer = self.upstream.send(&wanted.source, request).await.ok()?;
        tracing::debug!(
            file.name = wanted.file.filename,
            written,
            status = answer.status.as_u16(),
            "asked for the rest of a file"
        );
        match answer.status {
            StatusCode::PARTIAL_CONTENT => {
                let (start, total) = content_range(answer.header(CONTENT_RANGE)?)?;
                let fits = start == written
                    && total.is_none_or(|total| size.is_none_or(|size| size == total));
                fits.then_some((answer, 0))
            }
            StatusCode::OK if !wanted.file.hashes.is_empty() => Some((answer, written)),
            _ => None,
        }
    }
}

/// The name under which a download's failure is remembered.
pub(super) fn failure_key((index, path): &DownloadKey) -> String {
    format!("{}/{path}", index.0)
}

/// The time in a `Last-Modified`, if it can be read.
pub(super) fn parse_http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}

/// What the answer is, for `If-Range`: a strong entity tag, else the time of change.
fn resume_validator(answer: &Answer) -> Option<HeaderValue> {
    let etag = answer
        .headers
        .get(ETAG)
        .filter(|etag| etag.as_bytes().starts_with(b"\""));
    etag.or_else(|| answer.headers.get(LAST_MODIFIED)).cloned()
}

/// `bytes 5-9/10` → where it begins and how much there is in all.
pub(super) fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((start.trim().parse().ok()?, total))
}

/// Leaves out what came before.
fn skip(mut chunk: Bytes, again: &mut u64) -> Bytes {
    let known = usize::try_from(*again).map_or(chunk.len(), |again| again.min(chunk.len()));
    chunk.advance(known);
    *again -= known as u64;
    chunk
}

fn is_worth_finishing(written: u64, size: Option<u64>) -> bool {
    size.is_some_and(|size| size.saturating_sub(written) <= WORTH_FINISHING || written >= size / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_as_servers_write_them() {
        for (text, expected) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 0-0/*", Some((0, None))),
            ("bytes=5-9/10", None),
            ("bytes */10", None),
            ("items 5-9/10", None),
            ("bytes 5-9/x", None),
        ] {
            assert_eq!(content_range(text), expected, "{text}");
        }
    }

    #[test]
    fn an_unread_download_goes_on_when_it_is_small_or_half_done() {
        const GIB: u64 = 1 << 30;
        for (written, size, expected) in [
            (0, Some(1000), true),
            (0, Some(GIB), false),
            (GIB / 2, Some(GIB), true),
            (GIB / 2 - 1, Some(GIB), false),
            (GIB, None, false),
        ] {
            assert_eq!(
                is_worth_finishing(written, size),
                expected,
                "{written} of {size:?}"
            );
        }
    }

    #[test]
    fn repeated_bytes_are_skipped_across_chunks() {
        let mut again = 5;
        assert_eq!(skip(Bytes::from_static(b"abc"), &mut again), "");
        assert_eq!(skip(Bytes::from_static(b"defg"), &mut again), "fg");
        assert_eq!(skip(Bytes::from_static(b"hi"), &mut again), "hi");
    }
}
