//! Release versions: the text as uploaded, and what PEP 440 makes of it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// A parsed PEP 440 version, as installers compare them.
pub use uv_pep440::Version as Pep440Version;

/// The longest version text accepted, in bytes.
pub const MAX_VERSION_LENGTH: usize = 200;

/// A version of a project, kept verbatim.
///
/// `1.0` and `1.0.0` are different releases (as in devpi), so equality and
/// hash follow the text. The order is: texts that PEP 440 does not know first
/// (by text), then PEP 440, ties by text.
#[derive(Clone)]
pub struct Version {
    text: Arc<str>,
    parsed: Option<Pep440Version>,
}

/// Why a text cannot be a version. The texts are devpi's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing was given.
    #[error("Missing required field \"version\"")]
    Missing,
    /// A character that could end, split or escape a URL segment, a control
    /// character, or a text that is a path step (`.`, `..`).
    #[error("Invalid package name or version (URL safety)")]
    UrlSafety,
    /// More than [`MAX_VERSION_LENGTH`] bytes.
    #[error("Invalid version. Versions must not be longer than {MAX_VERSION_LENGTH} characters")]
    TooLong,
}

impl Version {
    /// Takes a version text. It need not be a PEP 440 version.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Missing);
        }
        if text.len() > MAX_VERSION_LENGTH {
            return Err(VersionError::TooLong);
        }
        let unsafe_character = |c: char| "<>%#\"/\\".contains(c) || c.is_control();
        if text.contains(unsafe_character) || text == "." || text == ".." {
            return Err(VersionError::UrlSafety);
        }
        Ok(Self {
            text: Arc::from(text),
            parsed: Pep440Version::from_str(text).ok(),
        })
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What PEP 440 reads in it, if anything.
    pub fn pep440(&self) -> Option<&Pep440Version> {
        self.parsed.as_ref()
    }

    /// Whether PEP 440 calls it a pre-release (alpha, beta, candidate, dev).
    /// Texts that do not parse are not pre-releases.
    pub fn is_prerelease(&self) -> bool {
        self.parsed
            .as_ref()
            .is_some_and(Pep440Version::any_prerelease)
    }

    /// Whether both name the same version: equal for PEP 440 (`1.0` and
    /// `1.0.0`, `1.0-1` and `1.0.post1`), or the same text.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        match (&self.parsed, &other.parsed) {
            (Some(one), Some(two)) => one == two,
            _ => self.text == other.text,
        }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Version({:?})", self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // `None < Some`, which is what puts legacy versions first.
        self.parsed
            .cmp(&other.parsed)
            .then_with(|| self.text.cmp(&other.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_sort_legacy_first_then_by_pep_440() {
        let sorted = [
            "20-jan-2004-x",
            "final",
            "0.9",
            "1.0.dev1",
            "1.0a1",
            "1.0rc1",
            "1",
            "1.0",
            "1.0.0",
            "1.0+local.1",
            "1.0.post1",
            "1.2",
            "1.10",
            "1!0.1",
        ];
        let mut shuffled: Vec<Version> = sorted.iter().rev().map(|text| version(text)).collect();
        shuffled.sort();
        let texts: Vec<&str> = shuffled.iter().map(Version::as_str).collect();
        assert_eq!(texts, sorted);
    }

    #[test]
    fn equality_is_by_text_and_equivalence_by_pep_440() {
        assert_ne!(version("1.0"), version("1.0.0"));
        for (one, two, same) in [
            ("1.0", "1.0.0", true),
            ("1.0-1", "1.0.post1", true),
            ("v1.0", "1.0", true),
            ("1.0+a", "1.0", false),
            ("1.0a", "1.0a0", true),
            ("odd one", "odd one", true),
            ("odd one", "1.0", false),
        ] {
            assert_eq!(
                version(one).is_equivalent(&version(two)),
                same,
                "{one} {two}"
            );
        }
    }

    #[test]
    fn prereleases_are_recognized() {
        for (text, expected) in [
            ("1.0", false),
            ("1.0.post1", false),
            ("1.0a1", true),
            ("1.0.dev0", true),
            ("1.0rc1.post2", true),
            ("whatever", false),
        ] {
            assert_eq!(version(text).is_prerelease(), expected, "{text}");
        }
    }

    #[test]
    fn texts_that_would_break_urls_are_refused() {
        let long = "1".repeat(MAX_VERSION_LENGTH + 1);
        for (text, error) in [
            ("", VersionError::Missing),
            ("1/0", VersionError::UrlSafety),
            ("1\\0", VersionError::UrlSafety),
            ("..", VersionError::UrlSafety),
            (".", VersionError::UrlSafety),
            ("1<0", VersionError::UrlSafety),
            ("1>0", VersionError::UrlSafety),
            ("1%0", VersionError::UrlSafety),
            ("1#0", VersionError::UrlSafety),
            ("1\"0", VersionError::UrlSafety),
            ("1\n0", VersionError::UrlSafety),
            ("1\u{85}0", VersionError::UrlSafety),
            (long.as_str(), VersionError::TooLong),
        ] {
            assert_eq!(Version::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn texts_are_kept_verbatim() {
        for text in ["1.0-1", "V1.0", "1.0.0-BETA", "2004.05.06", "1_0", "ünï"] {
            assert_eq!(version(text).as_str(), text);
        }
    }
}
