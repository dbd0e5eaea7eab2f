//! One request: what is asked, as whom, and with which body.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LOCATION,
};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use crate::answer::{Answer, ResponseHead};
use crate::server::without_credentials;
use crate::state::of_file;
use crate::{Credentials, Error, Server};

/// The largest answer that is kept in memory. Documents of the JSON API are far smaller.
const LARGEST_ANSWER_BYTES: usize = 64 << 20;

/// As many redirects are followed as browsers follow at least.
const MOST_REDIRECTS: usize = 10;

/// devpi's own header for a login, so that a front server's Basic authentication can stand beside it.
const DEVPI_AUTH: HeaderName = HeaderName::from_static("x-devpi-auth");

/// What is sent.
#[derive(Debug)]
pub(crate) enum Body {
    None,
    Json(Bytes),
    /// A file that is a JSON document; opened for each try, and streamed.
    JsonFile(PathBuf),
    /// A form that is made anew for each try, since its files are streamed.
    Form(reqwest::multipart::Form),
}

/// A request that is being made.
#[must_use = "a request does nothing until it is sent"]
#[derive(Debug)]
pub struct Request<'server> {
    server: &'server Server,
    method: Method,
    url: Url,
    body: Body,
    login: Option<Credentials>,
    timeout: Option<Duration>,
    headers: HeaderMap,
}

impl<'server> Request<'server> {
    pub(crate) fn new(server: &'server Server, method: Method, url: Url) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            login: server.login().cloned(),
            server,
            method,
            url,
            body: Body::None,
            timeout: None,
            headers,
        }
    }

    /// What is asked, without credentials.
    pub fn url(&self) -> Url {
        without_credentials(&self.url)
    }

    /// Sends a JSON document.
    pub fn json(mut self, document: &Value) -> Self {
        self.body = Body::Json(document.to_string().into());
        self
    }

    /// Sends bytes that are a JSON document already.
    pub fn json_bytes(mut self, document: impl Into<Bytes>) -> Self {
        self.body = Body::Json(document.into());
        self
    }

    /// Sends a file that is a JSON document already, without reading it into memory.
    pub fn json_file(mut self, path: &Path) -> Self {
        self.body = Body::JsonFile(path.to_owned());
        self
    }

    /// Sends a form; it cannot be sent on to where a redirect points.
    pub fn form(mut self, form: reqwest::multipart::Form) -> Self {
        self.body = Body::Form(form);
        self
    }

    /// Asks as somebody else, or (`None`) as nobody.
    pub fn login(mut self, login: Option<Credentials>) -> Self {
        self.login = login;
        self
    }

    /// Waits no longer than this for the whole answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Asks for another representation than JSON.
    pub fn accept(mut self, kind: &'static str) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static(kind));
        self
    }

    /// Asks for the bytes as they are: archives are packed already, and their digests are of what is packed.
    pub(crate) fn identity(mut self) -> Self {
        self.headers
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        self
    }

    /// Sends the request and reads the whole answer, following redirects. Credentials go to the
    /// server's own address only.
    ///
    /// # Errors
    /// [`Error::Transport`] without an answer, [`Error::Unexpected`] for one that is too large or
    /// redirected too often.
    pub async fn send(self) -> Result<Answer, Error> {
        let asked = self.url.clone();
        let method = self.method.clone();
        let silence = self.server.silence();
        let (mut response, answered) = self.open().await?;
        let head = head_of(&response);
        let mut body = Vec::new();
        while let Some(chunk) = next_chunk(&mut response, silence).await? {
            if body.len() + chunk.len() > LARGEST_ANSWER_BYTES {
                return Err(Error::Unexpected("it is too large".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        let redirected_from =
            (trimmed(&answered) != trimmed(&asked)).then(|| without_credentials(&asked));
        Ok(Answer::new(
            method,
            without_credentials(&answered),
            redirected_from,
            head,
            body.into(),
        ))
    }

    /// Sends the request and gives the answer with its body still to be read, and the URL that gave it.
    ///
    /// What changes something is waited for as long as the server is there: a large file on a slow
    /// line, a push to another server. Who gives up does not know what has become of it.
    pub(crate) async fn open(self) -> Result<(reqwest::Response, Url), Error> {
        let Self {
            server,
            mut method,
            mut url,
            mut body,
            login,
            timeout,
            headers,
        } = self;
        for _ in 0..=MOST_REDIRECTS {
            let mut request = server
                .http()
                .request(method.clone(), without_credentials(&url))
                .headers(headers.clone());
            // What is secret goes to the server it is for, not to where it points.
            if server.is_own(&url) {
                request = request.headers(authentication(server, login.as_ref())?);
            }
            if let Some(timeout) = timeout {
                request = request.timeout(timeout);
            }
            let mut can_be_sent_again = true;
            request = match &mut body {
                // devpi-client says so of everything; some front servers look at it.
                Body::None => request.header(CONTENT_TYPE, "application/json"),
                Body::Json(document) => request
                    .header(CONTENT_TYPE, "application/json")
                    .body(document.clone()),
                Body::JsonFile(path) => {
                    let opened = tokio::fs::File::open(&*path).await;
                    let file = opened.map_err(|error| of_file(path, error))?;
                    let length = file
                        .metadata()
                        .await
                        .map_err(|error| of_file(path, error))?;
                    request
                        .header(CONTENT_TYPE, "application/json")
                        // Said, because some servers take nothing whose length they do not know.
                        .header(CONTENT_LENGTH, length.len())
                        .body(file)
                }
                Body::Form(form) => {
                    can_be_sent_again = false;
                    request.multipart(std::mem::take(form))
                }
            };
            let sent = if method.is_safe() {
                let silence = server.silence();
                let sent = tokio::time::timeout(silence, request.send()).await;
                sent.map_err(|_| Error::Silence(silence))?
            } else {
                request.send().await
            };
            let response = sent.map_err(|error| server.no_answer(error))?;
            let Some(next) = next_url(&response, &url) else {
                return Ok((response, url));
            };
            let status = response.status();
            // RFC 9110 section 15.4: 303 turns into GET; clients do so for POST after 301 and 302.
            let turns_into_get = status == StatusCode::SEE_OTHER
                || (method == Method::POST
                    && matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND));
            if turns_into_get {
                method = Method::GET;
                body = Body::None;
            } else if !can_be_sent_again {
                return Ok((response, url));
            }
            url = next;
        }
        Err(Error::Unexpected("it redirects too often".to_owned()))
    }
}

/// The next bytes of an answer's body.
pub(crate) async fn next_chunk(
    response: &mut reqwest::Response,
    silence: Duration,
) -> Result<Option<Bytes>, Error> {
    let chunk = tokio::time::timeout(silence, response.chunk()).await;
    Ok(chunk.map_err(|_| Error::Silence(silence))??)
}

fn authentication(server: &Server, login: Option<&Credentials>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if let Some(login) = login {
        headers.insert(DEVPI_AUTH, secret_header("", login)?);
    }
    if let Some(basic) = server.basic() {
        headers.insert(AUTHORIZATION, secret_header("Basic ", basic)?);
    }
    Ok(headers)
}

fn secret_header(scheme: &str, credentials: &Credentials) -> Result<HeaderValue, Error> {
    let pair = format!("{}:{}", credentials.user, credentials.secret());
    let mut value = HeaderValue::from_str(&format!("{scheme}{}", STANDARD.encode(pair)))
        .map_err(|error| Error::Unexpected(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where a response sends the client to.
fn next_url(response: &reqwest::Response, from: &Url) -> Option<Url> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let next = from.join(location).ok()?;
    (is_redirect && matches!(next.scheme(), "http" | "https")).then_some(next)
}

pub(crate) fn head_of(response: &reqwest::Response) -> ResponseHead {
    let reason = response
        .extensions()
        .get::<hyper::ext::ReasonPhrase>()
        .map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned())
        .or_else(|| response.status().canonical_reason().map(str::to_owned))
        .unwrap_or_default();
    ResponseHead {
        status: response.status(),
        reason,
        headers: response.headers().clone(),
    }
}

/// devpi's routes do not care for the last slash, and neither does what is said about redirects.
fn trimmed(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::sync::mpsc;

    use super::*;
    use crate::canned::{Canned, answer};

    const SILENCE: Duration = Duration::from_millis(50);

    /// A server that answers one request, when it is told to.
    fn hesitant() -> (Server, mpsc::Sender<()>) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (go, wait) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for line in BufReader::new(&stream).lines() {
                if line.unwrap().is_empty() {
                    break;
                }
            }
            if wait.recv().is_ok() {
                stream.write_all(&answer("200 OK", &[], b"")).unwrap();
            }
        });
        let server = Server::new(url.parse().unwrap()).unwrap();
        (server.with_silence(SILENCE), go)
    }

    #[tokio::test]
    async fn what_changes_something_is_waited_for() {
        let (server, go) = hesitant();
        let push = Method::from_bytes(b"PUSH").unwrap();
        let mut pushing = std::pin::pin!(server.request(push, "bob/dev").unwrap().send());
        let early = tokio::time::timeout(3 * SILENCE, &mut pushing).await;
        assert!(early.is_err(), "{early:?}");
        go.send(()).unwrap();
        assert_eq!(pushing.await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn a_question_is_given_up_when_nothing_is_said() {
        let (server, _go) = hesitant();
        let error = server.get("+api").await.unwrap_err();
        assert!(matches!(error, Error::Silence(_)), "{error}");
    }
}
