//! The request for a new token.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use crate::JsonMap;
use crate::name::printable;

/// The longest that all restrictions of a new token may be together, in bytes: the token carries them,
/// and a header has to carry the token.
pub const MAX_RESTRICTION_BYTES: usize = 2048;

/// devpi-tokens' year: a leap year, and ten seconds to spare.
const YEAR_SECONDS: i64 = 366 * 24 * 60 * 60 + 10;

/// A restriction as it is written into a token. `Display` is the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restriction {
    /// Names of permissions, sorted. Those that this server does not know allow nothing.
    Allowed(Vec<String>),
    /// The first second in which it no longer holds; `None`: it never expires.
    Expires(Option<i64>),
    /// Full names of indexes, sorted.
    Indexes(Vec<String>),
    /// The first second in which it holds.
    NotBefore(i64),
    /// Names of projects as written, sorted.
    Projects(Vec<String>),
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(items) => write!(f, "allowed={}", items.join(",")),
            Self::Expires(Some(second)) => write!(f, "expires={second}"),
            Self::Expires(None) => f.write_str("expires=never"),
            Self::Indexes(items) => write!(f, "indexes={}", items.join(",")),
            Self::NotBefore(second) => write!(f, "not_before={second}"),
            Self::Projects(items) => write!(f, "projects={}", items.join(",")),
        }
    }
}

/// The body of `POST /USER/+token-create`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// In the order of their keys. One about expiry is always there.
    pub restrictions: Vec<Restriction>,
}

/// Why a token is not made. The texts are devpi-tokens'.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRequestError {
    /// A key that is no restriction.
    #[error("Unknown restriction '{0}'.")]
    Unknown(String),
    /// `expires` is neither a number nor `never`.
    #[error("Invalid value '{0}' for expiration")]
    Expiration(String),
    /// It would have expired already.
    #[error("Can't set expiration before current time")]
    ExpirationPassed,
    /// Only root and those of `restrict_modify` make tokens that never expire.
    #[error("Not allowed to create token with no expiration")]
    NoExpiration,
    /// The same for tokens that last for more than a year.
    #[error("Not allowed to set expiration to more than one year")]
    LongExpiration,
    /// `not_before` is no number.
    #[error("Invalid value '{0}' for not before")]
    NotBefore(String),
    /// A list was to be there.
    #[error("The {0} restriction must be a list")]
    NoList(&'static str),
    /// An item of the list, counted from 1, is no text.
    #[error("Item at position {1} is not a string in {0} list")]
    NoText(&'static str, usize),
    /// An item is empty.
    #[error("Empty item at position {1} in {0} list")]
    EmptyItem(&'static str, usize),
    /// An item holds a control character.
    #[error("Item at position {1} has control characters in {0} list")]
    ControlCharacter(&'static str, usize),
    /// The token would not fit into a header.
    #[error("The restrictions are longer than {MAX_RESTRICTION_BYTES} bytes together")]
    TooLong,
}

impl TokenRequestError {
    /// Whether somebody else might have got the token.
    pub fn is_about_permission(&self) -> bool {
        matches!(self, Self::NoExpiration | Self::LongExpiration)
    }
}

impl TokenRequest {
    /// Reads the body. Without `expires` the token lasts for a year, which is also the longest unless
    /// `may_outlast_a_year` ([`crate::permission::may_make_lasting_tokens`]).
    ///
    /// # Errors
    /// [`TokenRequestError`] for the first key, in their order, that is wrong.
    pub fn parse(
        body: &JsonMap,
        now: Timestamp,
        may_outlast_a_year: bool,
    ) -> Result<Self, TokenRequestError> {
        let mut entries: Vec<(&str, &Value)> = body
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .collect();
        if !body.contains_key("expires") {
            entries.push(("expires", &Value::Null));
        }
        entries.sort_unstable_by_key(|(key, _)| *key);
        let restrictions = entries
            .into_iter()
            .map(|(key, value)| {
                Ok(match key {
                    "allowed" => Restriction::Allowed(list("allowed", value)?),
                    "expires" => Restriction::Expires(expiration(
                        value,
                        now.as_second(),
                        may_outlast_a_year,
                    )?),
                    "indexes" => Restriction::Indexes(list("indexes", value)?),
                    "not_before" => Restriction::NotBefore(
                        second(value)
                            .ok_or_else(|| TokenRequestError::NotBefore(written(value)))?,
                    ),
                    "projects" => Restriction::Projects(list("projects", value)?),
                    other => return Err(TokenRequestError::Unknown(printable(other))),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = restrictions
            .iter()
            .map(|restriction| restriction.to_string().len())
            .sum();
        if bytes > MAX_RESTRICTION_BYTES {
            return Err(TokenRequestError::TooLong);
        }
        Ok(Self { restrictions })
    }

    /// When the token stops to hold, in Unix time; `None`: never.
    pub fn expires(&self) -> Option<i64> {
        self.restrictions
            .iter()
            .find_map(|restriction| match restriction {
                Restriction::Expires(second) => *second,
                _ => None,
            })
    }
}

fn expiration(
    value: &Value,
    now: i64,
    may_outlast_a_year: bool,
) -> Result<Option<i64>, TokenRequestError> {
    let in_a_year = now.saturating_add(YEAR_SECONDS);
    if value.is_null() {
        return Ok(Some(in_a_year));
    }
    if value == "never" {
        return if may_outlast_a_year {
            Ok(None)
        } else {
            Err(TokenRequestError::NoExpiration)
        };
    }
    let expires = second(value).ok_or_else(|| TokenRequestError::Expiration(written(value)))?;
    if expires <= now {
        Err(TokenRequestError::ExpirationPassed)
    } else if expires > in_a_year && !may_outlast_a_year {
        Err(TokenRequestError::LongExpiration)
    } else {
        Ok(Some(expires))
    }
}

/// A whole number, or a text that is one.
fn second(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn list(name: &'static str, value: &Value) -> Result<Vec<String>, TokenRequestError> {
    let items = value.as_array().ok_or(TokenRequestError::NoList(name))?;
    let mut texts = Vec::with_capacity(items.len());
    for (position, item) in (1..).zip(items) {
        match item.as_str() {
            None => return Err(TokenRequestError::NoText(name, position)),
            Some("") => return Err(TokenRequestError::EmptyItem(name, position)),
            Some(text) if text.chars().any(char::is_control) => {
                return Err(TokenRequestError::ControlCharacter(name, position));
            }
            Some(text) => texts.push(text.to_owned()),
        }
    }
    texts.sort_unstable();
    Ok(texts)
}

/// A value as Python shows it in a text, cut to what fits into a message.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}
