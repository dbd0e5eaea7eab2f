//! Which releases of an index go. Nothing here asks a server; the command `clean` does.

use cheeseshop_packaging::version::Pep440Version;
use cheeseshop_packaging::{ProjectName, Requirement, Version};
use jiff::Timestamp;
use regex_lite::Regex;

/// A release that an index itself has.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// The version.
    pub(crate) version: Version,
    /// How many files it has.
    pub(crate) files: usize,
    /// When the last of its files came; `None`: the index does not say.
    pub(crate) uploaded: Option<Timestamp>,
}

/// What is to go. Every rule that is given has to agree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// Any of these.
    pub(crate) requirements: Vec<Requirement>,
    /// What is found in the project's name.
    pub(crate) projects: Option<Regex>,
    /// What is found in the version.
    pub(crate) versions: Option<Regex>,
    /// Development versions only.
    pub(crate) is_dev_only: bool,
    /// What came before this.
    pub(crate) before: Option<Timestamp>,
    /// So many of the newest that the rules above mean stay, however old they are.
    pub(crate) keep_last: Option<usize>,
}

impl Rules {
    /// Whether they leave anything at all.
    pub(crate) fn is_everything(&self) -> bool {
        self.requirements.is_empty()
            && self.projects.is_none()
            && self.versions.is_none()
            && !self.is_dev_only
            && self.before.is_none()
            && self.keep_last.is_none()
    }

    /// Whether a project may have something that goes.
    pub(crate) fn mean_project(&self, project: &ProjectName) -> bool {
        let is_required = self.requirements.is_empty()
            || self
                .requirements
                .iter()
                .any(|requirement| requirement.project() == project);
        let is_named = self
            .projects
            .as_ref()
            .is_none_or(|regex| regex.is_match(project.normalized()));
        is_required && is_named
    }

    /// The releases of a project that go, newest first.
    pub(crate) fn doomed(&self, project: &ProjectName, mut releases: Vec<Held>) -> Vec<Held> {
        if !self.mean_project(project) {
            return Vec::new();
        }
        releases.retain(|release| self.mean_version(project, &release.version));
        releases.sort_by(|one, other| other.version.cmp(&one.version));
        releases
            .into_iter()
            .skip(self.keep_last.unwrap_or(0))
            .filter(|release| match self.before {
                // What nobody knows the age of is not old.
                Some(before) => release.uploaded.is_some_and(|uploaded| uploaded < before),
                None => true,
            })
            .collect()
    }

    fn mean_version(&self, project: &ProjectName, version: &Version) -> bool {
        let is_required = self.requirements.is_empty()
            || self
                .requirements
                .iter()
                .any(|requirement| requirement.project() == project && requirement.admits(version));
        let is_named = self
            .versions
            .as_ref()
            .is_none_or(|regex| regex.is_match(version.as_str()));
        let is_dev = || version.pep440().is_some_and(Pep440Version::is_dev);
        is_required && is_named && (!self.is_dev_only || is_dev())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The day of January 2026 on which each version came; 0: nobody knows.
    const RELEASES: &[(&str, i8)] = &[
        ("1.0", 1),
        ("1.1.dev1", 2),
        ("1.1.dev2", 3),
        ("1.1rc1", 4),
        ("1.1", 5),
        ("1.10.dev3+local", 6),
        ("1.9", 7),
        ("2.0", 0),
        ("final", 9),
    ];

    fn doomed(rules: &Rules) -> Vec<&'static str> {
        let project = ProjectName::parse("Foo.Bar").unwrap();
        let releases = RELEASES
            .iter()
            .map(|(version, day)| Held {
                version: Version::parse(version).unwrap(),
                files: 1,
                uploaded: (*day > 0).then(|| january(*day)),
            })
            .collect();
        let doomed = rules.doomed(&project, releases);
        doomed
            .iter()
            .map(|held| {
                let text = held.version.as_str();
                RELEASES.iter().find(|(known, _)| *known == text).unwrap().0
            })
            .collect()
    }

    fn january(day: i8) -> Timestamp {
        format!("2026-01-{day:02}T12:00:00Z").parse().unwrap()
    }

    fn regex(text: &str) -> Regex {
        Regex::new(text).unwrap()
    }

    fn required(texts: &[&str]) -> Vec<Requirement> {
        let parse = |text: &&str| Requirement::parse(text).unwrap();
        texts.iter().map(parse).collect()
    }

    #[test]
    fn what_goes_is_what_every_rule_means() {
        let none = Rules::default;
        let all = [
            "2.0",
            "1.10.dev3+local",
            "1.9",
            "1.1",
            "1.1rc1",
            "1.1.dev2",
            "1.1.dev1",
            "1.0",
            "final",
        ];
        for (rules, expected) in [
            (none(), &all as &[&str]),
            (
                Rules {
                    requirements: required(&["foo-bar<1.1", "Foo.Bar==2.0", "other"]),
                    ..none()
                },
                &["2.0", "1.0"],
            ),
            (
                Rules {
                    requirements: required(&["foo"]),
                    ..none()
                },
                &[],
            ),
            (
                Rules {
                    projects: Some(regex("^foo-b")),
                    keep_last: Some(8),
                    ..none()
                },
                &["final"],
            ),
            (
                Rules {
                    projects: Some(regex("^bar")),
                    ..none()
                },
                &[],
            ),
            (
                Rules {
                    versions: Some(regex(r"^\d\.0$")),
                    ..none()
                },
                &["2.0", "1.0"],
            ),
            (
                Rules {
                    is_dev_only: true,
                    ..none()
                },
                &["1.10.dev3+local", "1.1.dev2", "1.1.dev1"],
            ),
            // The newest are those of the kind that is meant.
            (
                Rules {
                    is_dev_only: true,
                    keep_last: Some(1),
                    ..none()
                },
                &["1.1.dev2", "1.1.dev1"],
            ),
            (
                Rules {
                    is_dev_only: true,
                    versions: Some(regex(r"\+")),
                    ..none()
                },
                &["1.10.dev3+local"],
            ),
            (
                Rules {
                    before: Some(january(3)),
                    ..none()
                },
                &["1.1.dev1", "1.0"],
            ),
            // Old, but among the newest; and new, but not among them.
            (
                Rules {
                    before: Some(january(6)),
                    keep_last: Some(5),
                    ..none()
                },
                &["1.1.dev2", "1.1.dev1", "1.0"],
            ),
            (
                Rules {
                    keep_last: Some(100),
                    ..none()
                },
                &[],
            ),
            (
                Rules {
                    keep_last: Some(0),
                    versions: Some(regex("rc")),
                    ..none()
                },
                &["1.1rc1"],
            ),
        ] {
            assert_eq!(doomed(&rules), expected, "{rules:?}");
        }
    }

    #[test]
    fn no_rule_is_everything() {
        assert!(Rules::default().is_everything());
        for rules in [
            Rules {
                requirements: required(&["a"]),
                ..Rules::default()
            },
            Rules {
                projects: Some(regex("a")),
                ..Rules::default()
            },
            Rules {
                versions: Some(regex("a")),
                ..Rules::default()
            },
            Rules {
                is_dev_only: true,
                ..Rules::default()
            },
            Rules {
                before: Some(january(1)),
                ..Rules::default()
            },
            Rules {
                keep_last: Some(0),
                ..Rules::default()
            },
        ] {
            assert!(!rules.is_everything(), "{rules:?}");
        }
    }
}
