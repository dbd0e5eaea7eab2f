//! Names of users and indexes.
//!
//! devpi's rule: any ASCII symbol other than `-`, `.`, `@` and `_` is refused, letters of other alphabets
//! are welcome, and case counts. We also refuse what no path segment should be: `.`, `..`, blanks and
//! control characters of any alphabet, and more than [`MAX_BYTES`] bytes.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// The longest user or index name, in bytes of UTF-8.
pub(crate) const MAX_BYTES: usize = 128;

/// The name of the user who administers the server.
const ROOT: &str = "root";

/// A user's name, valid by construction. Case-sensitive; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Arc<str>);

impl UserName {
    /// Checks a name; the error's text is devpi's.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check("username", text)?;
        Ok(Self(text.into()))
    }

    /// The user `root`, who administers the server.
    pub fn root() -> Self {
        Self(ROOT.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the user who administers the server.
    pub fn is_root(&self) -> bool {
        &*self.0 == ROOT
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Borrow<str> for UserName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for UserName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for UserName {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for UserName {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// The full name of an index, `user/index`. Cheap to clone.
///
/// The parts can be read, but not put together without the checks of [`IndexName::new`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct IndexName {
    /// The owner.
    pub user: UserName,
    /// The owner's name for the index.
    pub index: Arc<str>,
}

impl IndexName {
    /// Checks the two parts as they stand in a URL; the error's text is devpi's.
    pub fn new(user: &str, index: &str) -> Result<Self, NameError> {
        Ok(Self {
            user: UserName::parse(user)?,
            index: checked_index(index)?,
        })
    }

    /// An index of a user whose name was checked before.
    pub fn of(user: &UserName, index: &str) -> Result<Self, NameError> {
        Ok(Self {
            user: user.clone(),
            index: checked_index(index)?,
        })
    }

    /// Reads `user/index`; slashes at either end do not matter, as in devpi.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.trim_matches('/').split_once('/') {
            Some((user, index)) => Self::new(user, index),
            None => Err(NameError::NotUserAndIndex(printable(text))),
        }
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.index)
    }
}

impl fmt::Debug for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for IndexName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// Why a text is no name of a user or an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A character that is not allowed.
    #[error(
        "{what} '{name}' contains characters that aren't allowed. Any ascii symbol besides -.@_ is blocked."
    )]
    Characters {
        /// `username` or `indexname`.
        what: &'static str,
        /// The name, control characters replaced.
        name: String,
    },
    /// No characters at all.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// `.` or `..`, which mean something else in a path.
    #[error("{what} '{name}' is not allowed")]
    Dots {
        /// `username` or `indexname`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Longer than 128 bytes.
    #[error("{0} is longer than 128 bytes")]
    TooLong(&'static str),
    /// A full index name without its slash.
    #[error("index name '{0}' is not in the form user/index")]
    NotUserAndIndex(String),
}

fn checked_index(text: &str) -> Result<Arc<str>, NameError> {
    check("indexname", text)?;
    Ok(text.into())
}

fn check(what: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty(what));
    }
    if name.len() > MAX_BYTES {
        return Err(NameError::TooLong(what));
    }
    if name == "." || name == ".." {
        let name = name.to_owned();
        return Err(NameError::Dots { what, name });
    }
    if name.chars().all(is_allowed) {
        Ok(())
    } else {
        let name = printable(name);
        Err(NameError::Characters { what, name })
    }
}

fn is_allowed(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '@' | '_')
    } else {
        // Beyond ASCII devpi allows everything. Blanks, controls and the invisible marks that turn the
        // direction of text around only serve to make one name look like another.
        !character.is_whitespace()
            && !character.is_control()
            && !matches!(
                character,
                '\u{200b}'..='\u{200f}'
                    | '\u{202a}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}'
                    | '\u{fff0}'..='\u{ffff}'
            )
    }
}

/// A name fit for an error text: one line, not too long.
pub(crate) fn printable(text: &str) -> String {
    let clean = |character: char| {
        if character.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        }
    };
    let mut shown: String = text.chars().take(MAX_BYTES).map(clean).collect();
    if text.chars().nth(MAX_BYTES).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devpi_names_are_accepted() {
        for name in [
            "root",
            "Bob",
            "a-b.c@d_e",
            "jürgen",
            "日本",
            "1",
            "-",
            "...",
            "_x",
        ] {
            assert_eq!(UserName::parse(name).unwrap().as_str(), name);
            assert_eq!(&*IndexName::new("bob", name).unwrap().index, name);
        }
    }

    #[test]
    fn every_other_ascii_symbol_is_refused_with_devpis_text() {
        for symbol in " !\"#$%&'()*+,/:;<=>?[\\]^`{|}~\t\n\u{0}\u{7f}".chars() {
            let name = format!("a{symbol}b");
            assert!(UserName::parse(&name).is_err(), "{name:?}");
            assert!(IndexName::new("bob", &name).is_err(), "{name:?}");
        }
        assert_eq!(
            UserName::parse("a b").unwrap_err().to_string(),
            "username 'a b' contains characters that aren't allowed. Any ascii symbol besides -.@_ is blocked."
        );
        assert_eq!(
            IndexName::new("bob", "x+y").unwrap_err().to_string(),
            "indexname 'x+y' contains characters that aren't allowed. Any ascii symbol besides -.@_ is blocked."
        );
    }

    #[test]
    fn names_that_are_no_path_segment_are_refused() {
        let long = "x".repeat(MAX_BYTES + 1);
        for name in [
            "",
            ".",
            "..",
            "a\u{a0}b",
            "a\u{85}b",
            "\u{202e}bob",
            "bob\u{200b}",
            long.as_str(),
        ] {
            assert!(UserName::parse(name).is_err(), "{name:?}");
        }
        assert!(UserName::parse(&"x".repeat(MAX_BYTES)).is_ok());
    }

    #[test]
    fn error_texts_stay_on_one_line() {
        let text = UserName::parse("a\r\nX-Evil: 1").unwrap_err().to_string();
        assert!(!text.contains(['\r', '\n']), "{text:?}");
    }

    #[test]
    fn full_index_names_lose_their_outer_slashes() {
        for text in ["bob/dev", "/bob/dev", "bob/dev/", "//bob/dev//"] {
            assert_eq!(IndexName::parse(text).unwrap().to_string(), "bob/dev");
        }
        for text in ["", "/", "bob", "/bob/", "bob/dev/x", "bob//dev", "a b/dev"] {
            assert!(IndexName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn case_counts() {
        assert_ne!(
            UserName::parse("Bob").unwrap(),
            UserName::parse("bob").unwrap()
        );
        assert!(!UserName::parse("Root").unwrap().is_root());
        assert!(UserName::root().is_root());
    }
}
