//! One form sent to another server: bounded in time and memory, redirects not followed, the answer told in a few words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cheeseshop_packaging::upload::Enclosure;
use cheeseshop_storage::ByteStream;
use futures_util::{StreamExt as _, stream};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::telemetry;

/// The most bytes that are read of an answer, and the most letters that are passed on.
const MOST_ANSWER_BYTES: usize = 16 * 1024;
const MOST_ANSWER_LETTERS: usize = 2_000;

/// What a connection must carry in a second to be no trap; bounds the whole time of a body.
const SLOWEST: u64 = 16 * 1024;

/// A form on its way.
pub(crate) struct Post {
    url: Url,
    authorization: Option<HeaderValue>,
    content_type: String,
    length: u64,
    body: Body,
}

enum Body {
    Whole(Bytes),
    Around {
        enclosure: Enclosure,
        file: ByteStream,
    },
}

/// What the other server said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// The beginning of the body, as text.
    pub(crate) text: String,
    /// Where a redirect leads: scheme, host and path only, for the rest may be a secret.
    pub(crate) location: Option<String>,
}

/// Why there is no answer. The texts name the server and hold no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("cannot connect to {host}: {cause}")]
    Connect { host: String, cause: String },
    #[error("{host} took longer than {} seconds", after.as_secs_f64())]
    Timeout { host: String, after: Duration },
    #[error("{host} broke the connection: {cause}")]
    Broken { host: String, cause: String },
    #[error("this server stopped before {host} had answered, which may have taken it")]
    Stopped { host: String },
}

impl Post {
    /// A form that is in memory.
    pub(crate) fn whole(url: Url, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            url,
            authorization: None,
            content_type: content_type.to_owned(),
            length: body.len() as u64,
            body: Body::Whole(body),
        }
    }

    /// A form around a file of this size, whose bytes are read as they are sent.
    pub(crate) fn around(url: Url, enclosure: Enclosure, file: ByteStream, size: u64) -> Self {
        Self {
            url,
            authorization: None,
            content_type: enclosure.content_type.clone(),
            length: enclosure.length_around(size),
            body: Body::Around { enclosure, file },
        }
    }

    /// With a name and a password (RFC 7617), for this address only.
    pub(crate) fn by(mut self, user: &str, password: &SecretString) -> Self {
        let pair = format!("{user}:{}", password.expose_secret());
        let value = format!("Basic {}", STANDARD.encode(pair));
        self.authorization = HeaderValue::from_str(&value).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        self
    }

    /// Sends it. `patience` is how long the other server may neither take nor send anything, and how long its answer may
    /// take once it has begun; when `stopped` is cancelled it is given up.
    ///
    /// # Errors
    /// [`PostError`]; whatever was answered is no error.
    pub(super) async fn send(
        self,
        client: &reqwest::Client,
        patience: Duration,
        stopped: &CancellationToken,
    ) -> Result<Reply, PostError> {
        let host = host_of(&self.url);
        let progress = Progress::begin();
        let whole_time = patience + Duration::from_secs(self.length / SLOWEST);
        let exchange = exchange(client, self, patience, progress.clone(), &host);
        let result = tokio::select! {
            result = tokio::time::timeout(whole_time, exchange) => match result {
                Ok(result) => result,
                Err(_) => Err(PostError::Timeout { host, after: whole_time }),
            },
            () = progress.stalled(patience) => Err(PostError::Timeout { host, after: patience }),
            () = stopped.cancelled() => Err(PostError::Stopped { host }),
        };
        telemetry::outgoing_request(match &result {
            Ok(reply) if reply.status.is_success() => "ok",
            Ok(_) => "status",
            Err(PostError::Timeout { .. }) => "timeout",
            Err(PostError::Connect { .. } | PostError::Broken { .. }) => "connection",
            Err(PostError::Stopped { .. }) => "stopped",
        });
        result
    }
}

async fn exchange(
    client: &reqwest::Client,
    post: Post,
    patience: Duration,
    progress: Progress,
    host: &str,
) -> Result<Reply, PostError> {
    let body = match post.body {
        Body::Whole(bytes) => reqwest::Body::from(bytes),
        Body::Around { enclosure, file } => {
            let progress = progress.clone();
            let before = stream::iter([Ok(Bytes::from(enclosure.before))]);
            let after = stream::iter([Ok(Bytes::from(enclosure.after))]);
            let chunks = before.chain(file).chain(after);
            reqwest::Body::wrap_stream(chunks.inspect(move |_| progress.made()))
        }
    };
    let mut request = client
        .post(post.url)
        .header(CONTENT_TYPE, post.content_type)
        .header(CONTENT_LENGTH, post.length)
        .body(body);
    if let Some(authorization) = post.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let mut response = request
        .send()
        .await
        .map_err(|error| failure(&error, host, patience))?;
    progress.made();
    let mut answer = Vec::new();
    let reading = async {
        // What cannot be read any more is not needed to know what was said: the status is there.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MOST_ANSWER_BYTES - answer.len();
            answer.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if answer.len() == MOST_ANSWER_BYTES {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(patience, reading).await;
    let location = response.status().is_redirection().then(|| {
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        response.url().join(location).ok().map(|url| shown(&url))
    });
    Ok(Reply {
        status: response.status(),
        text: presentable(&answer),
        location: location.flatten(),
    })
}

fn failure(error: &reqwest::Error, host: &str, after: Duration) -> PostError {
    let host = host.to_owned();
    let cause = innermost(error);
    // First: a connection that is not made in time is both, and has a limit of its own.
    if error.is_connect() {
        PostError::Connect { host, cause }
    } else if error.is_timeout() {
        PostError::Timeout { host, after }
    } else {
        PostError::Broken { host, cause }
    }
}

/// The cause that all others only wrap. The outer ones may name the address, whose query may be a secret.
fn innermost(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.last().map_or_else(
        || "no more is known".to_owned(),
        |cause| presentable(cause.to_string().as_bytes()),
    )
}

/// Text of a stranger: of one piece, without what would move a terminal's cursor.
fn presentable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text
        .trim()
        .chars()
        .take(MOST_ANSWER_LETTERS)
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            letter if letter.is_control() => '\u{fffd}',
            letter => letter,
        })
        .collect();
    if text.trim().chars().nth(MOST_ANSWER_LETTERS).is_some() {
        shown.push('…');
    }
    shown.replace("\u{fffd}\n", "\n")
}

/// What parts the fields of a form: drawn by lot, so that nobody can have put it into a file.
pub(crate) fn boundary() -> Result<String, getrandom::Error> {
    let mut lot = [0_u8; 16];
    getrandom::fill(&mut lot)?;
    Ok(format!("{:032x}", u128::from_le_bytes(lot)))
}

/// Host and, if it is not the scheme's own, port.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host_of(url), url.path())
}

/// When something was last heard of a connection.
#[derive(Clone)]
struct Progress {
    start: Instant,
    /// Milliseconds since then.
    last: Arc<AtomicU64>,
}

impl Progress {
    fn begin() -> Self {
        Self {
            start: Instant::now(),
            last: Arc::default(),
        }
    }

    fn made(&self) {
        let passed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(passed, Ordering::Relaxed);
    }

    /// Ends when nothing was heard for so long.
    async fn stalled(&self, patience: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let until = self.start + last + patience;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_and_cannot_move_a_cursor() {
        for (bytes, expected) in [
            (&b"  plain\r\ntext \n"[..], "plain\ntext"),
            (b"\xff\x1b[31m", "\u{fffd}\u{fffd}[31m"),
            (b"", ""),
        ] {
            assert_eq!(presentable(bytes), expected);
        }
        let long = presentable("ü".repeat(5_000).as_bytes());
        assert_eq!(long.chars().count(), MOST_ANSWER_LETTERS + 1);
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        let url = Url::parse("https://me:pw@h.test:8443/a/b?token=x#y").unwrap();
        assert_eq!(shown(&url), "https://h.test:8443/a/b");
        assert_eq!(host_of(&url), "h.test:8443");
    }
}
