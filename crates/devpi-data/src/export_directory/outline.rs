//! What `dataindex.json` holds, and where in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use cheeseshop_packaging::name::normalize;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::scanner::{ScanError, Scanner, Span};

/// The document, with the places of its parts.
#[derive(Debug)]
pub(super) struct Outline {
    file: File,
    pub(super) dump_version: Option<String>,
    pub(super) users: Vec<(String, Span)>,
    pub(super) indexes: Vec<IndexOutline>,
    /// Keys at the top that mean nothing here.
    pub(super) unknown: Vec<String>,
}

/// An index, with the places of its parts.
#[derive(Debug, Default)]
pub(super) struct IndexOutline {
    /// `user/index`
    pub(super) name: String,
    pub(super) config: Option<Span>,
    pub(super) projects: Vec<ProjectOutline>,
    /// Positions in `projects` by normalized name.
    by_name: HashMap<String, usize>,
    /// Descriptions of files that do not say of which project they are.
    pub(super) stray: Vec<Span>,
    pub(super) unknown: Vec<String>,
}

/// A project, with the places of its parts.
#[derive(Debug)]
pub(super) struct ProjectOutline {
    pub(super) name: String,
    /// Metadata by version; several when the dump has the project in several spellings.
    pub(super) versions: Vec<Span>,
    pub(super) files: Vec<Span>,
}

/// The keys at the top that we know. The versions of Python and of the server are of no use.
const KNOWN: [&str; 2] = ["pythonversion", "devpi_server"];

impl Outline {
    /// Reads through the whole document once. Blocks.
    pub(super) fn read(path: &Path) -> Result<Self, ScanError> {
        let file = File::open(path)?;
        let mut outline = Self {
            file: file.try_clone()?,
            dump_version: None,
            users: Vec::new(),
            indexes: Vec::new(),
            unknown: Vec::new(),
        };
        let mut scanner = Scanner::new(file);
        scanner.object(|scanner, key| {
            match key.as_str() {
                "users" => scanner.object(|scanner, name| {
                    outline.users.push((name, scanner.value(None)?));
                    Ok(())
                })?,
                "indexes" => scanner.object(|scanner, name| {
                    outline.indexes.push(IndexOutline::read(scanner, name)?);
                    Ok(())
                })?,
                "dumpversion" => {
                    let mut raw = Vec::new();
                    scanner.value(Some(&mut raw))?;
                    outline.dump_version = match serde_json::from_slice(&raw) {
                        Ok(Value::String(text)) => Some(text),
                        Ok(Value::Number(number)) => Some(number.to_string()),
                        _ => Some(String::from_utf8_lossy(&raw).into_owned()),
                    };
                }
                _ => {
                    scanner.value(None)?;
                    if !KNOWN.contains(&key.as_str()) {
                        outline.unknown.push(key);
                    }
                }
            }
            Ok(())
        })?;
        scanner.end()?;
        Ok(outline)
    }

    /// Reads and parses one part. Blocks.
    ///
    /// # Errors
    /// A text for people.
    pub(super) fn parse<T: DeserializeOwned>(&self, span: Span) -> Result<T, String> {
        let mut raw = vec![0; span.length as usize];
        self.file
            .read_exact_at(&mut raw, span.start)
            .map_err(|error| format!("dataindex.json cannot be read: {error}"))?;
        parse(&raw)
    }
}

/// Python writes half characters (lone surrogates, from texts that were no text) in a form that no other JSON reader
/// takes: those become replacement characters.
fn parse<T: DeserializeOwned>(raw: &[u8]) -> Result<T, String> {
    let first = match serde_json::from_slice(raw) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    match without_lone_surrogates(raw) {
        Some(mended) => serde_json::from_slice(&mended),
        None => Err(first),
    }
    .map_err(|error| format!("its description in dataindex.json cannot be used: {error}"))
}

fn without_lone_surrogates(raw: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| -> Option<u16> {
        let digits = raw.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut mended = Vec::with_capacity(raw.len());
    let mut changed = false;
    let mut at = 0;
    while at < raw.len() {
        if raw[at] != b'\\' {
            mended.push(raw[at]);
            at += 1;
            continue;
        }
        let length = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.extend_from_slice(b"\\ufffd");
                changed = true;
                at += 6;
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        let end = (at + length).min(raw.len());
        mended.extend_from_slice(&raw[at..end]);
        at = end;
    }
    changed.then_some(mended)
}

impl IndexOutline {
    fn read<R: Read>(scanner: &mut Scanner<R>, name: String) -> Result<Self, ScanError> {
        let mut index = Self {
            name,
            ..Self::default()
        };
        scanner.object(|scanner, key| {
            match key.as_str() {
                "indexconfig" => index.config = Some(scanner.value(None)?),
                "projects" => scanner.object(|scanner, project| {
                    let span = scanner.value(None)?;
                    index.project(&project).versions.push(span);
                    Ok(())
                })?,
                "files" => {
                    let mut raw = Vec::new();
                    scanner.array(|scanner| {
                        raw.clear();
                        let span = scanner.value(Some(&mut raw))?;
                        match parse::<NamedProject>(&raw) {
                            Ok(named) => index.project(&named.projectname).files.push(span),
                            Err(_) => index.stray.push(span),
                        }
                        Ok(())
                    })?;
                }
                _ => {
                    scanner.value(None)?;
                    index.unknown.push(key);
                }
            }
            Ok(())
        })?;
        Ok(index)
    }

    fn project(&mut self, name: &str) -> &mut ProjectOutline {
        let position = *self.by_name.entry(normalize(name)).or_insert_with(|| {
            self.projects.push(ProjectOutline {
                name: name.to_owned(),
                versions: Vec::new(),
                files: Vec::new(),
            });
            self.projects.len() - 1
        });
        &mut self.projects[position]
    }
}

#[derive(Deserialize)]
struct NamedProject {
    projectname: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn half_characters_become_replacement_characters() {
        for (raw, expected) in [
            (r#"["a\ud800b"]"#, json!(["a\u{fffd}b"])),
            (
                r#"["\udc80\ud83d\ude00\n"]"#,
                json!(["\u{fffd}\u{1f600}\n"]),
            ),
            (r#"["\\ud800"]"#, json!(["\\ud800"])),
            (r#"["\ud800\ud800\udc00"]"#, json!(["\u{fffd}\u{10000}"])),
        ] {
            assert_eq!(parse::<Value>(raw.as_bytes()).unwrap(), expected, "{raw}");
        }
        assert!(
            parse::<Value>(b"[NaN]")
                .unwrap_err()
                .contains("cannot be used")
        );
    }
}
