//! Walking through a large JSON document without holding it: where things are, not what they are.
//!
//! `dataindex.json` describes every file of a server in one document, hundreds of megabytes for a large one. The
//! scanner finds the byte ranges of the parts that are wanted; each is read and parsed when its turn comes.

use std::io::{self, Read};

/// A part of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) length: u32,
}

/// The largest part that is read in one piece: the metadata of all versions of one project.
const MOST_BYTES: u64 = 512 << 20;

/// Bytes per read.
const CHUNK: usize = 256 * 1024;

/// A JSON document on its way past.
pub(super) struct Scanner<R> {
    input: R,
    buffer: Vec<u8>,
    next: usize,
    /// Where in the document the buffer begins.
    offset: u64,
    /// The largest part.
    most_bytes: u64,
}

/// Why a document is no JSON.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it ends in the middle, after {0} bytes: it was cut off")]
    CutOff(u64),
    #[error("it is no JSON: {expected} expected at byte {at}")]
    Syntax { expected: &'static str, at: u64 },
    #[error("the value at byte {0} is larger than 512 MiB")]
    TooLarge(u64),
}

impl<R: Read> Scanner<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            next: 0,
            offset: 0,
            most_bytes: MOST_BYTES,
        }
    }

    /// Calls `member` for each key of an object, which has to consume the value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, String) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.expect(b'{', "an object")?;
        if self.skip_blanks()? == b'}' {
            self.bump();
            return Ok(());
        }
        loop {
            let at = self.position();
            let mut raw = Vec::new();
            if self.skip_blanks()? != b'"' {
                return Err(self.syntax("a key"));
            }
            self.value(Some(&mut raw))?;
            let key = serde_json::from_slice(&raw).map_err(|_| ScanError::Syntax {
                expected: "a key",
                at,
            })?;
            self.expect(b':', "a colon")?;
            member(self, key)?;
            match self.skip_blanks()? {
                b',' => self.bump(),
                b'}' => break,
                _ => return Err(self.syntax("a comma or the end of the object")),
            }
        }
        self.bump();
        Ok(())
    }

    /// Calls `item` for each item of an array, which has to consume it.
    pub(super) fn array(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.expect(b'[', "an array")?;
        if self.skip_blanks()? == b']' {
            self.bump();
            return Ok(());
        }
        loop {
            item(self)?;
            match self.skip_blanks()? {
                b',' => self.bump(),
                b']' => break,
                _ => return Err(self.syntax("a comma or the end of the array")),
            }
        }
        self.bump();
        Ok(())
    }

    /// Passes over any value, perhaps copying it.
    pub(super) fn value(&mut self, mut copy: Option<&mut Vec<u8>>) -> Result<Span, ScanError> {
        let first = self.skip_blanks()?;
        let start = self.position();
        let mut depth = 0_usize;
        let mut in_text = false;
        let mut escaped = false;
        let scalar = !matches!(first, b'{' | b'[' | b'"');
        loop {
            let Some(byte) = self.peek()? else {
                if scalar {
                    break;
                }
                return Err(ScanError::CutOff(self.position()));
            };
            // Before it is read on: the part may be all that follows, and there may be a copy.
            if self.position() - start > self.most_bytes {
                return Err(ScanError::TooLarge(start));
            }
            if scalar
                && matches!(
                    byte,
                    b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t'
                )
            {
                break;
            }
            self.bump();
            if let Some(copy) = copy.as_deref_mut() {
                copy.push(byte);
            }
            if scalar {
                continue;
            }
            if in_text {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_text = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => in_text = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            if depth == 0 && !in_text {
                break;
            }
        }
        let length = self.position() - start;
        if length == 0 {
            return Err(self.syntax("a value"));
        }
        let length = u32::try_from(length).map_err(|_| ScanError::TooLarge(start))?;
        Ok(Span { start, length })
    }

    /// Makes sure that nothing but blanks follows.
    pub(super) fn end(&mut self) -> Result<(), ScanError> {
        match self.skip_blanks() {
            Err(ScanError::CutOff(_)) => Ok(()),
            Ok(_) => Err(self.syntax("the end")),
            Err(error) => Err(error),
        }
    }

    /// What kind of value follows: its first byte.
    pub(super) fn skip_blanks(&mut self) -> Result<u8, ScanError> {
        loop {
            match self.peek()? {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.bump(),
                Some(byte) => return Ok(byte),
                None => return Err(ScanError::CutOff(self.position())),
            }
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), ScanError> {
        if self.skip_blanks()? != byte {
            return Err(self.syntax(expected));
        }
        self.bump();
        Ok(())
    }

    fn syntax(&self, expected: &'static str) -> ScanError {
        ScanError::Syntax {
            expected,
            at: self.position(),
        }
    }

    fn position(&self) -> u64 {
        self.offset + self.next as u64
    }

    fn bump(&mut self) {
        self.next += 1;
    }

    fn peek(&mut self) -> Result<Option<u8>, ScanError> {
        if let Some(byte) = self.buffer.get(self.next) {
            return Ok(Some(*byte));
        }
        self.offset += self.buffer.len() as u64;
        self.next = 0;
        self.buffer.resize(CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffer.truncate(read);
        Ok(self.buffer.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Result<Vec<(String, String)>, ScanError> {
        let mut found = Vec::new();
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.object(|scanner, key| {
            let span = scanner.value(None)?;
            let start = usize::try_from(span.start).unwrap();
            let part = &text[start..start + span.length as usize];
            found.push((key, part.to_owned()));
            Ok(())
        })?;
        scanner.end()?;
        Ok(found)
    }

    #[test]
    fn values_of_all_kinds_are_found_where_they_are() {
        let text = r#" { "a" : {"x": ["}", "\"]", 1]} , "b":[] ,"\u00e9": "te\\xt","d":-1.5e3,"e":null }
        "#;
        let expected = [
            ("a", r#"{"x": ["}", "\"]", 1]}"#),
            ("b", "[]"),
            ("é", r#""te\\xt""#),
            ("d", "-1.5e3"),
            ("e", "null"),
        ];
        let found = spans(text).unwrap();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(key, part)| (key.as_str(), part.as_str()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(spans("{}").unwrap(), []);
    }

    #[test]
    fn what_is_no_document_is_told_with_its_place() {
        for (text, expected) in [
            ("", "it ends in the middle, after 0 bytes: it was cut off"),
            (
                r#"{"a": {"b": 1"#,
                "it ends in the middle, after 13 bytes: it was cut off",
            ),
            (
                r#"{"a": "b"#,
                "it ends in the middle, after 8 bytes: it was cut off",
            ),
            ("[1]", "it is no JSON: an object expected at byte 0"),
            (r#"{"a" 1}"#, "it is no JSON: a colon expected at byte 5"),
            (r#"{"a": }"#, "it is no JSON: a value expected at byte 6"),
            (
                r#"{"a": 1 "b": 2}"#,
                "it is no JSON: a comma or the end of the object expected at byte 8",
            ),
            (r"{1: 2}", "it is no JSON: a key expected at byte 1"),
            (r"{} x", "it is no JSON: the end expected at byte 3"),
        ] {
            assert_eq!(spans(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn chunks_have_no_seams() {
        let long = "x".repeat(3 * CHUNK);
        let text = format!(r#"{{"a": "{long}", "b": [1, "{long}"]}}"#);
        let found = spans(&text).unwrap();
        assert_eq!(found[0].1.len(), long.len() + 2);
        assert_eq!(found[1].1, format!(r#"[1, "{long}"]"#));
    }

    #[test]
    fn a_part_that_is_too_large_is_not_read_to_its_end() {
        for first in ["[", r#"""#, "1"] {
            let endless = first.as_bytes().chain(io::repeat(b'1'));
            let mut scanner = Scanner {
                most_bytes: 1000,
                ..Scanner::new(endless)
            };
            let mut copy = Vec::new();
            let error = scanner.value(Some(&mut copy)).unwrap_err();
            assert!(matches!(error, ScanError::TooLarge(0)), "{error}");
            assert!(copy.len() <= 1001, "{}", copy.len());
        }
    }

    #[test]
    fn arrays_are_walked_item_by_item() {
        let mut items = Vec::new();
        let mut scanner = Scanner::new(r#"[ 1, {"a": 2} ,"x"]"#.as_bytes());
        scanner
            .array(|scanner| {
                let mut raw = Vec::new();
                scanner.value(Some(&mut raw))?;
                items.push(String::from_utf8(raw).unwrap());
                Ok(())
            })
            .unwrap();
        assert_eq!(items, ["1", r#"{"a": 2}"#, r#""x""#]);
    }
}
