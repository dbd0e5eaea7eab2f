//! HTTP/1.1 from the client's side, as plain as it gets: one blocking connection.
//!
//! A library would do; but here the moment of the first byte has to be seen, and the client
//! shares two processors with the server that it measures.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

/// The longest silence of a server.
const PATIENCE: Duration = Duration::from_mins(2);

/// Large enough that big bodies take few calls.
const BUFFER: usize = 256 * 1024;

/// The head of an answer must fit.
const MAX_HEAD: usize = 64 * 1024;

/// A request with everything but the host.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn with_body(method: &'static str, path: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body,
        }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        use std::fmt::Write as _;

        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !self.body.is_empty() || self.method != "GET" {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer without its body, and when its parts arrived, counted from the first byte sent.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Until the first byte of the body; of the head when there is no body.
    pub(crate) first_byte: Duration,
    /// Until the last byte.
    pub(crate) total: Duration,
    /// Bytes of the body, without the framing.
    pub(crate) length: u64,
    keeps: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A connection that is kept as long as the server keeps it.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let mut connection = Self {
            address,
            stream: None,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
        };
        connection.connect()?;
        Ok(connection)
    }

    fn connect(&mut self) -> Result<()> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)
            .with_context(|| format!("{} does not answer", self.address))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        self.stream = Some(stream);
        (self.start, self.end) = (0, 0);
        Ok(())
    }

    /// Asks and gives the whole body, whatever the status.
    pub(crate) fn fetch(&mut self, request: &Request) -> Result<(Answer, Vec<u8>)> {
        let mut body = Vec::new();
        let answer = self.ask(request, &mut |bytes| {
            body.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok((answer, body))
    }

    /// Asks and drops the body.
    pub(crate) fn measure(&mut self, request: &Request) -> Result<Answer> {
        self.ask(request, &mut |_| Ok(()))
    }

    /// Asks and hands the body over piece by piece.
    pub(crate) fn ask(
        &mut self,
        request: &Request,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Answer> {
        if self.stream.is_none() {
            self.connect()?;
        }
        let result = self.exchange(request, sink);
        let ends = result.as_ref().map_or(true, |answer| !answer.keeps);
        if ends {
            self.stream = None;
        }
        result.with_context(|| format!("{} {}", request.method, request.path))
    }

    fn exchange(
        &mut self,
        request: &Request,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Answer> {
        let bytes = request.bytes(self.address);
        let started = Instant::now();
        self.stream()?.write_all(&bytes)?;
        let (status, headers) = loop {
            let head = self.head()?;
            if head.0 >= 200 {
                break head;
            }
        };
        let mut answer = Answer {
            status,
            headers,
            first_byte: started.elapsed(),
            total: Duration::ZERO,
            length: 0,
            keeps: true,
        };
        answer.keeps = !answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let mut body = Body {
            started,
            first_byte: None,
            length: 0,
            sink,
        };
        if request.method == "HEAD" || status == 204 || status == 304 {
            // No body, whatever the length says.
        } else if answer
            .header("transfer-encoding")
            .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
        {
            self.chunks(&mut body)?;
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().context("Content-Length")?;
            self.exactly(length, &mut body)?;
        } else {
            answer.keeps = false;
            self.until_closed(&mut body)?;
        }
        answer.first_byte = body.first_byte.unwrap_or(answer.first_byte);
        answer.length = body.length;
        answer.total = started.elapsed();
        Ok(answer)
    }

    fn stream(&mut self) -> Result<&mut TcpStream> {
        self.stream
            .as_mut()
            .ok_or_else(|| anyhow!("the connection is closed"))
    }

    /// Reads more; says how much, 0 at the end.
    fn fill(&mut self) -> Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let stream = self
            .stream
            .as_mut()
            .ok_or_else(|| anyhow!("the connection is closed"))?;
        loop {
            match stream.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn need_more(&mut self) -> Result<()> {
        if self.fill()? == 0 {
            bail!("the server closed the connection in the middle of an answer");
        }
        Ok(())
    }

    fn head(&mut self) -> Result<(u16, Vec<(String, String)>)> {
        let end = loop {
            let held = &self.buffer[self.start..self.end];
            if let Some(at) = find(held, b"\r\n\r\n") {
                break at;
            }
            if held.len() > MAX_HEAD {
                bail!("the head of the answer has no end");
            }
            self.need_more()?;
        };
        let head = String::from_utf8_lossy(&self.buffer[self.start..self.start + end]).into_owned();
        self.start += end + 4;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| anyhow!("not an HTTP answer: {head:.80}"))?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Ok((status, headers))
    }

    fn exactly(&mut self, mut length: u64, body: &mut Body<'_>) -> Result<()> {
        while length > 0 {
            if self.start == self.end {
                self.need_more()?;
            }
            let held = (self.end - self.start) as u64;
            let taken = usize::try_from(held.min(length))?;
            body.take(&self.buffer[self.start..self.start + taken])?;
            self.start += taken;
            length -= taken as u64;
        }
        Ok(())
    }

    fn chunks(&mut self, body: &mut Body<'_>) -> Result<()> {
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).context("size of a chunk")?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(());
            }
            self.exactly(size, body)?;
            if !self.line()?.is_empty() {
                bail!("a chunk is longer than it says");
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        loop {
            let held = &self.buffer[self.start..self.end];
            if let Some(at) = find(held, b"\r\n") {
                let line = String::from_utf8_lossy(&held[..at]).into_owned();
                self.start += at + 2;
                return Ok(line);
            }
            self.need_more()?;
        }
    }

    fn until_closed(&mut self, body: &mut Body<'_>) -> Result<()> {
        loop {
            body.take(&self.buffer[self.start..self.end])?;
            self.start = self.end;
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }
}

struct Body<'a> {
    started: Instant,
    first_byte: Option<Duration>,
    length: u64,
    sink: &'a mut dyn FnMut(&[u8]) -> Result<()>,
}

impl Body<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.first_byte.is_none() {
            self.first_byte = Some(self.started.elapsed());
        }
        self.length += bytes.len() as u64;
        (self.sink)(bytes)
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What the client makes of these bytes.
    fn reading(answers: &[&'static [u8]]) -> Vec<Result<(u16, Vec<u8>), String>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sent: Vec<&'static [u8]> = answers.to_vec();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            for answer in sent {
                assert!(stream.read(&mut request).unwrap() > 0);
                stream.write_all(answer).unwrap();
            }
        });
        let mut connection = Connection::open(address).unwrap();
        let seen = answers
            .iter()
            .map(|_| {
                connection
                    .fetch(&Request::get("/"))
                    .map(|(answer, body)| (answer.status, body))
                    .map_err(|error| error.root_cause().to_string())
            })
            .collect();
        drop(connection);
        server.join().unwrap();
        seen
    }

    #[test]
    fn bodies_are_read_in_every_framing_on_one_connection() {
        let seen = reading(&[
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            b"HTTP/1.1 404 No\r\n\r\nuntil the end",
        ]);
        assert_eq!(
            seen,
            [
                Ok((200, b"abc".to_vec())),
                Ok((201, b"abc".to_vec())),
                Ok((304, Vec::new())),
                Ok((404, b"until the end".to_vec())),
            ]
        );
    }

    #[test]
    fn a_body_that_is_cut_off_is_an_error() {
        let seen = reading(&[b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc"]);
        assert_eq!(
            seen,
            [Err(
                "the server closed the connection in the middle of an answer".to_owned()
            )]
        );
    }
}
