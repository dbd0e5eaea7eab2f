//! The values that devpi keeps: Python's plain ones.

use cheeseshop_domain::JsonMap;
use serde_json::{Number, Value as Json};

/// A Python value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` that fits.
    Integer(i64),
    /// Any other `int`, in decimal digits.
    BigInteger(String),
    /// A `float`.
    Float(f64),
    /// A `complex`: real and imaginary part.
    Complex(f64, f64),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// A `str`.
    Text(String),
    /// A `tuple`.
    Tuple(Vec<Value>),
    /// A `list`.
    List(Vec<Value>),
    /// A `set`, in the order of the bytes; an item may stand there twice.
    Set(Vec<Value>),
    /// A `frozenset`, likewise.
    FrozenSet(Vec<Value>),
    /// A `dict`, in the order of the bytes. Of a key that stands there twice the last one counts.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list, tuple or set.
    pub fn as_items(&self) -> Option<&[Value]> {
        match self {
            Self::Tuple(items) | Self::List(items) | Self::Set(items) | Self::FrozenSet(items) => {
                Some(items)
            }
            _ => None,
        }
    }

    /// The texts among the items of a list, tuple or set; none of anything else.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.as_items()
            .unwrap_or_default()
            .iter()
            .filter_map(Self::as_text)
    }

    /// What a dictionary holds under this key, unless that is `None`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Dict(items) = self else {
            return None;
        };
        items
            .iter()
            .rev()
            .find(|(found, _)| found.as_text() == Some(key))
            .map(|(_, value)| value)
            .filter(|value| **value != Self::None)
    }

    /// The text that a dictionary holds under this key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::as_text)
    }

    /// A dictionary with texts as keys, as JSON. Other keys are left out.
    pub fn to_object(&self) -> Option<JsonMap> {
        let Self::Dict(items) = self else {
            return None;
        };
        Some(
            items
                .iter()
                .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), value.to_json())))
                .collect(),
        )
    }

    /// The value as JSON: tuples and sets become arrays (sets sorted, for Python keeps no order
    /// in them); what JSON does not know becomes text.
    pub fn to_json(&self) -> Json {
        match self {
            Self::None => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Integer(number) => Json::from(*number),
            Self::BigInteger(digits) => digits
                .parse::<u64>()
                .map_or_else(|_| Json::from(digits.as_str()), Json::from),
            Self::Float(number) => Number::from_f64(*number)
                .map_or_else(|| Json::from(number.to_string()), Json::Number),
            Self::Complex(real, imaginary) => Json::from(format!("({real}+{imaginary}j)")),
            Self::Bytes(bytes) => Json::from(String::from_utf8_lossy(bytes)),
            Self::Text(text) => Json::from(text.as_str()),
            Self::Tuple(items) | Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Set(items) | Self::FrozenSet(items) => {
                let mut items: Vec<Json> = items.iter().map(Self::to_json).collect();
                items.sort_by_cached_key(Json::to_string);
                Json::Array(items)
            }
            Self::Dict(_) => Json::Object(self.to_object().unwrap_or_default()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dict(items: &[(&str, Value)]) -> Value {
        Value::Dict(
            items
                .iter()
                .map(|(key, value)| (Value::from(*key), value.clone()))
                .collect(),
        )
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let value = dict(&[("a", Value::from(1)), ("b", Value::None), ("a", "x".into())]);
        assert_eq!(value.text("a"), Some("x"));
        assert_eq!(value.get("b"), None);
        assert_eq!(value.to_json(), json!({"a": "x", "b": null}));
        assert_eq!(Value::from("a").get("a"), None);
    }

    #[test]
    fn everything_has_a_json_form() {
        let cases = [
            (
                Value::BigInteger("18446744073709551615".into()),
                json!(u64::MAX),
            ),
            (Value::BigInteger("1".repeat(30)), json!("1".repeat(30))),
            (Value::Float(f64::INFINITY), json!("inf")),
            (Value::Float(1.5), json!(1.5)),
            (Value::Complex(1.0, 2.0), json!("(1+2j)")),
            (Value::Bytes(vec![b'a', 0xff]), json!("a\u{fffd}")),
            (Value::Set(vec!["b".into(), "a".into()]), json!(["a", "b"])),
            (
                Value::Tuple(vec!["b".into(), Value::Bool(true)]),
                json!(["b", true]),
            ),
            (
                Value::Dict(vec![(Value::from(1), Value::from(2))]),
                json!({}),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(value.to_json(), expected);
        }
    }
}
