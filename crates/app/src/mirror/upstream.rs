//! Requests to upstreams: redirects, credentials, time and size limits.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;

use super::settings::MirrorSettings;
use super::source::{Source, for_logs, without_userinfo};
use super::telemetry;

/// Redirects that are followed before giving up.
const MOST_REDIRECTS: usize = 10;

/// What pip and uv say too: JSON, else HTML.
pub(super) const ACCEPT_PAGES: HeaderValue = HeaderValue::from_static(
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01",
);

/// The encodings that [`unpack`] knows.
const PACKED: HeaderValue = HeaderValue::from_static("gzip, zstd");

/// Bodies of files are hashed as they are, so they must come as they are.
const AS_IT_IS: HeaderValue = HeaderValue::from_static("identity");

/// Why an upstream gave no usable answer. The texts name no address and no credential.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("timeout after {} seconds", after.as_secs_f64())]
    Timeout { after: Duration },
    #[error("the upstream cannot be reached")]
    Connection(#[source] reqwest::Error),
    #[error("the upstream answered with status {status}")]
    Status {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    #[error("the upstream redirects more than {MOST_REDIRECTS} times")]
    RedirectLoop,
    #[error("the upstream redirects to nowhere usable")]
    BadRedirect,
    #[error("the upstream broke the connection")]
    Dropped(#[source] reqwest::Error),
    #[error("the answer has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the upstream sent something unusable ({0})")]
    Unusable(&'static str),
    #[error("the upstream sent no Simple API document")]
    NotAPage(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the upstream answered with an older state than before (serial {} after {known})",
        received.map_or_else(|| "none".to_owned(), |serial| serial.to_string()))]
    Regression { known: u64, received: Option<u64> },
}

impl UpstreamError {
    /// The upstream took too long (504 rather than 502).
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Nothing answers there, so asking for something else is as futile.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Connection(_))
    }

    /// When the upstream wants to be asked again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn of_request(error: reqwest::Error, after: Duration) -> Self {
        if error.is_timeout() {
            Self::Timeout { after }
        } else {
            // The URL in its text may carry a query that is a secret.
            Self::Connection(error.without_url())
        }
    }
}

/// What to ask for.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// How long the first byte of the answer may take, redirects included.
    pub(super) patience: Duration,
}

impl Request {
    /// A page or list, packed if the upstream likes.
    pub(super) fn page(url: Url, patience: Duration) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, ACCEPT_PAGES);
        headers.insert(ACCEPT_ENCODING, PACKED);
        Self {
            method: Method::GET,
            url,
            headers,
            patience,
        }
    }

    /// A file or a part of it, byte for byte.
    pub(super) fn file(method: Method, url: Url, patience: Duration) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, AS_IT_IS);
        Self {
            method,
            url,
            headers,
            patience,
        }
    }
}

/// The beginning of an answer. The body is still to come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from in the end: relative links count from here.
    pub(super) url: Url,
    response: reqwest::Response,
    idle: Duration,
}

impl Answer {
    /// A header as text; absent when it is none.
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The length of the body, as announced.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.header(http::header::CONTENT_LENGTH)?
            .trim()
            .parse()
            .ok()
    }

    /// The status as an error, when it is not what was hoped for.
    pub(super) fn status_error(&self) -> UpstreamError {
        let retry_after = self
            .header(RETRY_AFTER)
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
        UpstreamError::Status {
            status: self.status,
            retry_after,
        }
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        match timeout(self.idle, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(UpstreamError::Dropped(error.without_url())),
            Err(_) => Err(UpstreamError::Timeout { after: self.idle }),
        }
    }

    /// The whole body, as it came, of at most `limit` bytes.
    pub(super) async fn body(&mut self, limit: u64) -> Result<Vec<u8>, UpstreamError> {
        let announced = self.content_length().unwrap_or(0);
        if announced > limit {
            return Err(UpstreamError::TooLarge { limit });
        }
        // Not all at once: what is announced need not come.
        let mut body = Vec::with_capacity(usize::try_from(announced.min(1 << 20)).unwrap_or(0));
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(UpstreamError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        telemetry::upstream_bytes("page", body.len());
        Ok(body)
    }
}

/// The one client of all mirrors.
pub(super) struct Upstream {
    client: reqwest::Client,
    idle: Duration,
    pages: Semaphore,
    files: Semaphore,
    metadata: Semaphore,
}

impl Upstream {
    pub(super) fn new(client: reqwest::Client, settings: &MirrorSettings) -> Self {
        let most = settings
            .max_concurrent_flights
            .clamp(1, Semaphore::MAX_PERMITS);
        Self {
            client,
            idle: settings.request_timeout,
            pages: Semaphore::new(most),
            files: Semaphore::new(most),
            metadata: Semaphore::new(most),
        }
    }

    /// The right to fetch a page or list, when it is one's turn. Held while its bytes are in
    /// memory.
    pub(super) async fn page_permit(&self) -> SemaphorePermit<'_> {
        permit(&self.pages).await
    }

    /// The right to download a file.
    pub(super) async fn file_permit(&self) -> SemaphorePermit<'_> {
        permit(&self.files).await
    }

    /// The right to fetch core metadata.
    pub(super) async fn metadata_permit(&self) -> SemaphorePermit<'_> {
        permit(&self.metadata).await
    }

    /// Sends a request and follows redirects. Credentials go to the origin of `mirror_url` and
    /// nowhere else, whichever way the redirects lead.
    pub(super) fn send<'a>(
        &'a self,
        source: &'a Source,
        request: Request,
    ) -> BoxFuture<'a, Result<Answer, UpstreamError>> {
        // Boxed: the future of a request is large, and sits in many others.
        Box::pin(async move {
            let after = request.patience;
            let sent = match timeout(after, self.follow(source, request)).await {
                Ok(sent) => sent,
                Err(_) => Err(UpstreamError::Timeout { after }),
            };
            telemetry::upstream_request(match &sent {
                Ok(answer) => match answer.status {
                    StatusCode::NOT_MODIFIED => "not_modified",
                    StatusCode::NOT_FOUND | StatusCode::GONE => "absent",
                    status if status.is_success() => "ok",
                    _ => "status",
                },
                Err(error) if error.is_timeout() => "timeout",
                Err(UpstreamError::Connection(_)) => "connection",
                Err(_) => "invalid",
            });
            sent
        })
    }

    async fn follow(&self, source: &Source, request: Request) -> Result<Answer, UpstreamError> {
        let mut url = without_userinfo(request.url);
        for _ in 0..=MOST_REDIRECTS {
            let mut builder = self
                .client
                .request(request.method.clone(), url.clone())
                .headers(request.headers.clone());
            if let Some(authorization) = source.authorization_for(&url) {
                builder = builder.header(AUTHORIZATION, authorization.clone());
            }
            let response = builder
                .send()
                .await
                .map_err(|error| UpstreamError::of_request(error, request.patience))?;
            tracing::debug!(
                upstream.url = for_logs(&url),
                status = response.status().as_u16(),
                "upstream answered"
            );
            if is_redirect(response.status()) {
                url = redirect_target(&url, response.headers())?;
                continue;
            }
            return Ok(Answer {
                status: response.status(),
                headers: response.headers().clone(),
                url,
                response,
                idle: self.idle,
            });
        }
        Err(UpstreamError::RedirectLoop)
    }
}

async fn permit(semaphore: &Semaphore) -> SemaphorePermit<'_> {
    semaphore.acquire().await.expect("nobody closes it")
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, UpstreamError> {
    headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .map(without_userinfo)
        .ok_or(UpstreamError::BadRedirect)
}

/// Undoes the content encoding of a body. Blocks; `limit` bounds what comes out.
pub(super) fn unpack(
    headers: &HeaderMap,
    body: Vec<u8>,
    limit: u64,
) -> Result<Vec<u8>, UpstreamError> {
    let encoding = headers
        .get(CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some("" | "identity") => Ok(body),
        Some("gzip" | "x-gzip") => {
            read_limited(flate2::read::MultiGzDecoder::new(body.as_slice()), limit)
        }
        Some("zstd") => {
            let decoder = zstd::stream::read::Decoder::new(body.as_slice())
                .map_err(|_| UpstreamError::Unusable("damaged content encoding"))?;
            read_limited(decoder, limit)
        }
        Some(_) => Err(UpstreamError::Unusable("unknown content encoding")),
    }
}

fn read_limited(reader: impl Read, limit: u64) -> Result<Vec<u8>, UpstreamError> {
    let mut unpacked = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut unpacked)
        .map_err(|_| UpstreamError::Unusable("damaged content encoding"))?;
    if unpacked.len() as u64 > limit {
        return Err(UpstreamError::TooLarge { limit });
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(from: &str, location: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        redirect_target(&from.parse().unwrap(), &headers)
            .ok()
            .map(Into::into)
    }

    #[test]
    fn redirects_resolve_and_lose_credentials() {
        let from = "https://a.test/simple/x/";
        for (location, expected) in [
            ("../y/", Some("https://a.test/simple/y/")),
            ("https://me:pw@b.test/z", Some("https://b.test/z")),
            ("//b.test/z", Some("https://b.test/z")),
            ("file:///etc/passwd", None),
            ("data:,x", None),
        ] {
            assert_eq!(
                redirected(from, location).as_deref(),
                expected,
                "{location}"
            );
        }
    }

    #[test]
    fn packed_bodies_are_unpacked_up_to_the_limit() {
        let text = vec![b'a'; 100_000];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(text.as_slice(), 1).unwrap();
        for (encoding, body) in [("gzip", gzip), ("zstd", zstd), ("identity", text.clone())] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
            assert_eq!(unpack(&headers, body.clone(), 100_000).unwrap(), text);
            if encoding != "identity" {
                assert!(matches!(
                    unpack(&headers, body, 99_999),
                    Err(UpstreamError::TooLarge { .. })
                ));
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, "br".parse().unwrap());
        assert!(unpack(&headers, text, 1 << 20).is_err());
    }
}
