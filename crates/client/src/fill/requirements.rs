//! Files of requirements as pip reads them, as far as filling an index needs them: lines put
//! together, nested files read, options kept. Markers, hashes and addresses are left to pip.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cheeseshop_packaging::{ProjectName, Requirement, Version};

use super::lines::{logical_lines, option, quoted};

/// How deep files may include each other.
const DEEPEST_NESTING: usize = 32;

/// All that some files of requirements say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requirements {
    /// Options of pip's, one a line, as they go in front of every list that pip is given.
    pub(crate) options: Vec<String>,
    /// What is required, in the files' order.
    pub(crate) lines: Vec<Line>,
}

/// One requirement.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The whole line, as pip is given it.
    pub(crate) text: String,
    /// Its file and number.
    pub(crate) place: String,
    /// What is required by name; `None` for an address or a path, which only pip can read.
    pub(crate) named: Option<Named>,
}

/// A requirement by name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// The project.
    pub(crate) project: ProjectName,
    /// Versions and marker, as written, without extras.
    pub(crate) versions: String,
    /// Options of this line alone: hashes, settings of the build.
    pub(crate) options: String,
    /// The one version that will do, whatever the surroundings.
    pin: Option<Version>,
    requirement: Requirement,
}

/// Why files of requirements cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequirementsError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file includes itself, by way of others perhaps.
    #[error("{place}: {} includes itself, or too many files include each other", path.display())]
    Loop {
        /// Where it is included.
        place: String,
        /// The file.
        path: PathBuf,
    },
    /// A file that is included is not one of this machine.
    #[error("{place}: a file of requirements at an address is not fetched; download it first")]
    Remote {
        /// Where it is included.
        place: String,
    },
    /// A line among those that have to be names.
    #[error("{place}: only names of projects with versions can be here")]
    NoName {
        /// The line's place.
        place: String,
    },
}

impl Requirements {
    /// Reads a file and those that it includes. `read` gives a file's text.
    ///
    /// # Errors
    /// [`RequirementsError`]
    pub(crate) fn read(
        &mut self,
        path: &Path,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<(), RequirementsError> {
        self.read_nested(path, read, &mut Vec::new())
    }

    fn read_nested(
        &mut self,
        path: &Path,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
        around: &mut Vec<PathBuf>,
    ) -> Result<(), RequirementsError> {
        let text = read(path).map_err(|error| RequirementsError::File {
            path: path.to_owned(),
            error,
        })?;
        around.push(path.to_owned());
        let folder = path.parent().unwrap_or(Path::new(""));
        for (number, line) in logical_lines(&text) {
            let place = format!("{}:{number}", path.display());
            if !line.starts_with('-') {
                self.lines.push(Line::read(line, place));
                continue;
            }
            let (option, value) = option(&line);
            match option.as_str() {
                "-r" | "--requirement" => {
                    if value.contains("://") {
                        return Err(RequirementsError::Remote { place });
                    }
                    let path = folder.join(&value);
                    if around.contains(&path) || around.len() > DEEPEST_NESTING {
                        return Err(RequirementsError::Loop { place, path });
                    }
                    self.read_nested(&path, read, around)?;
                }
                "-c" | "--constraint" => self.constrain(folder, &value),
                "-e" | "--editable" => self.lines.push(Line {
                    text: value,
                    place,
                    named: None,
                }),
                // Beside the file, when there is such a folder: so pip says.
                "-f" | "--find-links" if folder.join(&value).exists() => {
                    let value = folder.join(&value);
                    self.options
                        .push(format!("--find-links {}", quoted(&value.to_string_lossy())));
                }
                _ => self.options.push(line),
            }
        }
        around.pop();
        Ok(())
    }

    /// Takes up a file of constraints.
    pub(crate) fn constrain(&mut self, folder: &Path, path: &str) {
        let path = if path.contains("://") {
            path.to_owned()
        } else {
            folder.join(path).to_string_lossy().into_owned()
        };
        self.options.push(format!("--constraint {}", quoted(&path)));
    }

    /// The requirements as a list of names with versions, for those who compare with them.
    ///
    /// # Errors
    /// [`RequirementsError::NoName`] for an address or a path.
    pub(crate) fn names(self) -> Result<Vec<Requirement>, RequirementsError> {
        let requirement = |line: Line| match line.named {
            Some(named) => Ok(named.requirement),
            None => Err(RequirementsError::NoName { place: line.place }),
        };
        self.lines.into_iter().map(requirement).collect()
    }

    /// Whether pip compares digests: then it wants every dependency listed.
    pub(crate) fn has_hashes(&self) -> bool {
        let of_line = |line: &Line| line.text.contains("--hash");
        self.lines.iter().any(of_line) || self.options.iter().any(|it| it == "--require-hashes")
    }

    /// The lines that name one version, whatever the surroundings, and the others.
    pub(crate) fn pinned_and_others(&self) -> (Vec<&Line>, Vec<&Line>) {
        self.lines.iter().partition(|line| line.pin().is_some())
    }
}

/// Lines in groups that can be resolved together: one version of a project in each. All but the
/// further versions are in the first one.
pub(crate) fn rounds<'a>(lines: &[&'a Line]) -> Vec<Vec<&'a Line>> {
    let mut seen: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    let mut rounds: Vec<Vec<&Line>> = vec![Vec::new()];
    for line in lines {
        let round = line.pin().map_or(0, |(project, pin)| {
            let known = seen.entry(project.normalized()).or_default();
            known
                .iter()
                .position(|version| version.is_equivalent(pin))
                .unwrap_or_else(|| {
                    known.push(pin);
                    known.len() - 1
                })
        });
        if rounds.len() <= round {
            rounds.resize(round + 1, Vec::new());
        }
        rounds[round].push(line);
    }
    rounds.retain(|round| !round.is_empty());
    rounds
}

impl Line {
    fn read(text: String, place: String) -> Self {
        Self {
            named: Named::read(&text),
            text,
            place,
        }
    }

    /// What is required, as people are told of it: without digests and passwords.
    pub(crate) fn shown(&self) -> String {
        match &self.named {
            Some(named) => format!("{}{}", named.project.written(), named.versions),
            None => self
                .text
                .split_whitespace()
                .map(crate::tool_config::without_password)
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    /// The project and its one version that will do, whatever the surroundings.
    pub(crate) fn pin(&self) -> Option<(&ProjectName, &Version)> {
        let named = self.named.as_ref()?;
        Some((&named.project, named.pin.as_ref()?))
    }

    /// What others have to agree with, if anything.
    pub(crate) fn constraint(&self) -> Option<String> {
        let named = self.named.as_ref()?;
        let is_open = named.versions.is_empty() || named.versions.starts_with(';');
        (!is_open).then(|| format!("{} {}", named.project.written(), named.versions))
    }
}

impl Named {
    /// Whether a version will do.
    pub(crate) fn admits(&self, version: &Version) -> bool {
        self.requirement.admits(version)
    }

    fn read(text: &str) -> Option<Self> {
        let (text, options) = match text
            .match_indices([' ', '\t'])
            .find(|(position, _)| text[position + 1..].starts_with('-'))
        {
            Some((position, _)) => (text[..position].trim(), text[position + 1..].trim()),
            None => (text.trim(), ""),
        };
        let requirement = Requirement::parse(text).ok()?;
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let (name, rest) = text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len()));
        let rest = rest.trim_start();
        let versions = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']')?.1.trim_start(),
            None => rest,
        };
        // An address, or the file of a distribution that lies beside.
        let is_file = [".whl", ".zip", ".gz", ".tgz", ".bz2"]
            .iter()
            .any(|suffix| name.to_ascii_lowercase().ends_with(suffix));
        if versions.starts_with('@') || is_file {
            return None;
        }
        Some(Self {
            project: requirement.project().clone(),
            pin: pin(versions),
            versions: versions.to_owned(),
            options: options.to_owned(),
            requirement,
        })
    }
}

/// The one version that `==` names.
fn pin(versions: &str) -> Option<Version> {
    let text = versions
        .strip_prefix("===")
        .or_else(|| versions.strip_prefix("=="))?
        .trim();
    // With a marker it is one version in some surroundings, which pip knows and we do not.
    let is_one = !text.contains([',', ';', '*']);
    is_one.then(|| Version::parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Requirements, RequirementsError> {
        let files: BTreeMap<PathBuf, String> = files
            .iter()
            .map(|(name, text)| (Path::new("/w").join(name), (*text).to_owned()))
            .collect();
        let mut requirements = Requirements::default();
        requirements.read(Path::new("/w/main.txt"), &|path| {
            files
                .get(path)
                .cloned()
                .ok_or_else(|| std::io::ErrorKind::NotFound.into())
        })?;
        Ok(requirements)
    }

    fn of(text: &str) -> Requirements {
        read(&[("main.txt", text)]).unwrap()
    }

    fn texts(requirements: &Requirements) -> Vec<&str> {
        let lines = requirements.lines.iter();
        lines.map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_are_read_as_pip_reads_them() {
        for (text, expected) in [
            ("", &[] as &[&str]),
            ("# only\n\n  # talk\n", &[]),
            ("a==1 # why\nb", &["a==1", "b"]),
            (
                "a @ http://x.test/a.zip#egg=a",
                &["a @ http://x.test/a.zip#egg=a"],
            ),
            (
                "a==1 \\\n  --hash=sha256:00 \\\n  --hash=sha256:11\nb",
                &["a==1   --hash=sha256:00   --hash=sha256:11", "b"],
            ),
            ("a==1 \\\n# why\nb", &["a==1", "b"]),
            ("a \\", &["a"]),
            ("\u{feff}a\r\nb\r\n", &["a", "b"]),
            ("-e ./here", &["./here"]),
        ] {
            assert_eq!(texts(&of(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn files_include_files_beside_themselves() {
        let requirements = read(&[
            (
                "main.txt",
                "a\n-r sub/more.txt\n-c limits.txt\n--requirement='my more.txt'\nz",
            ),
            (
                "sub/more.txt",
                "b\n-rmost.txt\n--constraint http://x.test/c.txt",
            ),
            ("sub/most.txt", "c\n--pre\n-i http://x.test/simple"),
            ("my more.txt", "d"),
        ])
        .unwrap();
        assert_eq!(texts(&requirements), ["a", "b", "c", "d", "z"]);
        assert_eq!(requirements.lines[2].place, "/w/sub/most.txt:1");
        assert_eq!(
            requirements.options,
            [
                "--pre",
                "-i http://x.test/simple",
                "--constraint 'http://x.test/c.txt'",
                "--constraint '/w/limits.txt'",
            ]
        );
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        for (files, expected) in [
            (
                &[("main.txt", "-r a.txt"), ("a.txt", "-r ./main.txt")] as &[(&str, &str)],
                "includes itself",
            ),
            (&[("main.txt", "-r none.txt")], "/w/none.txt: "),
            (
                &[("main.txt", "x\n-r http://x.test/r.txt")],
                "/w/main.txt:2: a file of",
            ),
        ] {
            let error = read(files).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = of("a\n./here").names().unwrap_err().to_string();
        assert!(error.starts_with("/w/main.txt:2: "), "{error}");
    }

    #[test]
    fn names_are_told_from_addresses_and_paths() {
        for (text, project, versions, options) in [
            ("Foo.Bar", "foo-bar", "", ""),
            (
                "a[x, y] >=1,<2 ; os_name=='nt'",
                "a",
                ">=1,<2 ; os_name=='nt'",
                "",
            ),
            ("a==1 --hash=sha256:0", "a", "==1", "--hash=sha256:0"),
            ("a-b", "a-b", "", ""),
        ] {
            let requirements = of(text);
            let named = requirements.lines[0].named.as_ref().unwrap();
            assert_eq!(named.project.normalized(), project, "{text}");
            assert_eq!(named.versions, versions, "{text}");
            assert_eq!(named.options, options, "{text}");
        }
        for text in [
            "./a",
            "a/b",
            "/a/b.whl",
            "a-1.0-py3-none-any.whl",
            "a-1.0.tar.gz",
            "a @ http://x.test/a.whl",
            "git+https://x.test/a.git@main",
            "http://x.test/a.zip",
        ] {
            assert!(of(text).lines[0].named.is_none(), "{text}");
        }
    }

    #[test]
    fn versions_of_one_project_are_resolved_apart() {
        let requirements =
            of("a==1\nb\nA==2\nc==1;os_name=='nt'\nc==2;os_name!='nt'\na==1.0\na==3\nb==1\nb==2");
        let lines: Vec<&Line> = requirements.lines.iter().collect();
        let rounds: Vec<Vec<&str>> = rounds(&lines)
            .iter()
            .map(|round| round.iter().map(|line| line.text.as_str()).collect())
            .collect();
        assert_eq!(
            rounds,
            [
                vec![
                    "a==1",
                    "b",
                    "c==1;os_name=='nt'",
                    "c==2;os_name!='nt'",
                    "a==1.0",
                    "b==1"
                ],
                vec!["A==2", "b==2"],
                vec!["a==3"],
            ]
        );
        assert!(super::rounds(&[]).is_empty());
        let (pinned, others) = requirements.pinned_and_others();
        assert_eq!((pinned.len(), others.len()), (6, 3));
    }

    #[test]
    fn what_is_told_of_a_line_is_no_secret() {
        for (text, shown) in [
            ("a==1 --hash=sha256:0", "a==1"),
            (
                "a @ git+https://me:pw@x.test/a",
                "a @ git+https://me:****@x.test/a",
            ),
        ] {
            assert_eq!(of(text).lines[0].shown(), shown);
        }
    }

    #[test]
    fn others_agree_with_versions_only() {
        for (text, constraint) in [
            ("a", None),
            ("a;os_name=='nt'", None),
            ("a[x]<2", Some("a <2")),
            ("a==1 --hash=sha256:0", Some("a ==1")),
            ("./a", None),
        ] {
            assert_eq!(
                of(text).lines[0].constraint().as_deref(),
                constraint,
                "{text}"
            );
        }
    }
}
