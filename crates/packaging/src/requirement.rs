//! Requirements (PEP 508), as far as an index needs them: which project, and
//! which of its versions will do.
//!
//! Extras, direct addresses and markers are for whoever installs; here they
//! are only read past. A reader of our own and not `uv-pep508`, which brings
//! file locks, redaction and a terminal with it.

use std::str::FromStr;

use uv_pep440::VersionSpecifiers;

use crate::name::ProjectName;
use crate::shown::shown;
use crate::version::Version;

/// The longest requirement, in bytes.
pub const MAX_REQUIREMENT_LENGTH: usize = 2_000;

/// A project and the versions of it that will do.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    project: ProjectName,
    /// Empty: all of them.
    versions: VersionSpecifiers,
}

/// Why a text is no requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequirementError {
    /// It does not begin with the name of a project.
    #[error("`{}` does not begin with the name of a project", shown(.0))]
    Name(String),
    /// What follows the name is neither extras, versions, an address nor a
    /// marker, or is not closed.
    #[error("`{}` has `{}` where versions, `;` or the end were expected", shown(.text), shown(.found))]
    Unexpected {
        /// The requirement.
        text: String,
        /// What was found.
        found: String,
    },
    /// The versions cannot be read.
    #[error("`{}`: {}", shown(.text), shown(.reason))]
    Versions {
        /// The requirement.
        text: String,
        /// What is wrong with them.
        reason: String,
    },
    /// More than [`MAX_REQUIREMENT_LENGTH`] bytes.
    #[error("a requirement is longer than {MAX_REQUIREMENT_LENGTH} bytes")]
    TooLong,
}

impl Requirement {
    /// Reads a requirement such as `flask>=2,<4`, `a[b]~=1.0 ; python_version > "3"`
    /// or `a @ https://h.example/a.whl` (which leaves the versions open).
    ///
    /// # Errors
    /// [`RequirementError`], in one line.
    pub fn parse(text: &str) -> Result<Self, RequirementError> {
        if text.len() > MAX_REQUIREMENT_LENGTH {
            return Err(RequirementError::TooLong);
        }
        let trimmed = text.trim();
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let (name, rest) =
            trimmed.split_at(trimmed.find(|c| !is_of_name(c)).unwrap_or(trimmed.len()));
        let project =
            ProjectName::parse(name).map_err(|_| RequirementError::Name(trimmed.to_owned()))?;
        let unexpected = |found: &str| RequirementError::Unexpected {
            text: trimmed.to_owned(),
            found: found.to_owned(),
        };
        let rest = after_extras(rest.trim_start()).ok_or_else(|| unexpected(rest))?;
        if let Some(address) = rest.strip_prefix('@') {
            if !is_address(address) {
                return Err(unexpected(rest));
            }
            return Ok(Self {
                project,
                versions: VersionSpecifiers::empty(),
            });
        }
        let (versions, marker) = match rest.split_once(';') {
            Some((versions, marker)) => (versions, Some(marker)),
            None => (rest, None),
        };
        if marker.is_some_and(|marker| marker.trim().is_empty()) {
            return Err(unexpected(rest));
        }
        let versions = without_parentheses(versions.trim()).ok_or_else(|| unexpected(rest))?;
        if !versions.is_empty() && !versions.starts_with(['<', '>', '=', '!', '~']) {
            return Err(unexpected(versions));
        }
        let versions = VersionSpecifiers::from_str(versions).map_err(|error| {
            // The lines behind the first one draw an arrow below the text.
            let reason = error.to_string();
            RequirementError::Versions {
                text: trimmed.to_owned(),
                reason: reason.lines().next().unwrap_or_default().to_owned(),
            }
        })?;
        Ok(Self { project, versions })
    }

    /// The project.
    pub fn project(&self) -> &ProjectName {
        &self.project
    }

    /// Whether the version will do. Pre-releases are versions like others.
    /// What PEP 440 cannot compare only will where every version does.
    pub fn admits(&self, version: &Version) -> bool {
        self.is_open()
            || version
                .pep440()
                .is_some_and(|version| self.versions.contains(version))
    }

    /// Whether every version will do.
    pub fn is_open(&self) -> bool {
        self.versions.is_empty()
    }
}

/// What follows `[extra, extra]`, if those are well formed or not there.
fn after_extras(rest: &str) -> Option<&str> {
    let Some(inside) = rest.strip_prefix('[') else {
        return Some(rest);
    };
    let (extras, rest) = inside.split_once(']')?;
    let is_well_formed = extras.trim().is_empty()
        || extras
            .split(',')
            .all(|extra| ProjectName::parse(extra.trim()).is_ok());
    is_well_formed.then_some(rest.trim_start())
}

/// Whether an address follows, perhaps with a marker; a blank parts the two.
fn is_address(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words
        .next()
        .is_some_and(|address| !address.starts_with(';'))
        && words.next().is_none_or(|marker| marker.starts_with(';'))
}

/// Old requirements have their versions in parentheses.
fn without_parentheses(versions: &str) -> Option<&str> {
    match versions.strip_prefix('(') {
        Some(inside) => inside.strip_suffix(')').map(str::trim),
        None => Some(versions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(requirement: &str, version: &str) -> bool {
        Requirement::parse(requirement)
            .unwrap()
            .admits(&Version::parse(version).unwrap())
    }

    #[test]
    fn every_part_of_a_requirement_is_read() {
        for (text, project, open) in [
            ("flask", "flask", true),
            ("  Flask.Ext  ", "flask-ext", true),
            ("a<2", "a", false),
            ("a < 2 , >=1", "a", false),
            ("a (>=1)", "a", false),
            ("a()", "a", true),
            ("a[b]>1", "a", false),
            ("a [b, c-d] ~= 1.0", "a", false),
            ("a[]", "a", true),
            ("a ; python_version < '3'", "a", true),
            ("a<2;os_name=='nt'", "a", false),
            ("a @ https://h.example/a.whl", "a", true),
            ("a@https://h.example/a.whl ; os_name=='nt'", "a", true),
            ("a==1.*", "a", false),
            ("a===1.0", "a", false),
        ] {
            let requirement = Requirement::parse(text).unwrap();
            assert_eq!(requirement.project().normalized(), project, "{text}");
            assert_eq!(requirement.is_open(), open, "{text}");
        }
    }

    #[test]
    fn what_is_no_requirement_is_refused_in_one_line() {
        for (text, expected) in [
            ("", "`` does not begin with the name of a project"),
            ("!!", "`!!` does not begin with the name of a project"),
            ("-e x", "`-e x` does not begin with the name of a project"),
            (
                "a, b",
                "`a, b` has `, b` where versions, `;` or the end were expected",
            ),
            (
                "a b",
                "`a b` has `b` where versions, `;` or the end were expected",
            ),
            (
                "a[b",
                "`a[b` has `[b` where versions, `;` or the end were expected",
            ),
            (
                "a[b c]",
                "`a[b c]` has `[b c]` where versions, `;` or the end were expected",
            ),
            (
                "a (>1",
                "`a (>1` has `(>1` where versions, `;` or the end were expected",
            ),
            (
                "a ;",
                "`a ;` has `;` where versions, `;` or the end were expected",
            ),
            (
                "a @",
                "`a @` has `@` where versions, `;` or the end were expected",
            ),
            (
                "a @ x y",
                "`a @ x y` has `@ x y` where versions, `;` or the end were expected",
            ),
        ] {
            assert_eq!(Requirement::parse(text).unwrap_err().to_string(), expected);
        }
        for text in [
            "a>=x",
            "a<",
            "a<2 # comment",
            "a<1,b<2",
            "a>>2",
            "a=1",
            "a~=1",
        ] {
            let error = Requirement::parse(text).unwrap_err();
            assert!(
                matches!(error, RequirementError::Versions { .. }),
                "{text}: {error}"
            );
            assert!(!error.to_string().contains('\n'), "{text}: {error}");
        }
        let long = format!("a=={}", "1".repeat(MAX_REQUIREMENT_LENGTH));
        assert_eq!(Requirement::parse(&long), Err(RequirementError::TooLong));
    }

    #[test]
    fn versions_are_compared_as_pep_440_says() {
        for (requirement, version, expected) in [
            ("a<2", "1.9", true),
            ("a<2", "2", false),
            // A candidate of 2 is not below 2 for those who want below 2.
            ("a<2", "2.0rc1", false),
            ("a<2.1", "2.0rc1", true),
            ("a<3", "2.1rc1", true),
            ("a>2", "2.1rc1", true),
            ("a>=2", "2.0rc1", false),
            ("a==1.0", "1.0.0", true),
            ("a==1.0", "1.0+local", true),
            ("a==1.*", "1.7", true),
            ("a~=1.4", "2.0", false),
            ("a>=1,!=1.5", "1.5", false),
            ("a===1.0", "1.0", true),
            ("a", "final", true),
            ("a>=0", "final", false),
        ] {
            assert_eq!(
                admits(requirement, version),
                expected,
                "{requirement} {version}"
            );
        }
    }
}
