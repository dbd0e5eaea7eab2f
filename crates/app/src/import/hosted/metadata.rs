//! Metadata of releases as another server kept it.

use cheeseshop_domain::JsonMap;
use cheeseshop_packaging::{ProjectName, Version, Yanked};
use serde_json::Value;

use crate::import::model::Release;

/// The metadata as it is kept here, and what is different from there.
pub(super) fn adopt(
    metadata: &JsonMap,
    name: &ProjectName,
    version: &Version,
) -> (JsonMap, Vec<String>) {
    let mut differences = Vec::new();
    let mut adopted = JsonMap::new();
    for (key, text) in [("name", name.written()), ("version", version.as_str())] {
        let given = metadata
            .get(key)
            .and_then(Value::as_str)
            .filter(|given| !given.is_empty());
        adopted.insert(key.to_owned(), Value::from(given.unwrap_or(text)));
    }
    let mut has_nul = false;
    for (key, value) in metadata {
        // The links are told as files; `:action` and `+doczip` are leftovers of old forms.
        if key.starts_with(['+', ':']) || adopted.contains_key(key) {
            continue;
        }
        let mut value = value.clone();
        has_nul |= remove_nul(&mut value);
        adopted.insert(key.clone(), value);
    }
    if has_nul {
        differences.push("NUL characters in its metadata were left out".to_owned());
    }
    (adopted, differences)
}

/// The spelling of a project's name: that of its newest version.
pub(super) fn written_name(releases: &[Release], fallback: &ProjectName) -> ProjectName {
    let spelled = |release: &Release| {
        let version = Version::parse(&release.version).ok()?;
        let name = ProjectName::parse(release.metadata.get("name")?.as_str()?).ok()?;
        (name == *fallback).then_some((version, name))
    };
    releases
        .iter()
        .filter_map(spelled)
        .max_by(|one, other| one.0.cmp(&other.0))
        .map_or_else(|| fallback.clone(), |(_, name)| name)
}

/// A text of the metadata, unless it is empty.
pub(in crate::import) fn text<'a>(metadata: &'a JsonMap, key: &str) -> Option<&'a str> {
    metadata.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// devpi's ways to say that a file was yanked: a reason, an empty text, or `true`.
pub(in crate::import) fn yanked(value: Option<&Value>) -> Yanked {
    match value {
        Some(Value::Bool(true)) => Yanked::Yes(None),
        Some(Value::String(reason)) if reason.is_empty() => Yanked::Yes(None),
        Some(Value::String(reason)) => Yanked::Yes(Some(reason.clone())),
        _ => Yanked::No,
    }
}

/// About how many bytes a document takes.
pub(super) fn size(metadata: &JsonMap) -> usize {
    metadata
        .iter()
        .map(|(key, value)| key.len() + size_of(value))
        .sum()
}

fn size_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size_of).sum(),
        Value::Object(map) => size(map),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// PostgreSQL has no NUL in its texts, and nobody has a use for one.
fn remove_nul(value: &mut Value) -> bool {
    match value {
        Value::String(text) if text.contains('\0') => {
            text.retain(|character| character != '\0');
            true
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |found, item| remove_nul(item) | found),
        Value::Object(map) => map
            .values_mut()
            .fold(false, |found, item| remove_nul(item) | found),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> JsonMap {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn leftovers_go_and_what_is_missing_is_filled_in() {
        let name = ProjectName::parse("My.Pkg").unwrap();
        let version = Version::parse("1.0").unwrap();
        let given = object(json!({
            ":action": "submit", "+doczip": "x", "+elinks": [], "summary": "a\u{0}b",
            "classifiers": ["c"], "plugin_key": 7,
        }));
        let (adopted, differences) = adopt(&given, &name, &version);
        let expected = json!({
            "name": "My.Pkg", "version": "1.0", "summary": "ab", "classifiers": ["c"], "plugin_key": 7,
        });
        assert_eq!(Value::Object(adopted), expected);
        assert_eq!(differences.len(), 1);
    }

    #[test]
    fn the_newest_version_spells_the_name() {
        let release = |version: &str, name: &str| Release {
            version: version.to_owned(),
            metadata: object(json!({ "name": name })),
        };
        let fallback = ProjectName::parse("my-pkg").unwrap();
        let releases = [
            release("1.9", "my_pkg"),
            release("1.10", "My.Pkg"),
            release("2", "else"),
        ];
        assert_eq!(written_name(&releases, &fallback).written(), "My.Pkg");
        assert_eq!(written_name(&[], &fallback).written(), "my-pkg");
    }

    #[test]
    fn yanking_is_read_in_all_of_its_forms() {
        for (value, expected) in [
            (json!(true), Yanked::Yes(None)),
            (json!(""), Yanked::Yes(None)),
            (json!("bad"), Yanked::Yes(Some("bad".to_owned()))),
            (json!(false), Yanked::No),
            (json!(null), Yanked::No),
        ] {
            assert_eq!(yanked(Some(&value)), expected, "{value}");
        }
        assert_eq!(yanked(None), Yanked::No);
    }
}
