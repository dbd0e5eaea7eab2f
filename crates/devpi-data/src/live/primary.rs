//! Requests to the followed server, as one of its replicas.

use std::sync::Arc;
use std::time::Duration;

use cheeseshop_app::ByteStream;
use cheeseshop_domain::{Clock, error_chain};
use futures_util::{StreamExt as _, TryStreamExt as _};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use secrecy::ExposeSecret as _;
use url::Url;

use super::FollowError;
use super::token::Tokens;

/// The form of the log in which entries come one by one.
const STREAM: &str = "application/x-devpi-replica-changes";

/// Letters of paths that stand for themselves everywhere but in URLs.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Longest text of an answer that is shown.
const SHOWN: usize = 200;

/// Most bytes of an error's body that are read.
const MOST_TEXT: usize = 64 * 1024;

/// How long an error's body is read.
const TEXT_TIME: Duration = Duration::from_mins(1);

/// The server, and who we are towards it.
#[derive(Clone)]
pub(super) struct Primary(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    url: Url,
    tokens: Tokens,
    replica: String,
    uuid: String,
    clock: Arc<dyn Clock>,
}

/// What asking for the log gives.
pub(super) enum Log {
    /// Entries, up to and with this commit.
    Entries(u64, ByteStream),
    /// There is none yet after the one before it.
    NothingNew,
}

/// The uuid of the server at a URL.
///
/// # Errors
/// [`FollowError`]: it cannot be reached, is another program, or a replica.
pub(super) async fn identify(client: &reqwest::Client, url: &Url) -> Result<String, FollowError> {
    let request = client
        .get(join(url, "+api")?)
        .header(ACCEPT, "application/json");
    let response = send(url, request).await?;
    let uuid = |name| {
        let value = response.headers().get(name)?.to_str().ok()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let Some(primary) = uuid("x-devpi-primary-uuid").or_else(|| uuid("x-devpi-master-uuid")) else {
        return Err(FollowError::NotDevpi {
            url: url.to_string(),
        });
    };
    match uuid("x-devpi-uuid") {
        Some(own) if own != primary => Err(FollowError::Replica {
            url: url.to_string(),
        }),
        _ => Ok(primary),
    }
}

impl Primary {
    pub(super) fn new(
        client: reqwest::Client,
        url: Url,
        tokens: Tokens,
        names: Names,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner {
            client,
            url,
            tokens,
            replica: names.replica,
            uuid: names.primary,
            clock,
        }))
    }

    /// The address, for people.
    pub(super) fn url(&self) -> &Url {
        &self.0.url
    }

    /// Asks for the commits from this one on. Waits up to a second for the next one.
    pub(super) async fn log(&self, from: u64) -> Result<Log, FollowError> {
        let path = format!("+changelog/{from}-?initial_fetch");
        let request = self
            .0
            .client
            .get(join(&self.0.url, &path)?)
            .headers(self.headers()?)
            .header(ACCEPT, format!("{STREAM}, application/octet-stream; q=0.9"));
        let response = send(&self.0.url, request).await?;
        let head = response
            .headers()
            .get("x-devpi-serial")
            .and_then(|serial| serial.to_str().ok()?.parse().ok());
        match response.status() {
            StatusCode::ACCEPTED => Ok(Log::NothingNew),
            StatusCode::OK => {
                let content = response.headers().get(reqwest::header::CONTENT_TYPE);
                let is_stream = content.is_some_and(|found| found.as_bytes() == STREAM.as_bytes());
                match head.filter(|_| is_stream) {
                    Some(head) => Ok(Log::Entries(head, body(response))),
                    None => Err(self.refused(
                        response.status(),
                        "its change log is not in the form that devpi-server 6 sends",
                    )),
                }
            }
            status => Err(self.refusal(status, &text(response).await)),
        }
    }

    /// Asks for the last commit's number.
    pub(super) async fn head(&self) -> Result<u64, FollowError> {
        let request = self
            .0
            .client
            .get(join(&self.0.url, "+api")?)
            .header(ACCEPT, "application/json");
        let response = send(&self.0.url, request).await?;
        response
            .headers()
            .get("x-devpi-serial")
            .and_then(|serial| serial.to_str().ok()?.parse().ok())
            .ok_or_else(|| self.refused(response.status(), "without X-DEVPI-SERIAL"))
    }

    /// Opens a file by its path. The inner error is about this file: it is gone, or somewhere
    /// else.
    pub(super) async fn file(&self, path: &str) -> Result<Result<ByteStream, String>, FollowError> {
        let quoted = utf8_percent_encode(path, PATH).to_string();
        let request = self
            .0
            .client
            .get(join(&self.0.url, &quoted)?)
            .headers(self.headers()?)
            .header("x-devpi-replica-filerepl", "YES");
        let response = send(&self.0.url, request).await?;
        let status = response.status();
        Ok(match status {
            StatusCode::OK => Ok(body(response)),
            StatusCode::GONE => Err("it was removed meanwhile".to_owned()),
            StatusCode::NOT_FOUND => Err("the devpi-server does not have its bytes".to_owned()),
            _ if status.is_redirection() => {
                Err("the devpi-server does not have its bytes but refers to another one".to_owned())
            }
            // A mirror that lost the bytes and cannot fetch them again.
            StatusCode::BAD_GATEWAY => {
                Err("the devpi-server cannot get its bytes from upstream".to_owned())
            }
            _ => return Err(self.refusal(status, &text(response).await)),
        })
    }

    fn headers(&self) -> Result<HeaderMap, FollowError> {
        let inner = &self.0;
        let authorization = inner
            .tokens
            .authorization(&inner.replica, inner.clock.now());
        let header = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| FollowError::NotDevpi {
                url: inner.url.to_string(),
            })
        };
        let mut authorization = header(authorization.expose_secret())?;
        authorization.set_sensitive(true);
        let uuid = header(&inner.uuid)?;
        let mut headers = HeaderMap::new();
        headers.insert("x-devpi-replica-uuid", header(&inner.replica)?);
        headers.insert("x-devpi-expected-primary-id", uuid.clone());
        headers.insert("x-devpi-expected-master-id", uuid);
        headers.insert(AUTHORIZATION, authorization);
        Ok(headers)
    }

    fn refused(&self, status: StatusCode, text: &str) -> FollowError {
        FollowError::Refused {
            url: self.0.url.to_string(),
            status: status.as_u16(),
            text: text.to_owned(),
        }
    }

    fn refusal(&self, status: StatusCode, body: &str) -> FollowError {
        let url = self.0.url.to_string();
        let says = |text: &str| body.contains(text);
        if status == StatusCode::FORBIDDEN {
            if says("Replication protocol disabled") {
                return FollowError::NotPrimary { url };
            }
            if says("Authorization expired") {
                return FollowError::Clock { url };
            }
            if says("Authorization") || says("replica identity") {
                let reason = last_line(body);
                return FollowError::WrongSecret { url, reason };
            }
        }
        self.refused(status, &last_line(body))
    }
}

/// Who speaks with whom.
pub(super) struct Names {
    /// We.
    pub(super) replica: String,
    /// The server.
    pub(super) primary: String,
}

fn join(url: &Url, path: &str) -> Result<Url, FollowError> {
    url.join(path)
        .ok()
        // A path such as `//elsewhere/x` must not lead to another host.
        .filter(|joined| joined.as_str().starts_with(url.as_str()))
        .ok_or(FollowError::Url("a path of the devpi-server makes no URL"))
}

async fn send(url: &Url, request: reqwest::RequestBuilder) -> Result<Response, FollowError> {
    request
        .send()
        .await
        .map_err(|error| unreachable(url, &error.without_url()))
}

pub(super) fn unreachable(url: &Url, error: &dyn std::error::Error) -> FollowError {
    FollowError::Unreachable {
        url: url.to_string(),
        reason: error_chain(error),
    }
}

fn body(response: Response) -> ByteStream {
    response
        .bytes_stream()
        .map_err(|error| std::io::Error::other(error.without_url()))
        .boxed()
}

/// The text of an answer that is no success, its beginning at least.
async fn text(mut response: Response) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes.extend_from_slice(&chunk[..chunk.len().min(MOST_TEXT - bytes.len())]);
            if bytes.len() >= MOST_TEXT {
                break;
            }
        }
    };
    // What came until then will do.
    let _ = tokio::time::timeout(TEXT_TIME, reading).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// devpi's plain errors are a title, a general explanation and, last, what is the matter.
fn last_line(text: &str) -> String {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("no reason")
        .chars()
        .filter(|letter| !letter.is_control())
        .take(SHOWN)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_on_the_server() {
        let url = Url::parse("http://devpi.test:3141/below/").unwrap();
        assert_eq!(
            join(&url, "+api").unwrap().as_str(),
            "http://devpi.test:3141/below/+api"
        );
        for path in ["//elsewhere.test/x", "http://elsewhere.test/", "../x", "/x"] {
            assert!(join(&url, path).is_err(), "{path}");
        }
        let quoted = utf8_percent_encode("bob/dev/+f/7f0/c4e/ü a-1.0+b.whl", PATH).to_string();
        assert_eq!(quoted, "bob/dev/+f/7f0/c4e/%C3%BC%20a-1.0+b.whl");
    }

    #[test]
    fn the_last_line_says_what_is_the_matter() {
        let text = "403 Forbidden\n\nAccess was denied.\n\n\nAuthorization malformed.\n\n\n";
        assert_eq!(last_line(text), "Authorization malformed.");
        assert_eq!(last_line("\n"), "no reason");
    }
}
