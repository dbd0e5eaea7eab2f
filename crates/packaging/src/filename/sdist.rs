//! Names of sdists, eggs, installers and system packages.
//!
//! They have no grammar; the rules here are the ones by which devpi reads
//! them, so that migrated data falls into the same releases.

use super::{suffix, wheel};
use crate::version::{MAX_VERSION_LENGTH, Pep440Version};

/// What built distributions put behind the version, before the suffix.
const PLATFORM_MARKS: [&str; 5] = [".macosx-", ".linux-", ".win32", ".win-", ".win_"];

/// Splits a name into project and version without knowing either: the
/// shortest project that leaves a PEP 440 version, else one that leaves
/// something with a leading digit, else split at the last hyphen.
pub(super) fn guess(name: &str) -> Option<(&str, &str)> {
    let stem = stem(name);
    let splits = || {
        stem.match_indices('-')
            .map(|(position, _)| (&stem[..position], &stem[position + 1..]))
            .filter(|(project, version)| !project.is_empty() && !version.is_empty())
    };
    let is_version = |text: &str| text.len() <= MAX_VERSION_LENGTH && is_pep440(text);
    splits()
        .find(|(_, version)| is_version(version))
        .or_else(|| splits().find(|(_, version)| version.as_bytes()[0].is_ascii_digit()))
        .or_else(|| splits().next_back())
}

/// Finds the version behind the name of a known project.
pub(super) fn version_for<'a>(name: &'a str, normalized_project: &str) -> Option<&'a str> {
    let stem = stem(name);
    stem.match_indices('-')
        .map(|(position, _)| (&stem[..position], &stem[position + 1..]))
        .find(|(project, _)| wheel::is_spelling_of(project, normalized_project))
        .map(|(_, version)| version)
        .filter(|version| !version.is_empty())
}

/// The Python version that an egg or installer says it is for.
pub(super) fn egg_python(name: &str) -> Option<&str> {
    let stem = suffix::strip_any(name);
    let start = egg_tag_start(stem)? + "-py".len();
    stem[start..].split('-').next()
}

/// The name without suffix, platform and Python tags.
fn stem(name: &str) -> &str {
    let stem = suffix::strip_any(name);
    if suffix::ends_with(name, ".rpm") {
        // NAME-VERSION-RELEASE.ARCHITECTURE.rpm
        return stem.rsplit_once('-').map_or(stem, |(start, _)| start);
    }
    let is_built = [".egg", ".exe", ".msi", ".dmg"]
        .iter()
        .any(|built| suffix::ends_with(name, built));
    let end = PLATFORM_MARKS
        .iter()
        .filter_map(|mark| stem.find(mark))
        // Only built files carry Python tags; an sdist of a project named
        // `foo-py3` must keep its name.
        .chain(egg_tag_start(stem).filter(|_| is_built))
        .min()
        .unwrap_or(stem.len());
    &stem[..end]
}

/// Where `-py3.11…` or `-cp311…` starts.
fn egg_tag_start(stem: &str) -> Option<usize> {
    stem.match_indices('-')
        .map(|(position, _)| position)
        .find(|position| {
            let tag = &stem.as_bytes()[position + 1..];
            matches!(tag, [b'p', b'y', digit, ..] | [b'c', b'p', digit, ..] if digit.is_ascii_digit())
        })
}

fn is_pep440(text: &str) -> bool {
    text.parse::<Pep440Version>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_before_the_version() {
        for (name, project, version) in [
            ("flask-3.0.tar.gz", "flask", "3.0"),
            ("Flask-SQLAlchemy-3.0.0.tar.gz", "Flask-SQLAlchemy", "3.0.0"),
            ("my_pkg-1.0a1.zip", "my_pkg", "1.0a1"),
            ("pkg-2-1.0.tgz", "pkg-2", "1.0"),
            ("a-1-1.tar.gz", "a", "1-1"),
            ("pkg-1.0-alpha-3.tar.gz", "pkg", "1.0-alpha-3"),
            ("pkg-1.0+local-x.tar.bz2", "pkg", "1.0+local-x"),
            ("pkg-1.0-odd_one.tar.gz", "pkg", "1.0-odd_one"),
            ("pkg-final.tar.gz", "pkg", "final"),
            ("foo-py3-1.0.tar.gz", "foo-py3", "1.0"),
            ("pkg-1.0.win32-py2.7.exe", "pkg", "1.0"),
            ("pkg-1.0.win-amd64.exe", "pkg", "1.0"),
            ("pkg-1.0-py2.7.egg", "pkg", "1.0"),
            ("pkg-1.0-py3.6-linux-x86_64.egg", "pkg", "1.0"),
            ("pkg-1.0.linux-x86_64.tar.gz", "pkg", "1.0"),
            ("pkg-1.0.macosx-10.9-x86_64.tar.gz", "pkg", "1.0"),
            ("pkg-1.0-1.noarch.rpm", "pkg", "1.0"),
            ("pkg-1.0.doc.zip", "pkg", "1.0"),
            ("PKG-1.0.TAR.GZ", "PKG", "1.0"),
        ] {
            assert_eq!(guess(name), Some((project, version)), "{name}");
        }
    }

    #[test]
    fn names_without_a_version_are_not_split() {
        for name in ["", "pkg.tar.gz", "-1.0.tar.gz", "pkg-.tar.gz", "-", "--"] {
            assert_eq!(guess(name), None, "{name}");
        }
    }

    #[test]
    fn a_known_project_settles_where_the_version_starts() {
        for (name, project, version) in [
            ("pkg-2-1.0.tar.gz", "pkg-2", Some("1.0")),
            ("pkg-2-1.0.tar.gz", "pkg", Some("2-1.0")),
            ("zope.interface-5.tar.gz", "zope-interface", Some("5")),
            ("Zope_Interface-5.zip", "zope-interface", Some("5")),
            ("other-1.0.tar.gz", "pkg", None),
            ("pkg.tar.gz", "pkg", None),
            ("pkg-.tar.gz", "pkg", None),
            ("pkg-1.0-py3.8.egg", "pkg", Some("1.0")),
        ] {
            assert_eq!(version_for(name, project), version, "{name}");
        }
    }

    #[test]
    fn eggs_and_installers_name_their_python() {
        for (name, python) in [
            ("pkg-1.0-py2.7.egg", Some("2.7")),
            ("pkg-1.0-py3.6-linux-x86_64.egg", Some("3.6")),
            ("pkg-1.0.win32-py2.7.exe", Some("2.7")),
            ("pkg-1.0.win32.exe", None),
            ("pkg", None),
        ] {
            assert_eq!(egg_python(name), python, "{name}");
        }
    }
}
