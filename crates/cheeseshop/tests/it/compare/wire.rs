//! HTTP/1.1 as it is on the wire: status line with its phrase, headers, body. Nothing follows a
//! redirect, decodes or repeats.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cheeseshop_test_support::{BuiltFile, FORM_TYPE, Form};
use serde_json::Value;

use super::super::support::DEADLINE;

/// A request, the same for both servers.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Who asks: a user that the pair of servers has logged in.
    pub(super) user: Option<String>,
    /// Told apart from others of the same method, path and user.
    pub(super) note: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A request as devpi's client sends it: JSON is welcome and nothing else.
pub(super) fn request(method: &str, path: &str) -> Request {
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: vec![("Accept".to_owned(), "application/json".to_owned())],
        body: Vec::new(),
        user: None,
        note: None,
    }
}

pub(super) fn get(path: &str) -> Request {
    request("GET", path)
}

pub(super) fn put(path: &str, body: &Value) -> Request {
    request("PUT", path).json(body)
}

pub(super) fn patch(path: &str, body: &Value) -> Request {
    request("PATCH", path).json(body)
}

pub(super) fn post(path: &str, body: &Value) -> Request {
    request("POST", path).json(body)
}

pub(super) fn delete(path: &str) -> Request {
    request("DELETE", path)
}

/// An upload with these fields of the form and a file.
pub(super) fn form(index: &str, fields: &[(&str, &str)], file: Option<(&str, &[u8])>) -> Request {
    request("POST", &format!("/{index}/"))
        .without("Accept")
        .with("Content-Type", FORM_TYPE)
        .body(Form::of_parts(fields, file).body())
}

/// The upload of a file as twine sends it.
pub(super) fn upload(index: &str, file: &BuiltFile) -> Request {
    form(
        index,
        &[
            (":action", "file_upload"),
            ("protocol_version", "1"),
            ("metadata_version", "2.1"),
            ("name", &file.project),
            ("version", &file.version),
        ],
        Some((&file.name, &file.bytes)),
    )
    .note(&file.name)
}

impl Request {
    /// Sets a header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub(super) fn accept(self, value: &str) -> Self {
        let note = format!("accept {value}");
        let request = self.with("Accept", value);
        if request.note.is_some() {
            request
        } else {
            request.note(&note)
        }
    }

    pub(super) fn agent(self, value: &str) -> Self {
        self.with("User-Agent", value)
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.with("Content-Type", "application/json")
            .body(body.to_string())
    }

    /// As a user that is logged in.
    pub(super) fn by(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// With a user and a password, as twine and pip send them.
    pub(super) fn basic(self, user: &str, password: &str) -> Self {
        self.with(
            "Authorization",
            &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
        )
    }

    pub(super) fn note(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    /// How allowances call it: `PUT /bob by root (note)`.
    pub(super) fn label(&self) -> String {
        let mut label = format!("{} {}", self.method, self.path);
        if let Some(user) = &self.user {
            label.push_str(" by ");
            label.push_str(user);
        }
        if let Some(note) = &self.note {
            label.push_str(" (");
            label.push_str(note);
            label.push(')');
        }
        label
    }

    /// Sends it to `HOST:PORT`, with a login token when there is one.
    pub(super) fn send(&self, address: &str, credentials: Option<&str>) -> Answer {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let mut line = |name: &str, value: &str| {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        };
        if self.header("Host").is_none() {
            line("Host", address);
        }
        line("Connection", "close");
        if let Some(credentials) = credentials {
            line("X-Devpi-Auth", &STANDARD.encode(credentials));
        }
        if !self.body.is_empty() || !matches!(self.method.as_str(), "GET" | "HEAD") {
            line("Content-Length", &self.body.len().to_string());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        let answer = exchange(address, &bytes)
            .unwrap_or_else(|error| panic!("{} to {address}: {error}", self.label()));
        Answer::parse(&answer, self.method == "HEAD")
            .unwrap_or_else(|| panic!("{} to {address}: no HTTP: {answer:?}", self.label()))
    }

    /// The URL that the client has asked for, when `host` is where it sends requests to.
    pub(super) fn url_outside(&self, host: &str) -> String {
        let Some(outside) = self.header("X-Outside-Url") else {
            return format!("{host}{}", self.path);
        };
        let outside = outside.trim_end_matches('/');
        let prefix = outside
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]))
            .unwrap_or_default();
        format!(
            "{outside}{}",
            self.path.strip_prefix(prefix).unwrap_or(&self.path)
        )
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Sends bytes and reads to the end of the connection.
fn exchange(address: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    // A server that refuses early may close its side before it has read everything.
    let sent = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(answer),
        Err(_) if !answer.is_empty() => Ok(answer),
        Err(error) => Err(sent.err().unwrap_or(error)),
    }
}

impl Answer {
    fn parse(bytes: &[u8], head: bool) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = text.split("\r\n");
        let (_, rest) = lines.next()?.split_once(' ')?;
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self {
            status: status.parse().ok()?,
            reason: reason.to_owned(),
            headers,
            body: Vec::new(),
        };
        let body = &bytes[end + 4..];
        answer.body = match answer.header("transfer-encoding") {
            _ if head => Vec::new(),
            Some("chunked") => unchunk(body)?,
            _ => body.to_vec(),
        };
        Some(answer)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn is_success(&self) -> bool {
        (200..400).contains(&self.status)
    }

    /// `Content-Type` without its parameters.
    pub(super) fn media_type(&self) -> &str {
        let value = self.header("content-type").unwrap_or("none");
        match value.split(';').next().unwrap_or_default().trim() {
            // A slip of devpi's (register of quirks, 7).
            "text_html" => "text/html",
            media_type => media_type,
        }
    }

    pub(super) fn is_html(&self) -> bool {
        self.media_type() == "text/html"
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, when it is JSON.
    pub(super) fn document(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&body[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        body = &body[end + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size + 2..)?;
    }
}
