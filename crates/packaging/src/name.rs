//! Project names: as written for display, normalized for comparing.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use uv_normalize::PackageName;

/// The longest project name accepted, in characters (all of them ASCII).
pub const MAX_NAME_LENGTH: usize = 200;

/// A legal project name (the name grammar of PEP 508).
///
/// Keeps both spellings. Equality, order and hash follow the normalized one,
/// so `Flask` and `flask` are the same key. Cloning copies two pointers.
#[derive(Clone)]
pub struct ProjectName {
    written: Arc<str>,
    normalized: Arc<str>,
}

/// Why a text is not a project name.
///
/// The texts are the ones that devpi puts behind `invalid metadata: `; its
/// client and the scripts around it look for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("Missing required field \"name\"")]
    Missing,
    /// A character that could end, split or escape a URL segment.
    #[error("Invalid package name or version (URL safety)")]
    UrlSafety,
    /// A character outside ASCII letters, digits, `.`, `_`, `-`.
    #[error(
        "Invalid package name. Names must contain only ASCII letters, digits, underscores, \
         hyphens, and periods"
    )]
    Character,
    /// The first character is punctuation.
    #[error("Invalid package name. Names must start with an ASCII letter or digit")]
    Start,
    /// The last character is punctuation.
    #[error("Invalid package name. Names must end with an ASCII letter or digit")]
    End,
    /// More than [`MAX_NAME_LENGTH`] characters.
    #[error("Invalid package name. Names must not be longer than {MAX_NAME_LENGTH} characters")]
    TooLong,
}

impl ProjectName {
    /// Reads a name as a person or a tool writes it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text)?;
        // The installers' own rule decides; `check` only finds better words.
        let normalized = PackageName::from_str(text).map_err(|_| NameError::Character)?;
        let written: Arc<str> = Arc::from(text);
        let normalized = if normalized.as_str() == text {
            Arc::clone(&written)
        } else {
            Arc::from(normalized.as_str())
        };
        Ok(Self {
            written,
            normalized,
        })
    }

    /// The name as it was given.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The name as PEP 503 normalizes it: lower case, single hyphens.
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// Whether the name was written in its normalized form.
    pub fn is_normalized(&self) -> bool {
        self.written == self.normalized
    }
}

/// Normalizes any text as devpi does: every run of characters other than
/// ASCII letters and digits becomes one hyphen, letters become lower case.
///
/// For legal names this is exactly PEP 503. For other texts (file names in
/// the prefix test, path segments of old clients) it is still defined and
/// never fails.
pub fn normalize(text: &str) -> String {
    let mut normalized = String::with_capacity(text.len());
    let mut in_run = false;
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            normalized.push(character.to_ascii_lowercase());
            in_run = false;
        } else if !in_run {
            normalized.push('-');
            in_run = true;
        }
    }
    normalized
}

fn check(text: &str) -> Result<(), NameError> {
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return Err(NameError::Missing);
    };
    if text.bytes().any(|byte| b"<>%#\"/\\".contains(&byte)) {
        return Err(NameError::UrlSafety);
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !text.bytes().all(legal) {
        return Err(NameError::Character);
    }
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::Start);
    }
    if !last.is_ascii_alphanumeric() {
        return Err(NameError::End);
    }
    if text.len() > MAX_NAME_LENGTH {
        return Err(NameError::TooLong);
    }
    Ok(())
}

impl FromStr for ProjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for ProjectName {
    /// Writes the name as it was given.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

impl fmt::Debug for ProjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ProjectName({:?})", self.written)
    }
}

impl PartialEq for ProjectName {
    fn eq(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }
}

impl Eq for ProjectName {}

impl PartialOrd for ProjectName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProjectName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.normalized.cmp(&other.normalized)
    }
}

impl Hash for ProjectName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalized.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn legal_names_keep_both_spellings() {
        for (written, normalized) in [
            ("flask", "flask"),
            ("Flask", "flask"),
            ("zope.interface", "zope-interface"),
            ("My__Package.-x", "my-package-x"),
            ("a", "a"),
            ("0", "0"),
            ("A-B_C.d", "a-b-c-d"),
        ] {
            let name = ProjectName::parse(written).unwrap();
            assert_eq!(name.written(), written);
            assert_eq!(name.normalized(), normalized);
            assert_eq!(name.is_normalized(), written == normalized);
            assert_eq!(normalize(written), normalized, "{written}");
        }
    }

    #[test]
    fn illegal_names_are_refused_with_the_words_of_devpi() {
        let long = "a".repeat(MAX_NAME_LENGTH + 1);
        for (text, error) in [
            ("", NameError::Missing),
            ("a/b", NameError::UrlSafety),
            ("../etc", NameError::UrlSafety),
            ("a\\b", NameError::UrlSafety),
            ("a%2fb", NameError::UrlSafety),
            ("a<b", NameError::UrlSafety),
            ("a\"b", NameError::UrlSafety),
            ("a#b", NameError::UrlSafety),
            ("a b", NameError::Character),
            ("a\0b", NameError::Character),
            ("a\n", NameError::Character),
            ("über", NameError::Character),
            ("ａ", NameError::Character),
            ("a+b", NameError::Character),
            ("-a", NameError::Start),
            (".", NameError::Start),
            ("..", NameError::Start),
            ("_a", NameError::Start),
            ("a-", NameError::End),
            ("a.", NameError::End),
            (long.as_str(), NameError::TooLong),
        ] {
            assert_eq!(ProjectName::parse(text).unwrap_err(), error, "{text:?}");
        }
        assert_eq!(
            NameError::Character.to_string(),
            "Invalid package name. Names must contain only ASCII letters, digits, underscores, \
             hyphens, and periods"
        );
        assert_eq!(
            NameError::Missing.to_string(),
            r#"Missing required field "name""#
        );
    }

    #[test]
    fn the_longest_name_is_accepted() {
        assert!(ProjectName::parse(&"a".repeat(MAX_NAME_LENGTH)).is_ok());
    }

    #[test]
    fn names_compare_by_their_normalized_spelling() {
        let parse = |text| ProjectName::parse(text).unwrap();
        let set: HashSet<_> = ["Flask", "flask", "FLASK"].into_iter().map(parse).collect();
        assert_eq!(set.len(), 1);
        assert!(parse("A.b") < parse("a-C"));
    }

    #[test]
    fn any_text_normalizes_to_something() {
        for (text, expected) in [
            ("", ""),
            ("--", "-"),
            ("Ünï code", "-n-code"),
            ("a  b//c", "a-b-c"),
        ] {
            assert_eq!(normalize(text), expected);
        }
    }
}
