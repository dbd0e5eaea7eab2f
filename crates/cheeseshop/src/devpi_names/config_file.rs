//! devpi's configuration file: which one, and what its keys say about options.

use std::path::{Path, PathBuf};

use super::option::{DevpiOption, Takes, Written, truth_or_text};
use super::program::Program;
use super::reading::Given;
use super::stop::Stop;
use super::table::OPTIONS;
use super::translate::expanded;
use super::yaml::{self, Entry, Value, YamlError};
use crate::config::{Origin, Surroundings};

/// The file of one run.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// Where it is.
    pub(super) path: PathBuf,
    entries: Vec<Entry>,
}

impl ConfigFile {
    /// Reads the file that is named, else the one in a usual place, if there is one.
    pub(super) fn read(
        named: Option<&str>,
        surroundings: &Surroundings,
    ) -> Result<Option<Self>, Stop> {
        let named = named.or_else(|| surroundings.get("DEVPISERVER_CONFIGFILE"));
        let path = match named {
            Some(path) => expanded(path, surroundings),
            None => match yaml::find(surroundings) {
                Some(path) => path,
                None => return Ok(None),
            },
        };
        match yaml::read(&path) {
            Ok(entries) => Ok(Some(Self { path, entries })),
            Err(YamlError::Unreadable(message)) => Err(Stop::fatal(format!(
                "error in config file '{}': {message}",
                path.display()
            ))),
            Err(YamlError::NotAMapping(message)) => Err(Stop::ConfigFile(format!(
                "Error in config file '{}': {message}",
                path.display()
            ))),
        }
    }

    /// What is to be said about keys that nobody knows. One file serves all programs, so a key of
    /// another program is none of them.
    pub(super) fn warnings(&self, program: Program) -> Vec<String> {
        self.entries
            .iter()
            .filter(|entry| !OPTIONS.iter().any(|option| option.name == entry.key))
            .map(|entry| {
                format!(
                    "Unknown {} option '{}' in {}:{}",
                    program.name(),
                    entry.key,
                    self.path.display(),
                    entry.line
                )
            })
            .collect()
    }

    /// An option that the file has. A key without a value counts as absent.
    pub(super) fn find(&self, option: &'static DevpiOption) -> Result<Option<Given>, Stop> {
        let is_it =
            |entry: &&Entry| entry.key == option.name && entry.value != Value::Text(String::new());
        match self.entries.iter().find(is_it) {
            Some(entry) => given(option, &self.path, entry).map(Some),
            None => Ok(None),
        }
    }
}

fn given(option: &'static DevpiOption, path: &Path, entry: &Entry) -> Result<Given, Stop> {
    let wrong = |what: &str| {
        Stop::fatal(format!(
            "{}:{}: '{}' {what}",
            path.display(),
            entry.line,
            option.name
        ))
    };
    let written = match &entry.value {
        Value::Text(text) => Written {
            text: truth_or_text(option, text).ok_or_else(|| wrong("must be true or false"))?,
            settings: Vec::new(),
        },
        Value::List(items) => {
            if !matches!(option.takes, Takes::Many(_)) {
                return Err(wrong("takes one value, not a list"));
            }
            let items: Option<Vec<&str>> = items
                .iter()
                .map(|item| match item {
                    Value::Text(text) => Some(text.as_str()),
                    Value::List(_) | Value::Mapping(_) => None,
                })
                .collect();
            Written {
                text: items
                    .ok_or_else(|| wrong("must be a list of texts"))?
                    .join(","),
                settings: Vec::new(),
            }
        }
        Value::Mapping(settings) => {
            backend(settings).ok_or_else(|| wrong("must have a `name` and texts beside it"))?
        }
    };
    Ok(Given {
        option,
        origin: Origin::File {
            path: path.to_path_buf(),
            line: Some(entry.line),
        },
        written,
    })
}

/// A mapping with a `name`, as `storage` and `indexer-backend` may be.
fn backend(entries: &[Entry]) -> Option<Written> {
    let mut written = Written::default();
    for entry in entries {
        let Value::Text(text) = &entry.value else {
            return None;
        };
        if entry.key == "name" {
            written.text.clone_from(text);
        } else {
            written.settings.push((entry.key.clone(), text.clone()));
        }
    }
    (!written.text.is_empty()).then_some(written)
}
