//! Values as written in a file, a variable or a flag, and the kinds they are checked against.

use std::fmt;

use toml::de::DeValue;

/// What a setting may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Flag,
    /// Any text.
    Text,
    /// A path of a file or folder.
    Path,
    /// An absolute URL.
    Url,
    /// One of the words.
    Choice(&'static [&'static str]),
    /// A whole number within the limits, both included.
    Number(u64, u64),
    /// A number of bytes: `1048576`, `"1 MiB"`.
    Size,
    /// A time: `30` (seconds), `"30s"`, `"10m"`, `"1h"`, `"2d"`.
    Duration,
    /// A list of texts; in a variable or flag parted by commas.
    List,
    /// The paths of one or several files; in a variable or flag parted by commas.
    Paths,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("true or false"),
            Self::Text => formatter.write_str("text"),
            Self::Path => formatter.write_str("a path"),
            Self::Url => formatter.write_str("a URL"),
            Self::Choice(words) => write!(formatter, "one of {}", words.join(", ")),
            Self::Number(least, most) => {
                write!(formatter, "a whole number from {least} to {most}")
            }
            Self::Size => formatter.write_str("a number of bytes such as 1048576 or \"1 MiB\""),
            Self::Duration => {
                formatter.write_str("a time such as 30 (seconds), \"30s\", \"10m\" or \"1h\"")
            }
            Self::List => formatter.write_str("a list of texts"),
            Self::Paths => formatter.write_str("a path or a list of paths"),
        }
    }
}

/// A checked value. Sizes are bytes, durations seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Flag(bool),
    Text(String),
    Number(u64),
    List(Vec<String>),
}

/// Reads a value written as plain text, as variables, flags and defaults are.
pub(crate) fn parse_text(kind: Kind, text: &str) -> Result<Value, String> {
    let wrong = || Err(format!("`{text}` is not {kind}"));
    match kind {
        Kind::Flag => match text {
            "true" | "1" | "yes" | "on" => Ok(Value::Flag(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Flag(false)),
            _ => wrong(),
        },
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Path => {
            if text.is_empty() {
                return Err("the path is empty".to_owned());
            }
            Ok(Value::Text(text.to_owned()))
        }
        Kind::Url => match url::Url::parse(text) {
            Ok(_) => Ok(Value::Text(text.to_owned())),
            // The text may hold a password, so it is not repeated.
            Err(error) => Err(format!("not a URL ({error})")),
        },
        Kind::Choice(words) => {
            if words.contains(&text) {
                Ok(Value::Text(text.to_owned()))
            } else {
                wrong()
            }
        }
        Kind::Number(least, most) => match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Value::Number(number)),
            _ => wrong(),
        },
        Kind::Size => with_unit(text, SIZES).map_or_else(wrong, |n| Ok(Value::Number(n))),
        Kind::Duration => match with_unit(text, TIMES) {
            Some(seconds) if seconds <= LONGEST_TIME => Ok(Value::Number(seconds)),
            Some(_) => Err(format!("`{text}` is too long: 36500d is the most")),
            None => wrong(),
        },
        Kind::List | Kind::Paths => Ok(Value::List(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        )),
    }
}

/// Reads a value of a TOML document.
pub(crate) fn parse_toml(kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
    let wrong = || {
        Err(format!(
            "expected {kind}, found {} {}",
            article(value.type_str()),
            value.type_str()
        ))
    };
    match (kind, value) {
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Number(..) | Kind::Size | Kind::Duration, DeValue::Integer(integer)) => {
            let digits = integer.as_str();
            match u64::from_str_radix(digits, integer.radix()) {
                Ok(number) => parse_text(kind, &number.to_string()),
                Err(_) => Err(format!("`{digits}` is not {kind}")),
            }
        }
        (Kind::Flag | Kind::Number(..), _) => wrong(),
        (Kind::List | Kind::Paths, DeValue::Array(items)) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map_or_else(
                || Err("every item of the list must be a text".to_owned()),
                |items| Ok(Value::List(items)),
            ),
        (_, DeValue::String(text)) => parse_text(kind, text),
        _ => wrong(),
    }
}

/// Units with what one of them is worth.
type Units = &'static [(&'static str, u64)];

const SIZES: Units = &[
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const TIMES: Units = &[("", 1), ("s", 1), ("m", 60), ("h", 3600), ("d", 24 * 3600)];

/// A hundred years: any moment of ours and such a time together are still a moment, whoever adds them.
const LONGEST_TIME: u64 = 36_500 * 24 * 3600;

fn with_unit(text: &str, units: Units) -> Option<u64> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.trim();
    let (_, worth) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    digits.parse::<u64>().ok()?.checked_mul(*worth)
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_kind() {
        let cases: &[(Kind, &str, Option<Value>)] = &[
            (Kind::Flag, "yes", Some(Value::Flag(true))),
            (Kind::Flag, "off", Some(Value::Flag(false))),
            (Kind::Flag, "maybe", None),
            (Kind::Size, "12", Some(Value::Number(12))),
            (Kind::Size, "1 MiB", Some(Value::Number(1 << 20))),
            (Kind::Size, "1mib", Some(Value::Number(1 << 20))),
            (Kind::Size, "2GB", Some(Value::Number(2_000_000_000))),
            (Kind::Size, "MiB", None),
            (Kind::Size, "-1", None),
            (Kind::Size, "99999999999 TiB", None),
            (Kind::Duration, "90", Some(Value::Number(90))),
            (Kind::Duration, "2h", Some(Value::Number(7200))),
            (Kind::Duration, "2 weeks", None),
            (Kind::Duration, "36500d", Some(Value::Number(3_153_600_000))),
            (Kind::Duration, "3153600001", None),
            (Kind::Duration, "18446744073709551615s", None),
            (Kind::Number(1, 9), "9", Some(Value::Number(9))),
            (Kind::Number(1, 9), "10", None),
            (
                Kind::Choice(&["text", "json"]),
                "json",
                Some(Value::Text("json".into())),
            ),
            (Kind::Choice(&["text", "json"]), "xml", None),
            (
                Kind::Url,
                "http://a.test/",
                Some(Value::Text("http://a.test/".into())),
            ),
            (Kind::Url, "a.test", None),
            (Kind::Path, "", None),
            (
                Kind::List,
                "a, b,,c",
                Some(Value::List(vec!["a".into(), "b".into(), "c".into()])),
            ),
            (Kind::List, "", Some(Value::List(vec![]))),
            (Kind::Paths, "/a", Some(Value::List(vec!["/a".into()]))),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(&parse_text(*kind, text).ok(), expected, "{kind}: {text}");
        }
    }

    #[test]
    fn a_wrong_url_is_not_repeated() {
        let message = parse_text(Kind::Url, "http://user:secret@host:port/").unwrap_err();
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn toml_values_are_read_by_kind() {
        let cases: &[(Kind, &str, Result<Value, &str>)] = &[
            (Kind::Flag, "true", Ok(Value::Flag(true))),
            (
                Kind::Flag,
                "\"true\"",
                Err("expected true or false, found a string"),
            ),
            (Kind::Size, "0x10", Ok(Value::Number(16))),
            (Kind::Size, "\"1 KiB\"", Ok(Value::Number(1024))),
            (
                Kind::Number(1, 9),
                "12",
                Err("`12` is not a whole number from 1 to 9"),
            ),
            (
                Kind::List,
                "[\"a\", \"b\"]",
                Ok(Value::List(vec!["a".into(), "b".into()])),
            ),
            (
                Kind::List,
                "[1]",
                Err("every item of the list must be a text"),
            ),
            (Kind::Text, "12", Err("expected text, found an integer")),
        ];
        for (kind, text, expected) in cases {
            let value = DeValue::parse(text).unwrap();
            let read = parse_toml(*kind, value.get_ref());
            assert_eq!(
                read.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|e| *e),
                "{text}"
            );
        }
    }
}
