//! Settings on the command line (`key=value`), and as they are shown.

use serde_json::{Map, Value};

use crate::commands::{Failure, names};

/// The arguments of `user` and `index`: names, and settings behind them.
#[derive(Debug, Default)]
pub(super) struct KeyValues {
    /// What has no equals sign.
    pub(super) names: Vec<String>,
    /// `key=value` as it is written.
    pub(super) settings: Vec<String>,
}

impl KeyValues {
    /// Takes the arguments apart.
    ///
    /// # Errors
    /// A name behind a setting, which is most likely a setting without its sign.
    pub(super) fn of(arguments: &[String]) -> Result<Self, Failure> {
        let count = arguments
            .iter()
            .take_while(|argument| !argument.contains('='))
            .count();
        let (names, settings) = arguments.split_at(count);
        if settings.iter().any(|setting| !setting.contains('=')) {
            let listed: Vec<_> = settings
                .iter()
                .map(|setting| format!("'{}'", without_secret(setting)))
                .collect();
            return Err(Failure::fatal(format!(
                "arguments must be format NAME=VALUE: [{}]",
                listed.join(", ")
            )));
        }
        Ok(Self {
            names: names::given(names)?,
            settings: settings.to_owned(),
        })
    }

    /// The settings by name; of two with one name the last counts.
    pub(super) fn map(&self) -> Map<String, Value> {
        self.settings
            .iter()
            .filter_map(|setting| setting.split_once('='))
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect()
    }
}

/// A setting as it may be told of.
fn without_secret(setting: &str) -> String {
    match setting.split_once('=') {
        Some((name @ ("password" | "pwhash"), _)) => format!("{name}=********"),
        _ => setting.to_owned(),
    }
}

/// A setting's value as devpi-client shows it, which is how Python writes it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => text(other),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => literal(other),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => {
            let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
            format!("'{}'", escaped.replace('\n', "\\n"))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(table) => {
            let items: Vec<_> = table
                .iter()
                .map(|(name, value)| {
                    format!(
                        "{}: {}",
                        literal(&Value::from(name.clone())),
                        literal(value)
                    )
                })
                .collect();
            format!("{{{}}}", items.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn names_stand_before_settings() {
        let given = KeyValues::of(&arguments("a b x=1 y=2=3 x=4")).unwrap();
        assert_eq!(given.names, ["a", "b"]);
        assert_eq!(given.settings, ["x=1", "y=2=3", "x=4"]);
        assert_eq!(Value::from(given.map()), json!({"x": "4", "y": "2=3"}));
    }

    #[test]
    fn a_refused_line_shows_no_password() {
        let failure = KeyValues::of(&arguments("a password=secret x")).unwrap_err();
        assert_eq!(
            failure.message,
            "arguments must be format NAME=VALUE: ['password=********', 'x']"
        );
    }

    #[test]
    fn values_are_shown_as_python_writes_them() {
        for (value, expected) in [
            (json!(true), "True"),
            (json!(null), "None"),
            (json!(1800), "1800"),
            (json!("a b"), "a b"),
            (json!(["a", "b"]), "a,b"),
            (json!([]), ""),
            (json!({"a": ["it's", 1]}), "{'a': [\"it's\", 1]}"),
        ] {
            assert_eq!(shown(&value), expected);
        }
    }
}
