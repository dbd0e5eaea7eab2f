//! Telling the index what tox said.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use reqwest::Method;

use crate::commands::connection::encoded;
use crate::commands::{Connection, Failure, OnError, Session};
use crate::projects::Link;
use crate::state::of_file;

/// Bytes that are read and written at once.
const CHUNK: usize = 256 << 10;

/// Sends the report of a run to the file that was tested. `false`: the server did not want it, which
/// has been told.
pub(super) async fn post(
    session: &mut Session,
    connection: &mut Connection,
    file: &Link,
    result: &Path,
) -> Result<bool, Failure> {
    if !result.exists() {
        session
            .output
            .error("tox has left no report: there is nothing to post");
        return Ok(false);
    }
    let clean = result.with_extension("posted");
    clean_copy(result, &clean, &secrets(connection, file))
        .map_err(|error| of_file(result, error))?;
    session
        .output
        .line(&format!("posting tox result data to {}", file.url));
    let server = connection.server()?;
    let request = server
        .request_url(Method::POST, file.url.clone())
        .json_file(&clean);
    let answer = session.call(connection, request, OnError::Tell).await?;
    if answer.status != 200 {
        session
            .output
            .error(&format!("could not post tox result data to: {}", file.url));
        return Ok(false);
    }
    session.output.info("success");
    if let Some(message) = answer.message().filter(|message| !message.is_empty()) {
        session.output.warn(message);
    }
    Ok(true)
}

/// What tox was given and must not come back by its report, which everybody may read: tests print their
/// environment when they fail.
fn secrets(connection: &Connection, file: &Link) -> Vec<Secret> {
    [
        connection.login(&file.url),
        connection.logins.basic(&file.url),
    ]
    .into_iter()
    .flatten()
    .flat_map(|credentials| {
        let plain = credentials.secret().to_owned();
        let encoded = encoded(&plain);
        [Secret::of(plain), Secret::of(encoded)]
    })
    .flatten()
    .collect()
}

/// A text that is replaced, and by what.
struct Secret {
    text: Vec<u8>,
    replacement: &'static str,
}

impl Secret {
    /// A short one could be any word; in a URL it stands between a colon and an `@`.
    fn of(text: String) -> Option<Self> {
        const LONG: usize = 20;
        if text.is_empty() {
            return None;
        }
        let (text, replacement) = if text.len() < LONG {
            (format!(":{text}@"), ":****@")
        } else {
            (text, "****")
        };
        Some(Self {
            text: text.into_bytes(),
            replacement,
        })
    }
}

/// Copies a file without what is secret, piece by piece.
fn clean_copy(from: &Path, to: &Path, secrets: &[Secret]) -> io::Result<()> {
    let mut output = BufWriter::new(File::create_new(to)?);
    clean(&mut File::open(from)?, &mut output, secrets)?;
    output.flush()
}

fn clean(from: &mut dyn Read, to: &mut dyn Write, secrets: &[Secret]) -> io::Result<()> {
    // A secret may lie across two pieces: so much of each waits for the next.
    let longest = secrets.iter().map(|secret| secret.text.len()).max();
    let overlap = longest.unwrap_or(1) - 1;
    let mut held = Vec::new();
    let mut is_last = false;
    while !is_last {
        let before = held.len();
        (&mut *from).take(CHUNK as u64).read_to_end(&mut held)?;
        is_last = held.len() == before;
        let sure = if is_last {
            held.len()
        } else {
            held.len().saturating_sub(overlap)
        };
        let mut position = 0;
        let mut written = 0;
        while position < sure {
            let rest = &held[position..];
            match secrets.iter().find(|secret| rest.starts_with(&secret.text)) {
                Some(secret) => {
                    to.write_all(&held[written..position])?;
                    to.write_all(secret.replacement.as_bytes())?;
                    position += secret.text.len();
                    written = position;
                }
                None => position += 1,
            }
        }
        to.write_all(&held[written..position])?;
        held.drain(..position);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &[u8], secrets: &[&str]) -> Vec<u8> {
        let secrets: Vec<_> = secrets
            .iter()
            .filter_map(|secret| Secret::of((*secret).to_owned()))
            .collect();
        let mut output = Vec::new();
        clean(&mut &text[..], &mut output, &secrets).unwrap();
        output
    }

    #[test]
    fn secrets_do_not_go_along() {
        let long = "token-of-more-than-twenty-characters";
        let text =
            format!(r#"{{"a": "http://bob:{long}@h", "b": "{long}", "c": "pw", "d": "x:pw@h"}}"#);
        let clean = cleaned(text.as_bytes(), &[long, "pw", ""]);
        assert_eq!(
            String::from_utf8(clean).unwrap(),
            r#"{"a": "http://bob:****@h", "b": "****", "c": "pw", "d": "x:****@h"}"#
        );
        assert_eq!(cleaned(b"as it is", &[]), b"as it is");
    }

    #[test]
    fn a_secret_across_two_pieces_is_found() {
        let long = "token-of-more-than-twenty-characters";
        for shift in [1, 10, long.len() - 1, long.len()] {
            let mut text = vec![b'x'; CHUNK - shift];
            text.extend_from_slice(long.as_bytes());
            text.extend_from_slice(&vec![b'y'; CHUNK]);
            let clean = cleaned(&text, &[long]);
            assert_eq!(clean.len(), CHUNK - shift + 4 + CHUNK, "{shift}");
            assert!(
                !clean
                    .windows(long.len())
                    .any(|part| part == long.as_bytes())
            );
        }
    }
}
