//! A server that does what it is asked to, and dies before it says so.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A node that is well when asked for its health, and dies of everything else once it has read it.
pub(crate) struct Dying {
    pub(crate) address: String,
    methods: Arc<Mutex<Vec<String>>>,
}

impl Dying {
    pub(crate) fn start() -> Self {
        Self::of(|method, path| method == "GET" && path.ends_with("/+health/ready"))
    }

    /// One that answers what is read, on a connection that stays.
    pub(crate) fn of_changes() -> Self {
        Self::of(|method, _| method == "GET")
    }

    /// One that answers requests with such a method and path.
    fn of(is_answered: fn(&str, &str) -> bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let methods = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&methods);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), seen) = (stream, Arc::clone(&seen)) else {
                    return;
                };
                std::thread::spawn(move || die(stream, &seen, is_answered));
            }
        });
        Self { address, methods }
    }

    /// How many requests with this method it has read to their end.
    pub(crate) fn count(&self, method: &str) -> usize {
        let methods = self.methods.lock().unwrap();
        methods.iter().filter(|seen| *seen == method).count()
    }
}

fn die(stream: TcpStream, seen: &Mutex<Vec<String>>, is_answered: fn(&str, &str) -> bool) {
    let mut reader = BufReader::new(stream);
    // None is there where a connection was only tried, or is not needed any more.
    while let Some((first, length)) = head(&mut reader) {
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        if !is_answered(method, path) {
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_ok() {
                seen.lock().unwrap().push(method.to_owned());
            }
            return;
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        if reader.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}

/// The first line of a request, and how long its body is.
fn head(reader: &mut impl BufRead) -> Option<(String, usize)> {
    let mut first = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some((first, length));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if first.is_empty() {
            first = line;
        }
    }
}
