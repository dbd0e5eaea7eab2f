//! What `devpi list` shows of a project, and in which words.

use std::collections::HashSet;

use cheeseshop_domain::{TestOutcome, TestPhase, TestReport};
use url::Url;

use crate::commands::Style;
use crate::commands::project::Spec;
use crate::projects::{Link, LinkKind, Project, Release};

/// Versions with files that are shown unless all are wanted.
const MOST_VERSIONS: usize = 3;

/// The releases of a project that are shown.
pub(super) struct Listed<'a> {
    /// Newest first.
    pub(super) releases: Vec<&'a Release>,
    /// How many more there are.
    pub(super) hidden: usize,
}

impl<'a> Listed<'a> {
    /// As devpi-client counts: what is shadowed counts too, and a version that is shown is shown whole.
    pub(super) fn of(project: &'a Project, spec: &Spec, all: bool) -> Self {
        let mut count = 0;
        let mut releases = Vec::new();
        for release in &project.releases {
            if !spec.requirement.admits(&release.version) {
                continue;
            }
            if count >= MOST_VERSIONS && !all {
                count += 1;
                continue;
            }
            count += with_shadowed(release)
                .filter(|(release, _)| release.links(LinkKind::File).next().is_some())
                .count();
            releases.push(release);
        }
        let hidden = if all {
            0
        } else {
            count.saturating_sub(MOST_VERSIONS)
        };
        Self { releases, hidden }
    }
}

/// A release and those that it hides, with whether they are hidden.
pub(super) fn with_shadowed(release: &Release) -> impl Iterator<Item = (&Release, bool)> {
    std::iter::once((release, false)).chain(release.shadowed.iter().map(|hidden| (hidden, true)))
}

/// The files of a release, by name.
pub(super) fn files(release: &Release) -> Vec<&Link> {
    let mut files: Vec<_> = release.links(LinkKind::File).collect();
    files.sort_by(|one, two| one.base_name().cmp(two.base_name()));
    files
}

/// Whether a file lies on the index itself, which is to say not on a base of it.
pub(super) fn is_own(file: &Link, index: &Url) -> bool {
    file.url.as_str().starts_with(index.as_str())
}

/// The line of a file.
pub(super) fn file_line(
    release: &Release,
    file: &Link,
    is_shadowed: bool,
    index: &Url,
) -> (Style, String) {
    let style = match (is_shadowed, is_own(file, index)) {
        (true, _) => Style::Red,
        (false, true) => Style::Bold,
        (false, false) => Style::Plain,
    };
    let version = release.version.as_str();
    let line = if version.starts_with("egg=") {
        format!("{} ({version}) ", file.url)
    } else {
        file.url.to_string()
    };
    (style, line)
}

/// Which environments on which machines have been shown: of several runs the newest counts.
#[derive(Default)]
pub(super) struct Seen(HashSet<(String, String, String)>);

impl Seen {
    /// `false` when it was there.
    pub(super) fn add(&mut self, report: &TestReport, environment: &str) -> bool {
        self.0.insert((
            report.host.clone(),
            report.platform.clone(),
            environment.to_owned(),
        ))
    }
}

/// The lines of a report.
pub(super) fn report_lines(
    report: &TestReport,
    seen: &mut Seen,
    with_commands: bool,
) -> Vec<(Style, String)> {
    let mut lines = Vec::new();
    for environment in &report.environments {
        if !seen.add(report, &environment.name) {
            continue;
        }
        let mut prefix = format!(
            "{:<10} {:<7} {:<10}",
            report.host, report.platform, environment.name
        );
        let mut say = |style, prefix: &str, text: &str, phase: &TestPhase| {
            lines.push((style, format!("{prefix} {text}")));
            if with_commands && phase.outcome == TestOutcome::Failed {
                lines.extend(command_lines(phase));
            }
        };
        let setup = &environment.setup;
        if setup.commands.is_empty() {
            say(Style::Red, &prefix, "no setup was performed", setup);
        } else if environment.setup_failed() {
            say(Style::Red, &prefix, "setup failed", setup);
        }
        if let Some(version) = &environment.python_version {
            prefix = format!("{prefix} {version}");
        }
        let test = &environment.test;
        if test.commands.is_empty() {
            say(Style::Red, &prefix, "no tests were run", test);
        } else if environment.test_failed() {
            say(Style::Red, &prefix, "tests failed", test);
        } else {
            say(Style::Plain, &prefix, "tests passed", test);
        }
    }
    lines
}

/// The commands of a phase up to the one that failed, with what that one wrote.
fn command_lines(phase: &TestPhase) -> Vec<(Style, String)> {
    let mut lines = Vec::new();
    for command in &phase.commands {
        if !command.failed {
            lines.push((Style::Bold, format!("    OK:  {}", command.command)));
            continue;
        }
        lines.push((Style::Red, format!("    FAIL: {}", command.command)));
        let output = command.output.split('\n');
        lines.extend(output.map(|line| (Style::Red, format!("    {line}"))));
        break;
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn project(document: &Value) -> Project {
        let url = "http://shop.test/bob/dev/pkg/".parse().unwrap();
        Project::read(document, &url).unwrap()
    }

    fn release(files: &[&str]) -> Value {
        let links: Vec<_> = files
            .iter()
            .map(|name| json!({"rel": "releasefile", "href": format!("../+f/{name}")}))
            .collect();
        json!({"+links": links})
    }

    fn listed(project: &Project, spec: &str, all: bool) -> (Vec<String>, usize) {
        let listed = Listed::of(project, &Spec::parse(spec).unwrap(), all);
        let versions = listed.releases.iter();
        (
            versions
                .map(|release| release.version.to_string())
                .collect(),
            listed.hidden,
        )
    }

    #[test]
    fn three_versions_with_files_are_shown() {
        let project = project(&json!({
            "1": release(&["a"]), "2": release(&["a"]), "3": release(&["a", "b"]),
            "4": release(&[]), "5": release(&["a"]), "6": release(&["a"]),
        }));
        let versions = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            listed(&project, "pkg", false),
            (versions(&["6", "5", "4", "3"]), 2)
        );
        assert_eq!(
            listed(&project, "pkg<4", false),
            (versions(&["3", "2", "1"]), 0)
        );
        assert_eq!(listed(&project, "pkg", true).0.len(), 6);
        assert_eq!(listed(&project, "pkg==7", true), (vec![], 0));
    }

    #[test]
    fn files_say_by_their_style_where_they_lie() {
        let project = project(&json!({"1": {
            "+links": [
                {"rel": "releasefile", "href": "http://shop.test/bob/dev/+f/b.zip"},
                {"rel": "releasefile", "href": "http://shop.test/bob/dev2/+f/a.zip"},
            ],
            "+shadowing": [release(&["c.zip"])],
        }}));
        let index = "http://shop.test/bob/dev/".parse().unwrap();
        let release = &project.releases[0];
        let lines: Vec<_> = with_shadowed(release)
            .flat_map(|(release, is_shadowed)| {
                let lines = files(release).into_iter();
                lines.map(move |file| (release, file, is_shadowed))
            })
            .map(|(release, file, is_shadowed)| file_line(release, file, is_shadowed, &index))
            .collect();
        let expected = [
            (Style::Plain, "http://shop.test/bob/dev2/+f/a.zip"),
            (Style::Bold, "http://shop.test/bob/dev/+f/b.zip"),
            (Style::Red, "http://shop.test/bob/dev/+f/c.zip"),
        ];
        assert_eq!(
            lines,
            expected.map(|(style, line)| (style, line.to_owned()))
        );
    }

    #[test]
    fn reports_are_told_in_devpis_words() {
        let report = json!({"host": "box", "platform": "linux", "testenvs": {
            "py311": {"python": {"version": "3.11.7 (main)"},
                "setup": [{"command": ["pip"], "output": "", "retcode": 0}],
                "test": [{"command": ["pytest"], "output": "ok", "retcode": 0}]},
            "py312": {"python": {"version": "3.12.1"},
                "setup": [{"command": ["pip"], "output": "", "retcode": "0"}],
                "test": [{"command": ["one"], "output": "", "retcode": 0},
                    {"command": ["pytest", "-x"], "output": "line\nother", "retcode": 1},
                    {"command": ["three"], "output": "", "retcode": 1}]},
            "py39": {"setup": [{"command": ["pip"], "output": "no", "retcode": 1}]},
            "py38": {},
        }});
        let report = TestReport::parse(report.to_string().as_bytes()).unwrap();
        let mut seen = Seen::default();
        let lines = |seen: &mut Seen, with_commands| {
            let lines = report_lines(&report, seen, with_commands).into_iter();
            lines.map(|(_, line)| line).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(&mut seen, false),
            [
                "box        linux   py311      3.11.7 tests passed",
                "box        linux   py312      3.12.1 tests failed",
                "box        linux   py38       no setup was performed",
                "box        linux   py38       no tests were run",
                "box        linux   py39       setup failed",
                "box        linux   py39       no tests were run",
            ]
        );
        assert!(
            lines(&mut seen, false).is_empty(),
            "older ones of the same are left out"
        );
        let told = lines(&mut Seen::default(), true).join("\n");
        let commands = "3.12.1 tests failed\n    OK:  one\n    FAIL: pytest -x\n    line\n    other\n\
                        box        linux   py38 ";
        assert!(told.contains(commands), "{told}");
    }
}
