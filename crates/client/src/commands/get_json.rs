//! `devpi getjson`: a document of the server as it is.

use std::fmt::Write as _;

use clap::Args;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::commands::output::printable;
use crate::commands::session::is_url;
use crate::commands::{Connection, Failure, OnError, Session};

/// Arguments of `devpi getjson`.
#[derive(Args, Debug)]
pub struct GetJsonArgs {
    /// Path or URL of the document: `/`, `/user/index` are the server's, others begin at the index in use.
    #[arg(value_name = "PATH_OR_URL")]
    path: String,
}

pub(super) async fn run(session: &mut Session, arguments: &GetJsonArgs) -> Result<(), Failure> {
    session.output.be_quiet();
    let mut connection = session.connection(None).await?;
    let url = document_url(&connection, &arguments.path)?;
    let server = connection.server()?;
    let request = server.request_url(Method::GET, url.clone());
    let answer = session
        .call(&mut connection, request, OnError::Stop)
        .await?;
    if session.options.verbose > 0 {
        let mut lines: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| {
                let name = name.as_str().to_uppercase();
                format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
            })
            .collect();
        lines.sort();
        session.output.data(&format!("GET REQUEST sent to {url}"));
        for line in lines {
            session.output.data(&printable(&line));
        }
        session.output.data("");
    }
    session.output.json(&indented(answer.document()));
    Ok(())
}

/// The URL that a path means: from the server when it begins with a slash, else from the index.
pub(super) fn document_url(connection: &Connection, path: &str) -> Result<Url, Failure> {
    let shown = crate::tool_config::without_password(path);
    let invalid = |_| Failure::fatal(format!("invalid URL: {shown}"));
    if is_url(path) {
        return path.parse().map_err(invalid);
    }
    let base = match path.strip_prefix('/') {
        Some(_) => connection
            .root()
            .ok_or_else(|| Failure::fatal("no server currently selected"))?,
        None => connection
            .index_url()
            .map_err(|_| Failure::fatal("cannot use relative path without an active index"))?,
    };
    base.join(&format!("./{}", path.trim_start_matches('/')))
        .map_err(invalid)
}

/// A document with sorted keys, indented by four, as Python writes it.
pub(super) fn indented(document: &Value) -> String {
    // What is no JSON is an empty document.
    let mut document = if document.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        document.clone()
    };
    document.sort_all_objects();
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    // Writing to memory cannot fail.
    let _ = serde::Serialize::serialize(&document, &mut serializer);
    let text = String::from_utf8(text).unwrap_or_default();
    // Only texts hold other characters, and Python escapes them there.
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_written_as_python_writes_them() {
        assert_eq!(
            indented(&json!({"b": [], "a": {"ü": "😀\n\u{1b}"}, "c": [1, true, null]})),
            "{\n    \"a\": {\n        \"\\u00fc\": \"\\ud83d\\ude00\\n\\u001b\"\n    },\n    \"b\": [],\n    \
             \"c\": [\n        1,\n        true,\n        null\n    ]\n}"
        );
    }
}
