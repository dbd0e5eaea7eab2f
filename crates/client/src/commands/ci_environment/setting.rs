//! An environment variable that is to be set or unset.

use secrecy::{ExposeSecret as _, SecretString};

/// What becomes of a variable.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// It is set.
    Text(String),
    /// It is set to what must not be shown.
    Secret(SecretString),
    /// It goes away.
    Unset,
}

/// A variable and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) value: Value,
}

impl Setting {
    pub(super) fn text(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: Value::Text(value.into()),
        }
    }

    pub(super) fn secret(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: Value::Secret(SecretString::from(value.into())),
        }
    }

    pub(super) fn unset(name: &'static str) -> Self {
        Self {
            name,
            value: Value::Unset,
        }
    }

    pub(super) fn is_secret(&self) -> bool {
        matches!(self.value, Value::Secret(_))
    }

    /// What it is set to; `None`: it goes away.
    pub(super) fn exposed(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Secret(secret) => Some(secret.expose_secret()),
            Value::Unset => None,
        }
    }

    /// Whether the value is one line of text. Nothing else is spelled alike everywhere, and no
    /// honest value is anything else.
    pub(super) fn is_one_line(&self) -> bool {
        self.exposed().is_none_or(|value| {
            !value.chars().any(|character| {
                character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
            })
        })
    }
}
