//! devpi's configuration file: YAML, of which the mapping `devpi-server:` is read.
//!
//! As in devpi every scalar is a text (`port: 0800` has four characters), so that it means what
//! it would on the command line. Anchors are refused, as devpi refuses them: they have no use here
//! and make small files large.

use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use crate::config::Surroundings;

/// How deep lists and mappings may be nested; `storage` needs three.
const DEEPEST: usize = 16;

/// The mapping that is read.
const SECTION: &str = "devpi-server";

/// One key of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<Value>),
    Mapping(Vec<Entry>),
}

/// Why the file cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum YamlError {
    /// It is no YAML that we take, or cannot be read.
    Unreadable(String),
    /// A list where devpi wants a mapping; its programs end with a code of its own then.
    NotAMapping(String),
}

/// The file to read when none is named: the user's, else the site's.
pub(super) fn find(surroundings: &Surroundings) -> Option<PathBuf> {
    let own = surroundings.home_folder("XDG_CONFIG_HOME", ".config");
    let site = surroundings.get("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
    // devpi takes the last that it finds, and looks into the user's folder last.
    own.into_iter()
        .chain(
            std::env::split_paths(site)
                .collect::<Vec<_>>()
                .into_iter()
                .rev(),
        )
        .map(|folder| folder.join("devpi-server").join("devpi-server.yml"))
        .find(|file| file.is_file())
}

/// Reads the keys of the mapping `devpi-server`.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, YamlError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| YamlError::Unreadable(format!("it cannot be read: {error}")))?;
    section(&text)
}

fn section(text: &str) -> Result<Vec<Entry>, YamlError> {
    let document = Reader {
        events: Parser::new_from_str(text),
        depth: 0,
    }
    .document()
    .map_err(YamlError::Unreadable)?;
    let entries = match document {
        Some(Value::Mapping(entries)) => entries,
        Some(Value::List(_)) => {
            return Err(YamlError::NotAMapping(
                "the config file must be a mapping, not a sequence".to_owned(),
            ));
        }
        Some(Value::Text(_)) | None => return Ok(Vec::new()),
    };
    match entries.into_iter().find(|entry| entry.key == SECTION) {
        Some(Entry {
            value: Value::Mapping(entries),
            ..
        }) => Ok(entries),
        Some(Entry {
            value: Value::List(_),
            ..
        }) => Err(YamlError::NotAMapping(format!(
            "the '{SECTION}' section must be a mapping, not a sequence"
        ))),
        _ => Ok(Vec::new()),
    }
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    depth: usize,
}

impl<'t> Reader<'t> {
    /// The next event and its line; `None` at the end.
    fn next(&mut self) -> Result<Option<(Event<'t>, usize)>, String> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
            Some(Err(error)) => Err(format!("line {}: {}", error.marker().line(), error.info())),
        }
    }

    /// The first document of the file; what comes after it is not read.
    fn document(&mut self) -> Result<Option<Value>, String> {
        while let Some((event, line)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd | Event::DocumentEnd => return Ok(None),
                event => return self.value(event, line).map(Some),
            }
        }
        Ok(None)
    }

    fn value(&mut self, event: Event<'t>, line: usize) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("line {line}: nested too deeply"));
        }
        let value = match event {
            // A key without a value.
            Event::Scalar(text, ScalarStyle::Plain, 0, None) if text == "~" => {
                Value::Text(String::new())
            }
            Event::Scalar(text, _, 0, None) => Value::Text(text.into_owned()),
            Event::SequenceStart(0, None) => self.list()?,
            Event::MappingStart(0, None) => self.mapping()?,
            Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..) => {
                return Err(format!(
                    "line {line}: anchors, aliases and tags are not taken"
                ));
            }
            _ => return Err(format!("line {line}: a value is missing")),
        };
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, _)) => return Ok(Value::List(items)),
                Some((event, line)) => items.push(self.value(event, line)?),
                None => return Err("the file ends within a list".to_owned()),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, String> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                Some((Event::MappingEnd, _)) => return Ok(Value::Mapping(entries)),
                Some((event, line)) => match self.value(event, line)? {
                    Value::Text(key) => (key, line),
                    Value::List(_) | Value::Mapping(_) => {
                        return Err(format!("line {line}: a key must be a text"));
                    }
                },
                None => return Err("the file ends within a mapping".to_owned()),
            };
            if entries.iter().any(|entry| entry.key == key) {
                return Err(format!("line {line}: '{key}' is given twice"));
            }
            let Some((event, value_line)) = self.next()? else {
                return Err(format!("line {line}: '{key}' has no value"));
            };
            let value = self.value(event, value_line)?;
            entries.push(Entry { key, line, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str, line: usize, value: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            line,
            value: Value::Text(value.to_owned()),
        }
    }

    #[test]
    fn scalars_stay_texts_and_lines_are_known() {
        let entries = section(
            "# made by hand\nother: x\ndevpi-server:\n  port: 0800\n  offline-mode: yes\n  \
             outside-url: \"http://a.test\"  # there\n  listen:\n    - a.test:1\n    - b.test:2\n  \
             storage:\n    name: pg8000\n    host: db.test\n  theme:\n",
        )
        .unwrap();
        let list = ["a.test:1", "b.test:2"].map(|item| Value::Text(item.to_owned()));
        assert_eq!(
            entries,
            [
                text("port", 4, "0800"),
                text("offline-mode", 5, "yes"),
                text("outside-url", 6, "http://a.test"),
                Entry {
                    key: "listen".to_owned(),
                    line: 7,
                    value: Value::List(list.into()),
                },
                Entry {
                    key: "storage".to_owned(),
                    line: 10,
                    value: Value::Mapping(vec![
                        text("name", 11, "pg8000"),
                        text("host", 12, "db.test"),
                    ]),
                },
                text("theme", 13, ""),
            ]
        );
    }

    #[test]
    fn files_without_the_mapping_say_nothing() {
        for file in [
            "",
            "just text",
            "other:\n  port: 1\n",
            "devpi-server: x\n",
            "---\n",
        ] {
            assert_eq!(section(file), Ok(Vec::new()), "{file:?}");
        }
    }

    #[test]
    fn lists_in_place_of_mappings_are_an_error_of_their_own() {
        for file in ["- devpi-server\n", "devpi-server:\n  - port\n"] {
            let error = section(file).unwrap_err();
            assert!(matches!(error, YamlError::NotAMapping(_)), "{error:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_names_its_line() {
        let deep = format!("devpi-server:\n  x: {}", "[".repeat(40));
        for (file, part) in [
            (
                "devpi-server:\n  port: 1\n  port: 2\n",
                "line 3: 'port' is given twice",
            ),
            ("devpi-server:\n  a: &x 1\n  b: *x\n", "line 2: anchors"),
            ("devpi-server:\n  a: !!int 1\n", "line 2: anchors"),
            ("devpi-server:\n  \"a: 1\n", "line "),
            ("devpi-server:\n\tport: 1\n", "line 2"),
            (&deep, "nested too deeply"),
        ] {
            match section(file) {
                Err(YamlError::Unreadable(message)) => {
                    assert!(message.contains(part), "{part}: {message}");
                }
                other => panic!("{file:?}: {other:?}"),
            }
        }
    }
}
