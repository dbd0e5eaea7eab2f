//! The mirror whitelist of a hosted index.

use std::{collections::HashSet, fmt, str::FromStr};

use cheeseshop_packaging::name::normalize;

use super::error::ConfigError;
use crate::name::printable;

/// The projects that may come from a mirror although a hosted index holds one of that name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whitelist {
    entries: Vec<String>,
    names: HashSet<String>,
    everything: bool,
}

impl Whitelist {
    /// What stands for every project.
    pub const EVERYTHING: &str = "*";

    /// A whitelist of these projects; names are normalized, `*` stands for all.
    pub fn new(entries: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|entry| Self::normalize_entry(entry.as_ref()))
            .collect();
        Self {
            everything: entries.iter().any(|entry| entry == Self::EVERYTHING),
            names: entries.iter().cloned().collect(),
            entries,
        }
    }

    /// One entry as it is kept.
    pub(super) fn normalize_entry(entry: &str) -> String {
        if entry == Self::EVERYTHING {
            entry.to_owned()
        } else {
            normalize(entry)
        }
    }

    /// The entries in the order in which they were written.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Whether the project, given by its normalized name, is on it, or every project is.
    pub fn allows(&self, project: &str) -> bool {
        self.everything || self.names.contains(project)
    }
}

/// How the whitelists on the way to a mirror are combined. The queried index decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inheritance {
    /// A project must be on all of them; in effect, on that of the queried index.
    #[default]
    Intersection,
    /// A project must be on one of them.
    Union,
}

impl Inheritance {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intersection => "intersection",
            Self::Union => "union",
        }
    }
}

impl fmt::Display for Inheritance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Inheritance {
    type Err = ConfigError;

    /// Reads the word in any case.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.to_lowercase().as_str() {
            "intersection" => Ok(Self::Intersection),
            "union" => Ok(Self::Union),
            other => Err(ConfigError::UnknownInheritance(printable(other))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_normalized_and_the_star_is_kept() {
        let list = Whitelist::new(["Foo_Bar", "*", "a.b"]);
        assert_eq!(list.entries(), ["foo-bar", "*", "a-b"]);
        assert!(list.allows("anything"));
        let list = Whitelist::new(["Foo_Bar"]);
        assert!(list.allows("foo-bar"));
        assert!(!list.allows("other"));
        assert!(!list.allows("*"));
    }

    #[test]
    fn inheritance_is_one_of_two_words() {
        assert_eq!("UNION".parse(), Ok(Inheritance::Union));
        assert_eq!("Intersection".parse(), Ok(Inheritance::Intersection));
        assert_eq!(
            "X".parse::<Inheritance>().unwrap_err().to_string(),
            "Unknown value 'x' for mirror_whitelist_inheritance, must be 'intersection' or 'union'."
        );
    }
}
