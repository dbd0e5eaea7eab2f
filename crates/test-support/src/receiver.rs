//! A server that takes forms: an index to push to, a Jenkins.
//!
//! ```ignore
//! let receiver = Receiver::start().await;
//! receiver.next(Answer::status(403).body("not yours"));
//! // … the product sends two files …
//! let forms = receiver.forms();
//! assert_eq!(forms[1].field("sha256_digest"), Some(wheel.sha256.as_str()));
//! ```
//!
//! It reads forms by rules of its own, so that product and test do not agree on one mistake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::distribution::sha256_hex;
use crate::serve::{Body, Dropped, Server, full, serve, streamed};
use crate::tls::CertificateAuthority;
use crate::upstream::Gate;

/// What a [`Receiver`] answers.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    body: Bytes,
    location: Option<String>,
    is_endless: bool,
    before: Option<Before>,
}

#[derive(Clone)]
enum Before {
    Wait(Gate),
    Drop,
}

impl Answer {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            body: Bytes::new(),
            location: None,
            is_endless: false,
            before: None,
        }
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self {
            location: Some(location.to_owned()),
            ..Self::status(status)
        }
    }

    /// A body that does not end.
    pub fn endless() -> Self {
        Self {
            is_endless: true,
            ..Self::status(500)
        }
    }

    /// Not before the gate opens.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.before = Some(Before::Wait(gate.clone()));
        self
    }

    /// The connection ends in place of an answer.
    pub fn drop_connection() -> Self {
        Self {
            before: Some(Before::Drop),
            ..Self::status(200)
        }
    }
}

/// A form that arrived.
#[derive(Clone, Debug)]
pub struct ReceivedForm {
    /// The path and the query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The fields in order, without files.
    pub fields: Vec<(String, String)>,
    /// The file, if there was one.
    pub file: Option<ReceivedFile>,
}

/// A file in a form.
#[derive(Clone, Debug)]
pub struct ReceivedFile {
    /// The field.
    pub field: String,
    /// The name.
    pub filename: String,
    /// The media type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl ReceivedFile {
    /// The digest of the bytes, in hexadecimal.
    pub fn sha256(&self) -> String {
        sha256_hex(&self.bytes)
    }
}

impl ReceivedForm {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The credentials of HTTP Basic, `user:password`.
    pub fn credentials(&self) -> Option<String> {
        let encoded = self
            .header(AUTHORIZATION.as_str())?
            .strip_prefix("Basic ")?;
        String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
    }
}

/// A server that takes forms. Cheap to clone; it stops when the last clone is dropped.
#[derive(Clone)]
pub struct Receiver {
    shared: Arc<Shared>,
    origin: String,
    _server: Arc<Server>,
}

struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    forms: Vec<ReceivedForm>,
}

impl Receiver {
    /// Starts one that answers 200 to everything.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts one that speaks TLS with a certificate of this authority.
    pub async fn start_tls(authority: &CertificateAuthority) -> Self {
        Self::start_with(Some(authority)).await
    }

    #[expect(clippy::unused_async, reason = "like the other servers")]
    async fn start_with(authority: Option<&CertificateAuthority>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
        });
        let config =
            authority.map(|authority| authority.server_config(&["localhost", "127.0.0.1"]));
        let scheme = if config.is_some() { "https" } else { "http" };
        let answering = Arc::clone(&shared);
        let server = serve(config, move |request| {
            answer(Arc::clone(&answering), request)
        });
        Self {
            shared,
            origin: format!("{scheme}://{}", server.address),
            _server: Arc::new(server),
        }
    }

    /// Where it takes forms; any other path will do as well.
    pub fn url(&self) -> String {
        self.at("/legacy/")
    }

    /// A path on it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Host and port.
    pub fn host(&self) -> String {
        self.origin
            .split("://")
            .last()
            .unwrap_or_default()
            .to_owned()
    }

    /// Answers the next form, or the one after those that have an answer already, like this.
    pub fn next(&self, answer: Answer) {
        lock(&self.shared).answers.push_back(answer);
    }

    /// What has arrived so far and was read to its end.
    pub fn forms(&self) -> Vec<ReceivedForm> {
        lock(&self.shared).forms.clone()
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let announced = header(&parts.headers, CONTENT_LENGTH.as_str());
    assert_eq!(
        announced,
        Some(body.len().to_string()),
        "a form has a length, and this is it"
    );
    let (fields, file) = read(&parts.headers, &body);
    let answer = {
        let mut state = lock(&shared);
        state.forms.push(ReceivedForm {
            target: parts.uri.to_string(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect(),
            fields,
            file,
        });
        state.answers.pop_front().unwrap_or(Answer::status(200))
    };
    match answer.before {
        Some(Before::Wait(gate)) => gate.pass().await,
        Some(Before::Drop) => return Err(Dropped),
        None => {}
    }
    let body = if answer.is_endless {
        let chunk = Bytes::from_static(&[b'x'; 1024]);
        streamed(futures_util::stream::repeat(chunk).map(Ok))
    } else {
        full(answer.body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    if let Some(location) = answer.location {
        response
            .headers_mut()
            .insert(LOCATION, location.parse().unwrap());
    }
    Ok(response)
}

type Fields = Vec<(String, String)>;

fn read(headers: &HeaderMap, body: &Bytes) -> (Fields, Option<ReceivedFile>) {
    let content_type = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    match content_type.strip_prefix("multipart/form-data; boundary=") {
        Some(boundary) => read_multipart(boundary, body),
        None => (
            url::form_urlencoded::parse(body).into_owned().collect(),
            None,
        ),
    }
}

/// Strict: every part begins with the delimiter and ends where the next one begins.
fn read_multipart(boundary: &str, body: &Bytes) -> (Fields, Option<ReceivedFile>) {
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line in front of it.
    let mut whole = b"\r\n".to_vec();
    whole.extend_from_slice(body);
    let mut fields = Vec::new();
    let mut file = None;
    let mut position = delimiter.len();
    assert!(
        whole.starts_with(delimiter.as_bytes()),
        "a form begins with its boundary"
    );
    loop {
        if whole[position..].starts_with(b"--") {
            assert_eq!(
                &whole[position..],
                b"--\r\n",
                "nothing follows the end of a form"
            );
            return (fields, file);
        }
        assert!(
            whole[position..].starts_with(b"\r\n"),
            "a part begins on a new line"
        );
        position += 2;
        let head_end = position + find(&whole[position..], b"\r\n\r\n").expect("a part has a head");
        let head = std::str::from_utf8(&whole[position..head_end]).expect("heads are text");
        let start = head_end + 4;
        let end = start + find(&whole[start..], delimiter.as_bytes()).expect("a part has an end");
        let bytes = Bytes::copy_from_slice(&whole[start..end]);
        let parameter = |name: &str| {
            let from = head.find(&format!(" {name}=\""))? + name.len() + 3;
            head[from..].split('"').next().map(ToOwned::to_owned)
        };
        let name = parameter("name").expect("a part has a name");
        match parameter("filename") {
            Some(filename) => {
                assert!(file.is_none(), "a form has one file");
                file = Some(ReceivedFile {
                    field: name,
                    filename,
                    content_type: head
                        .split("Content-Type: ")
                        .nth(1)
                        .unwrap_or_default()
                        .to_owned(),
                    bytes,
                });
            }
            None => fields.push((name, String::from_utf8(bytes.to_vec()).unwrap())),
        }
        position = end + delimiter.len();
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}
