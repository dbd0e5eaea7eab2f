//! Values of settings as they arrive: JSON, or the texts that the client's `key=value` form makes of it.

use serde_json::Value;

use super::error::ConfigError;
use crate::{Acl, Principal, name::printable};

/// JSON booleans, and true, yes, false, no in any case.
pub(super) fn parse_boolean(value: &Value) -> Result<bool, ConfigError> {
    if let Value::Bool(flag) = value {
        return Ok(*flag);
    }
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "yes") => Ok(true),
        Some("false" | "no") => Ok(false),
        _ => Err(ConfigError::NotBoolean(show(value))),
    }
}

/// An array as it is; a text split at its commas, blanks trimmed, empty parts dropped.
pub(super) fn parse_list(key: &'static str, value: &Value) -> Result<Vec<String>, ConfigError> {
    match value {
        Value::String(text) => Ok(text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or(ConfigError::NotList(key)),
        _ => Err(ConfigError::NotList(key)),
    }
}

pub(super) fn parse_acl(key: &'static str, value: &Value) -> Result<Acl, ConfigError> {
    parse_list(key, value)?
        .iter()
        .map(|entry| parse_principal(key, entry))
        .collect::<Result<_, _>>()
        .map(Acl::new)
}

pub(super) fn parse_principal(key: &'static str, entry: &str) -> Result<Principal, ConfigError> {
    let unusable = || {
        let entry = printable(entry);
        ConfigError::BadPrincipal { key, entry }
    };
    if entry.contains(char::is_control) {
        return Err(unusable());
    }
    Principal::parse(entry).ok_or_else(unusable)
}

/// A value in an error text, as Python's `str` would show it: short and on one line.
pub(super) fn show(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    };
    printable(&text)
}

fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("'{key}': {}", repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn booleans_are_json_booleans_or_four_words() {
        for (value, expected) in [
            (json!(true), true),
            (json!(false), false),
            (json!("true"), true),
            (json!("YES"), true),
            (json!("False"), false),
            (json!("nO"), false),
        ] {
            assert_eq!(parse_boolean(&value), Ok(expected), "{value}");
        }
        for (value, text) in [
            (json!(1), "Unknown boolean value '1'."),
            (json!("1"), "Unknown boolean value '1'."),
            (json!(0), "Unknown boolean value '0'."),
            (json!(null), "Unknown boolean value 'None'."),
            (json!(""), "Unknown boolean value ''."),
            (json!("on"), "Unknown boolean value 'on'."),
            (json!([true]), "Unknown boolean value '[True]'."),
        ] {
            assert_eq!(parse_boolean(&value).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn lists_are_arrays_or_texts_with_commas() {
        let list = |value: Value| parse_list("bases", &value);
        assert_eq!(list(json!(["a", " b", "c,d"])).unwrap(), ["a", " b", "c,d"]);
        assert_eq!(list(json!(" a, b ,,c,")).unwrap(), ["a", "b", "c"]);
        assert_eq!(list(json!("")).unwrap(), [""; 0]);
        assert_eq!(list(json!([])).unwrap(), [""; 0]);
        for value in [
            json!(null),
            json!(1),
            json!({"a": 1}),
            json!(["a", 1]),
            json!(true),
        ] {
            let text = list(value).unwrap_err().to_string();
            assert_eq!(text, "'bases' option must be a list of strings");
        }
    }

    #[test]
    fn shown_values_look_like_python_and_stay_short() {
        assert_eq!(show(&json!("a\nb")), "a\u{fffd}b");
        assert_eq!(
            show(&json!({"a": [1, null, "x", false]})),
            "{'a': [1, None, 'x', False]}"
        );
        assert!(show(&json!("x".repeat(5000))).len() < 200);
    }
}
