//! The smallest HTTP client that can tell a whole answer from a cut one.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;

/// What came back, byte by byte.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body has the announced length, or its last chunk came.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends one GET on a connection of its own; None when it was dropped without an answer.
pub(crate) async fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request.push_str("\r\n");
    let address = address.to_owned();
    tokio::task::spawn_blocking(move || exchange(&address, request.as_bytes()))
        .await
        .unwrap()
}

pub(crate) fn exchange(address: &str, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    // A reset after the first bytes is what some faults are about.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap().to_owned();
    let mut body = bytes.split_off(end + 4);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map(|(_, value)| value.parse::<usize>().unwrap());
    let complete = if let Some(length) = length {
        body.len() == length
    } else {
        let (joined, complete) = join_chunks(&body);
        body = joined;
        complete
    };
    Some(Answer {
        status,
        headers,
        body,
        complete,
    })
}

fn join_chunks(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut joined = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (joined, false);
        };
        let length = std::str::from_utf8(&rest[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        rest = &rest[end + 2..];
        if length == 0 {
            return (joined, true);
        }
        if rest.len() < length + 2 {
            joined.extend(rest);
            return (joined, false);
        }
        joined.extend(&rest[..length]);
        rest = &rest[length + 2..];
    }
}
