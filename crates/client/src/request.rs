//! One request: what is asked, as whom, and with which body.

use std::fmt;
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
use crate::server::{remove_credentials, without_credentials};
use crate::state::of_file;
use crate::{Credentials, Error, Server};

/// The largest answer that is kept in memory. Documents of the JSON API are far smaller.
const LARGEST_ANSWER_BYTES: usize = 64 << 20;

/// As many redirects are followed as browsers follow at least.
const MOST_REDIRECTS: usize = 10;

/// devpi's own header for a login, so that a front server's Basic authentication can stand beside it.
const DEVPI_AUTH: HeaderName = HeaderName::from_static("x-devpi-auth");

/// What is sent. Prints without what is in it, which may be a password.
pub(crate) enum Body {
    None,
    Json(Bytes),
    /// A file that is a JSON document; opened for each try, and streamed.
    JsonFile(PathBuf),
    /// A form that is made anew for each try, since its files are streamed.
    Form(reqwest::multipart::Form),
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Json(_) => "Json",
            Self::JsonFile(_) => "JsonFile",
            Self::Form(_) => "Form",
        })
    }
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
    pub(crate) fn new(server: &'server Server, method: Method, mut url: Url) -> Self {
        remove_credentials(&mut url);
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
        self.url.clone()
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

    /// Sends a form; it cannot be sent on to where a redirect points ([`Error::Redirected`]).
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
    /// [`Error::Transport`] and [`Error::Silence`] without an answer, [`Error::Redirected`] when a body would
    /// go elsewhere, [`Error::Unexpected`] for one that is too large or
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
        let redirected_from = (trimmed(&answered) != trimmed(&asked)).then_some(asked);
        Ok(Answer::new(
            method,
            answered,
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
                .request(method.clone(), url.clone())
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
            // RFC 9110 section 15.4 lets clients turn POST into GET after 301 and 302, too. The page that
            // comes then would look like success, and nothing would have been uploaded.
            if status == StatusCode::SEE_OTHER {
                method = Method::GET;
                body = Body::None;
            } else if !(matches!(body, Body::None)
                || can_be_sent_again && is_same_server(&url, &next))
            {
                return Err(Error::Redirected(next));
            }
            url = next;
        }
        Err(Error::Unexpected("it redirects too often".to_owned()))
    }
}

/// Whether what is in a body (a new password, a token for another server) may go to where a server points:
/// to itself, perhaps by TLS from now on.
fn is_same_server(from: &Url, next: &Url) -> bool {
    let is_upgrade = from.scheme() == "http" && next.scheme() == "https";
    from.origin() == next.origin() || (is_upgrade && from.host() == next.host())
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

/// Where a response sends the client to; credentials of a stranger are not ours to send.
fn next_url(response: &reqwest::Response, from: &Url) -> Option<Url> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let next = from.join(location).ok()?;
    (is_redirect && matches!(next.scheme(), "http" | "https")).then(|| without_credentials(&next))
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

    #[test]
    fn what_is_sent_is_not_printed() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = Server::new("http://shop.test/".parse().unwrap()).unwrap();
        let url = "http://bob:hidden@shop.test/+login".parse().unwrap();
        let request = server.request_url(Method::POST, url);
        let request = request.json(&serde_json::json!({"password": "hidden"}));
        assert!(!format!("{request:?}").contains("hidden"), "{request:?}");
    }

    #[tokio::test]
    async fn a_redirect_is_no_upload() {
        let page = || answer("200 OK", &[], b"the page of the index");
        for status in [
            "301 Moved Permanently",
            "302 Found",
            "308 Permanent Redirect",
        ] {
            let canned = Canned::start(vec![answer(status, &["Location: /index"], b""), page()]);
            let form = reqwest::multipart::Form::new().text("a", "b");
            let server = canned.server();
            let request = server.request(Method::POST, "bob/dev/").unwrap();
            let error = request.form(form).send().await.unwrap_err();
            let told = format!("{}index: use that address", canned.url);
            assert!(error.to_string().ends_with(&told), "{error} for {status}");
        }
    }

    #[tokio::test]
    async fn a_body_goes_on_at_the_same_server_only() {
        let other = Canned::start(vec![answer("200 OK", &[], b"")]);
        let elsewhere = format!("Location: {}x", other.url);
        let canned = Canned::start(vec![
            answer("301 Moved Permanently", &["Location: /x"], b""),
            answer("307 Temporary Redirect", &[&elsewhere], b""),
        ]);
        let server = canned.server();
        let request = server.request(Method::POST, "+login").unwrap();
        let sent = request.json_bytes(&b"secret"[..]).send().await;
        assert!(matches!(sent, Err(Error::Redirected(_))), "{sent:?}");
        let asked = canned.asked();
        assert!(asked[1].head.starts_with("post /x "), "{}", asked[1].head);
        assert_eq!(asked[1].body, b"secret");
        assert!(other.asked().is_empty());
        for (next, is_same) in [
            ("https://shop.test/x", true),
            ("https://shop.test:8443/x", true),
            ("http://shop.test/x", true),
            ("http://shop.test:81/x", false),
            ("https://evil.test/x", false),
        ] {
            let from = "http://shop.test/".parse().unwrap();
            let found = is_same_server(&from, &next.parse().unwrap());
            assert_eq!(found, is_same, "{next}");
        }
        let from = "https://shop.test/".parse().unwrap();
        assert!(!is_same_server(
            &from,
            &"http://shop.test/".parse().unwrap()
        ));
    }
}
