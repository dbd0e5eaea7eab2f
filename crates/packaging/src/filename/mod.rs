//! What a distribution file name says: kind, project, version, tags.
//!
//! [`FileName::parse`] asks only whether a name is safe to keep and to serve.
//! What it means is asked afterwards, because mirrors list files that follow
//! no rule.

mod sdist;
mod suffix;
mod wheel;

use std::fmt;
use std::sync::Arc;

use crate::name::{ProjectName, normalize};
use crate::version::Version;

/// The longest file name accepted, in bytes: what file systems take.
pub const MAX_FILE_NAME_LENGTH: usize = 255;

/// A file name without any path: safe as a URL segment and on disk.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(Arc<str>);

/// What sort of file a name announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// `.whl`
    Wheel,
    /// `.tar.gz`, `.zip`, `.tgz`, `.tar.bz2`, `.bz2`
    Sdist,
    /// Eggs, installers, system packages and whatever else.
    Other,
}

/// Why a file name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// The name is empty, too long, hidden, or contains a path separator or
    /// a control character. The name itself is not repeated.
    #[error("the file name is not usable: {0}")]
    Unsafe(&'static str),
    /// devpi's text for a suffix that is not a distribution's.
    #[error("'{0}' is not a valid archive name")]
    Suffix(String),
}

impl FileName {
    /// Takes a base name. Checks only that it is safe.
    pub fn parse(text: &str) -> Result<Self, FileNameError> {
        match fault(text) {
            None => Ok(Self(Arc::from(text))),
            Some(fault) => Err(FileNameError::Unsafe(fault)),
        }
    }

    /// Whether an upload may have this suffix (devpi's list).
    pub fn check_upload_suffix(&self) -> Result<(), FileNameError> {
        if suffix::is_uploadable(&self.0) {
            Ok(())
        } else {
            Err(FileNameError::Suffix(self.0.to_string()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What sort of file the suffix announces.
    pub fn kind(&self) -> FileKind {
        suffix::kind(&self.0)
    }

    /// Whether the name ends in a suffix, whatever the case.
    pub(crate) fn has_suffix(&self, suffix: &str) -> bool {
        suffix::ends_with(&self.0, suffix)
    }

    /// Whether the name may belong to a project. A prefix test only, as in
    /// devpi: project `my` accepts `mypkg-1.0.tar.gz`.
    pub fn matches_project(&self, project: &ProjectName) -> bool {
        normalize(&self.0).starts_with(project.normalized())
    }

    /// Whether a version occurs in the name, verbatim or with every run of
    /// characters outside letters, digits, `_` and `.` replaced by `_` (the
    /// rule of devpi, which is how wheels escape).
    pub fn contains_version(&self, version: &str) -> bool {
        self.0.contains(version) || self.0.contains(&wheel::escape(version))
    }

    /// Reads project and version out of the name alone. Sdist names are
    /// ambiguous; the shortest project name that leaves a version wins.
    pub fn guess(&self) -> Option<(ProjectName, Version)> {
        let (project, version) = match self.kind() {
            FileKind::Wheel => {
                let parts = wheel::split(&self.0)?;
                (parts.project, parts.version)
            }
            FileKind::Sdist | FileKind::Other => sdist::guess(&self.0)?,
        };
        let project = ProjectName::parse(project).ok()?;
        Some((project, readable_version(version)?))
    }

    /// Reads the version out of the name of a file of a known project.
    /// `None` when the name does not start with the project's.
    pub fn version_for(&self, project: &ProjectName) -> Option<Version> {
        readable_version(version_text_for(&self.0, project.normalized())?)
    }

    /// The name under which the core metadata is served (PEP 658).
    pub fn core_metadata_name(&self) -> String {
        format!("{}.metadata", self.0)
    }

    /// The file type of the legacy upload form and of JSON documents:
    /// `bdist_wheel`, `sdist`, `bdist_egg`, …
    pub fn packagetype(&self) -> &'static str {
        suffix::packagetype(&self.0)
    }

    /// The Python tag as upload tools send it (`pyversion`): the tag of a
    /// wheel (`py3`, `cp311`, `py2.py3`), `source` for sdists, the Python
    /// version of an egg or installer, else `any`.
    pub fn python_tag(&self) -> String {
        match self.kind() {
            FileKind::Wheel => {
                wheel::split(&self.0).map_or_else(|| "any".into(), |parts| parts.python.into())
            }
            FileKind::Sdist => "source".into(),
            FileKind::Other => sdist::egg_python(&self.0).unwrap_or("any").into(),
        }
    }

    /// [`Self::python_tag`] as devpi spells it when it pushes to another
    /// server: `3` for `py3`, `2.7` for `py2.py3`, `3.11` for `cp311`.
    pub fn devpi_pyversion(&self) -> String {
        match self.kind() {
            FileKind::Wheel => wheel::devpi_pyversion(&self.python_tag()),
            FileKind::Sdist | FileKind::Other => self.python_tag(),
        }
    }

    /// The media type under which devpi serves such a file.
    pub fn content_type(&self) -> &'static str {
        suffix::content_type(&self.0)
    }
}

/// What makes a text unusable as a file name, if anything.
pub(crate) fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > MAX_FILE_NAME_LENGTH {
        Some("it is longer than 255 bytes")
    } else if text.starts_with('.') {
        Some("it starts with a dot")
    } else if text.contains(['/', '\\']) {
        Some("it contains a path separator")
    } else if text.contains(char::is_control) {
        Some("it contains a control character")
    } else {
        None
    }
}

/// Whether a name ends like a distribution file.
pub(crate) fn is_distribution(name: &str) -> bool {
    suffix::is_uploadable(name)
}

/// Finds the version in the name of a file whose project is known, without
/// allocating: pages have thousands of them.
pub(crate) fn version_text_for<'a>(name: &'a str, normalized_project: &str) -> Option<&'a str> {
    match suffix::kind(name) {
        FileKind::Wheel => {
            let parts = wheel::split(name)?;
            wheel::is_spelling_of(parts.project, normalized_project).then_some(parts.version)
        }
        FileKind::Sdist | FileKind::Other => sdist::version_for(name, normalized_project),
    }
}

/// Reads the version out of `PROJECT-VERSION`, as folders in archives are
/// named, for a known project.
pub(crate) fn folder_version(stem: &str, normalized_project: &str) -> Option<Version> {
    // Archives take longer names than disks; each hyphen costs a look at all before it.
    if stem.len() > MAX_FILE_NAME_LENGTH {
        return None;
    }
    stem.match_indices('-')
        .map(|(position, _)| (&stem[..position], &stem[position + 1..]))
        .find(|(project, _)| wheel::is_spelling_of(project, normalized_project))
        .and_then(|(_, version)| readable_version(version))
}

/// Makes a version of the text found in a file name. Names escape a hyphen
/// as an underscore, which is undone where only that gives a version.
pub(crate) fn readable_version(text: &str) -> Option<Version> {
    let version = Version::parse(text).ok()?;
    if version.pep440().is_none()
        && text.contains('_')
        && let Ok(unescaped) = Version::parse(&text.replace('_', "-"))
        && unescaped.pep440().is_some()
    {
        return Some(unescaped);
    }
    Some(version)
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FileName({:?})", self.0)
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> FileName {
        FileName::parse(name).unwrap()
    }

    fn project(name: &str) -> ProjectName {
        ProjectName::parse(name).unwrap()
    }

    /// With a look at what stands before each hyphen this takes minutes.
    #[test]
    fn a_folder_longer_than_disks_take_is_read_for_no_version() {
        let stem = format!("a{}1.0", "-".repeat(60_000));
        for _ in 0..100 {
            assert_eq!(folder_version(&stem, "a-b"), None);
        }
        assert_eq!(folder_version("a_b-1.0", "a-b").unwrap().as_str(), "1.0");
    }

    #[test]
    fn only_plain_base_names_are_safe() {
        for name in [
            "a-1.0.tar.gz",
            "flask-3.0+local-py3-none-any.whl",
            "odd name.zip",
            "ünï-1.0.zip",
            "a%2fb.zip",
            &"a".repeat(255),
        ] {
            assert_eq!(file(name).as_str(), name);
        }
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "../a.zip",
            "a/b.zip",
            "a\\b.zip",
            "/etc/passwd",
            "a\0.zip",
            "a\n.zip",
            "a\u{7f}.zip",
            "a\u{9b}.zip",
            &"a".repeat(256),
        ] {
            assert!(
                matches!(FileName::parse(name), Err(FileNameError::Unsafe(_))),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_wrong_suffix_is_refused_in_the_words_of_devpi() {
        let error = file("x.tar.xz").check_upload_suffix().unwrap_err();
        assert_eq!(error.to_string(), "'x.tar.xz' is not a valid archive name");
        assert!(file("x-1.0.tar.bz2").check_upload_suffix().is_ok());
    }

    #[test]
    fn the_project_test_is_a_prefix_test() {
        for (name, of, expected) in [
            ("mypkg-1.0.tar.gz", "my", true),
            ("My_Pkg-1.0.tar.gz", "my-pkg", true),
            ("my.pkg-1.0.tar.gz", "My_Pkg", true),
            ("other-1.0.tar.gz", "my", false),
        ] {
            assert_eq!(file(name).matches_project(&project(of)), expected, "{name}");
        }
    }

    #[test]
    fn versions_are_found_verbatim_or_escaped() {
        for (name, version, expected) in [
            ("a-1.0.tar.gz", "1.0", true),
            ("a-1.0.tar.gz", "1.0.0", false),
            ("a-1.0_1-py3-none-any.whl", "1.0-1", true),
            ("a-1.0_x-py3-none-any.whl", "1.0+x", true),
            ("a-11.0.tar.gz", "1.0", true),
        ] {
            assert_eq!(file(name).contains_version(version), expected, "{name}");
        }
    }

    #[test]
    fn project_and_version_are_guessed() {
        for (name, expected) in [
            ("Flask-3.0-py3-none-any.whl", Some(("flask", "3.0"))),
            ("my_pkg-1.0.tar.gz", Some(("my-pkg", "1.0"))),
            ("a-1.0_1-py3-none-any.whl", Some(("a", "1.0-1"))),
            ("a-odd_one.tar.gz", Some(("a", "odd_one"))),
            ("ü-1.0.tar.gz", None),
            ("README", None),
            ("a.whl", None),
        ] {
            let guess = file(name).guess();
            let found = guess
                .as_ref()
                .map(|(project, version)| (project.normalized(), version.as_str()));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn the_version_of_a_known_projects_file_is_found() {
        for (name, of, expected) in [
            ("my_pkg-1.0.tar.gz", "my-pkg", Some("1.0")),
            ("My.Pkg-1.0-py3-none-any.whl", "my-pkg", Some("1.0")),
            ("my-2-1.0.tar.gz", "my-2", Some("1.0")),
            ("other-1.0.tar.gz", "my", None),
            ("mypkg-1.0-py3-none-any.whl", "my", None),
        ] {
            let version = file(name).version_for(&project(of));
            assert_eq!(version.as_ref().map(Version::as_str), expected, "{name}");
        }
    }

    #[test]
    fn forms_get_types_and_tags() {
        for (name, packagetype, tag, devpi) in [
            ("a-1-py3-none-any.whl", "bdist_wheel", "py3", "3"),
            ("a-1-py2.py3-none-any.whl", "bdist_wheel", "py2.py3", "2.7"),
            ("a-1-cp311-abi3-any.whl", "bdist_wheel", "cp311", "3.11"),
            ("a.whl", "bdist_wheel", "any", "any"),
            ("a-1.tar.gz", "sdist", "source", "source"),
            ("a-1-py2.7.egg", "bdist_egg", "2.7", "2.7"),
            ("a-1.deb", "bdist_dumb", "any", "any"),
        ] {
            let file = file(name);
            assert_eq!(file.packagetype(), packagetype);
            assert_eq!(file.python_tag(), tag);
            assert_eq!(file.devpi_pyversion(), devpi);
        }
        assert_eq!(file("a-1.whl").core_metadata_name(), "a-1.whl.metadata");
    }
}
