//! From values to the struct of a section, and from what is wrong with it to problems of keys.

use serde::de::DeserializeOwned;

use super::layers::{Origin, Resolved};
use super::problem::Problem;
use super::setting::{Reader, SETTINGS, Setting};
use super::value::Value;

/// The value of a setting that is a text.
pub(super) fn text(resolved: &Resolved, key: &str) -> Option<String> {
    match resolved.get(key) {
        Some((Value::Text(text), _)) => Some(text.clone()),
        _ => None,
    }
}

/// The value of a setting that is a number.
pub(super) fn number(resolved: &Resolved, key: &str) -> u64 {
    match resolved.get(key) {
        Some((Value::Number(number), _)) => *number,
        _ => 0,
    }
}

/// Reads a section's struct; values that it refuses become problems of their keys.
pub(super) fn section<T: DeserializeOwned + Default>(
    resolved: &Resolved,
    name: &str,
    problems: &mut Vec<Problem>,
) -> T {
    let settings: Vec<&Setting> = SETTINGS
        .iter()
        .filter(|setting| {
            setting.reader == Reader::Crate
                && setting
                    .key
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('.'))
        })
        .collect();
    let mut whole = toml::Table::new();
    for setting in settings {
        let Some((value, origin)) = resolved.get(setting.key) else {
            continue;
        };
        let mut alone = toml::Table::new();
        insert(&mut alone, name, setting, value);
        match toml::Value::Table(alone).try_into::<T>() {
            Ok(_) => insert(&mut whole, name, setting, value),
            Err(error) => problems.push(Problem {
                origin: origin.clone(),
                key: setting.key.to_owned(),
                message: error.message().to_owned(),
            }),
        }
    }
    toml::Value::Table(whole)
        .try_into()
        .unwrap_or_else(|error| {
            problems.push(Problem {
                origin: Origin::Default,
                key: name.to_owned(),
                message: error.message().to_owned(),
            });
            T::default()
        })
}

/// Puts a value into the (possibly nested) table of its section, under the reader's name for it.
fn insert(section: &mut toml::Table, name: &str, setting: &Setting, value: &Value) {
    let mut path: Vec<&str> = setting
        .key
        .strip_prefix(name)
        .unwrap_or(setting.key)
        .trim_start_matches('.')
        .split('.')
        .collect();
    let last = path.pop().unwrap_or_default();
    let mut table = section;
    for step in path {
        let entry = table
            .entry(step)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let toml::Value::Table(inner) = entry else {
            return;
        };
        table = inner;
    }
    let value = match value {
        Value::Flag(flag) => toml::Value::Boolean(*flag),
        Value::Text(text) => toml::Value::String(text.clone()),
        // What is larger than TOML can say is no limit at all.
        Value::Number(number) => toml::Value::Integer(i64::try_from(*number).unwrap_or(i64::MAX)),
        Value::List(items) => toml::Value::Array(
            items
                .iter()
                .map(|item| toml::Value::String(item.clone()))
                .collect(),
        ),
    };
    table.insert(setting.field.unwrap_or(last).to_owned(), value);
}

/// Takes over what a section says of itself as a whole. Its sentences begin with the key.
pub(super) fn complain(
    resolved: &Resolved,
    section: &str,
    sentences: Vec<String>,
    problems: &mut Vec<Problem>,
) {
    for sentence in sentences {
        let field = sentence.split('`').nth(1).unwrap_or_default();
        let key = SETTINGS
            .iter()
            .find(|setting| {
                setting.key.strip_prefix(section).is_some_and(|rest| {
                    let name = rest.trim_start_matches('.');
                    name == field || (name != rest && setting.field == Some(field))
                })
            })
            .map_or(section, |setting| setting.key);
        let message = sentence
            .strip_prefix(&format!("`{field}`"))
            .map_or(sentence.as_str(), |rest| {
                rest.trim_start_matches([':', ' '])
            })
            .to_owned();
        complain_of(resolved, key, message, problems);
    }
}

/// A problem of one key, told with the place where its value was written.
pub(super) fn complain_of(
    resolved: &Resolved,
    key: &str,
    message: String,
    problems: &mut Vec<Problem>,
) {
    problems.push(Problem {
        origin: resolved
            .get(key)
            .map_or(Origin::Default, |(_, origin)| origin.clone()),
        key: key.to_owned(),
        message,
    });
}
