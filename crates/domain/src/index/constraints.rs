//! What a constrained index lets through of what it inherits.
//!
//! The index that is asked filters, and only for itself: an index that has it as a base sees everything.

use std::collections::HashMap;

use cheeseshop_packaging::{Requirement, Version};
use serde_json::Value;

use super::error::ConfigError;
use crate::name::printable;

/// How many lines the constraints of an index may have.
const MAX_CONSTRAINTS: usize = 10_000;

/// Requirements that the versions of projects have to meet.
///
/// A project without a requirement is not restricted, unless one line is `*`: then it is not there at all.
#[derive(Debug, Clone, Default)]
pub struct Constraints {
    lines: Vec<String>,
    /// By normalized name; more than one where a name was written in several ways.
    requirements: HashMap<String, Vec<Requirement>>,
    is_closed: bool,
}

impl Constraints {
    /// The line that stands for "and nothing else".
    pub(super) const NOTHING_ELSE: &str = "*";

    /// Reads the setting: a list of lines, or a text of them. Blank lines and those that begin with `#` are dropped.
    pub(super) fn parse(value: &Value) -> Result<Self, ConfigError> {
        match value {
            Value::String(text) => Self::of_lines(text.lines()),
            Value::Array(items) => {
                let lines: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                Self::of_lines(lines.ok_or(ConfigError::NotList("constraints"))?)
            }
            _ => Err(ConfigError::NotList("constraints")),
        }
    }

    fn of_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let mut constraints = Self::default();
        let mut written = std::collections::HashSet::new();
        for line in lines {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if constraints.lines.len() == MAX_CONSTRAINTS {
                return Err(ConfigError::TooManyEntries {
                    key: "constraints",
                    limit: MAX_CONSTRAINTS,
                });
            }
            if line == Self::NOTHING_ELSE {
                constraints.is_closed = true;
            } else {
                let requirement = Requirement::parse(line)
                    .map_err(|error| ConfigError::BadConstraint(error.to_string()))?;
                let project = requirement.project();
                // devpi compares names as they are written. What it took must be taken here too, be it only that an
                // import brings it; both lines then count.
                if !written.insert(project.written().to_owned()) {
                    return Err(ConfigError::DuplicateConstraint(printable(
                        project.written(),
                    )));
                }
                constraints
                    .requirements
                    .entry(project.normalized().to_owned())
                    .or_default()
                    .push(requirement);
            }
            constraints.lines.push(line.to_owned());
        }
        Ok(constraints)
    }

    /// The lines as they were written, without blank ones and comments.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether projects without a line are hidden.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether anything of the project, given by its normalized name, may be seen.
    pub fn admits_project(&self, project: &str) -> bool {
        !self.is_closed || self.requirements.contains_key(project)
    }

    /// Whether this version of the project, given by its normalized name, may be seen. A version that is unknown, or that
    /// PEP 440 cannot compare, may be seen where every version may.
    pub fn admits(&self, project: &str, version: Option<&Version>) -> bool {
        match self.requirements.get(project) {
            None => !self.is_closed,
            Some(requirements) => requirements.iter().all(|requirement| match version {
                Some(version) => requirement.admits(version),
                None => requirement.is_open(),
            }),
        }
    }
}

/// The lines say it all.
impl PartialEq for Constraints {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn constraints(lines: &[&str]) -> Constraints {
        Constraints::parse(&json!(lines)).unwrap()
    }

    #[test]
    fn lines_come_as_a_list_or_as_a_text() {
        let text = "a\nb<2\n\n# why\n  d>=1 ; python_version>\"3\"  ";
        let expected = ["a", "b<2", "d>=1 ; python_version>\"3\""];
        assert_eq!(Constraints::parse(&json!(text)).unwrap().lines(), expected);
        let listed = constraints(&["a", " b<2", "", "# why", "d>=1 ; python_version>\"3\""]);
        assert_eq!(listed.lines(), expected);
        assert!(!listed.is_closed());
        assert!(constraints(&["*", "*"]).is_closed());
        assert_eq!(constraints(&["*", "*"]).lines(), ["*", "*"]);
        assert_eq!(
            Constraints::parse(&json!("")).unwrap(),
            Constraints::default()
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (value, expected) in [
            (
                json!(["a", "a<2"]),
                "Error while parsing constrains: Constraint for 'a' already exists.",
            ),
            (
                json!("!!"),
                "Error while parsing constrains: `!!` does not begin with the name of a project",
            ),
            (json!(5), "'constraints' option must be a list of strings"),
            (
                json!(null),
                "'constraints' option must be a list of strings",
            ),
            (
                json!(["a", 1]),
                "'constraints' option must be a list of strings",
            ),
            (
                json!({"a": 1}),
                "'constraints' option must be a list of strings",
            ),
            (
                json!(vec!["*"; MAX_CONSTRAINTS + 1]),
                "'constraints' option has more than 10000 entries",
            ),
        ] {
            assert_eq!(
                Constraints::parse(&value).unwrap_err().to_string(),
                expected
            );
        }
    }

    /// The tables of what devpi's plugin shows, and where ours means more than it.
    #[test]
    fn projects_and_versions_are_admitted_or_not() {
        for (lines, project, version, expected) in [
            (&[][..], "aa", "1.0", true),
            (&["aa<2"], "aa", "1.0", true),
            (&["aa<2"], "aa", "2.0", false),
            (&["aa<2"], "aa", "2.0rc1", false),
            (&["aa<3"], "aa", "2.1rc1", true),
            (&["aa<2"], "bb", "5", true),
            (&["aa<2", "*"], "bb", "5", false),
            (&["*"], "aa", "1.0", false),
            (&["aa", "*"], "aa", "final", true),
            (&["aa>0"], "aa", "final", false),
            (&["bb<2"], "aa", "final", true),
            (&["aa @ http://h.test/x"], "aa", "2.0", true),
            (&["aa[x]<2"], "aa", "2.0", false),
            (&["aa<2 ; python_version<'2'"], "aa", "2.0", false),
            // A name is a project's however it is written.
            (&["AA<2", "*"], "aa", "1.0", true),
            (&["A_b.c<2"], "a-b-c", "2.0", false),
            // Both lines count.
            (&["aa<2", "AA>1"], "aa", "1.5", true),
            (&["aa<2", "AA>1"], "aa", "1.0", false),
            (&["aa<2", "AA>1"], "aa", "3.0", false),
        ] {
            let constraints = constraints(lines);
            let parsed = Version::parse(version).unwrap();
            assert_eq!(
                constraints.admits(project, Some(&parsed)),
                expected,
                "{lines:?} {project} {version}"
            );
            if expected {
                assert!(constraints.admits_project(project), "{lines:?} {project}");
            }
        }
    }

    #[test]
    fn a_closed_index_has_the_projects_of_its_lines_only() {
        let closed = constraints(&["aa>9", "*"]);
        assert!(closed.admits_project("aa"), "although no version may do");
        assert!(!closed.admits_project("bb"));
        assert!(constraints(&["aa>9"]).admits_project("bb"));
    }

    #[test]
    fn a_file_without_a_version_needs_an_open_project() {
        assert!(constraints(&["aa"]).admits("aa", None));
        assert!(!constraints(&["aa>0"]).admits("aa", None));
        assert!(constraints(&["aa>0"]).admits("bb", None));
        assert!(!constraints(&["aa", "*"]).admits("bb", None));
    }
}
