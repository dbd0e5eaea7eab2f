//! Wheel file names (PEP 427): split as installers do where the name is
//! regular, as devpi does where old tools wrote hyphens into the project.

use super::suffix;

/// The parts of a wheel's name that an index needs, as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WheelParts<'a> {
    pub(super) project: &'a str,
    pub(super) version: &'a str,
    pub(super) python: &'a str,
}

/// Splits a wheel's name. The project ends at the first hyphen with a digit
/// behind it and at least three tags behind that; where no part starts with a
/// digit, at the first hyphen.
pub(super) fn split(name: &str) -> Option<WheelParts<'_>> {
    let stem = suffix::strip(name, ".whl")?;
    let dashes = || stem.match_indices('-').map(|(position, _)| position);
    let count = dashes().count();
    if count < 4 {
        return None;
    }
    let starts_with_digit = |position: usize| {
        let next = stem.as_bytes().get(position + 1);
        next.is_some_and(u8::is_ascii_digit)
    };
    let project_end = dashes()
        .take(count - 3)
        .find(|position| starts_with_digit(*position))
        .or_else(|| dashes().next())?;
    let version_end = dashes().find(|position| *position > project_end)?;
    let python_start = dashes().nth(count - 3)?;
    let python_end = dashes().nth(count - 2)?;
    let parts = WheelParts {
        project: &stem[..project_end],
        version: &stem[project_end + 1..version_end],
        python: &stem[python_start + 1..python_end],
    };
    (!parts.project.is_empty() && !parts.version.is_empty()).then_some(parts)
}

/// Escapes a version as wheel names do: every run of characters outside
/// letters, digits, `_` and `.` becomes one underscore.
pub(super) fn escape(version: &str) -> String {
    let mut escaped = String::with_capacity(version.len());
    let mut in_run = false;
    for character in version.chars() {
        let kept = character.is_alphanumeric() || matches!(character, '_' | '.');
        if kept {
            escaped.push(character);
        } else if !in_run {
            escaped.push('_');
        }
        in_run = !kept;
    }
    escaped
}

/// Whether a name, however it is spelled, normalizes to the given one.
pub(super) fn is_spelling_of(name: &str, normalized: &str) -> bool {
    let mut expected = normalized.bytes();
    let mut in_run = false;
    for byte in name.bytes() {
        let next = if byte.is_ascii_alphanumeric() {
            in_run = false;
            byte.to_ascii_lowercase()
        } else if in_run {
            continue;
        } else {
            in_run = true;
            b'-'
        };
        if expected.next() != Some(next) {
            return false;
        }
    }
    expected.next().is_none()
}

/// devpi's spelling of a wheel's Python tag: the version of the first tag,
/// except that a wheel for Python 2 and 3 counts as one for 2.7.
pub(super) fn devpi_pyversion(tag: &str) -> String {
    if tag == "py2.py3" {
        return "2.7".into();
    }
    let first = tag.split('.').next().unwrap_or_default();
    let digits = first.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.split_at_checked(1) {
        Some((major, "")) if is_number => major.into(),
        Some((major, minor)) if is_number => format!("{major}.{minor}"),
        _ => tag.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use uv_distribution_filename::WheelFilename;

    use super::*;

    #[test]
    fn regular_names_are_split_as_installers_split_them() {
        for (name, project, version, python) in [
            ("flask-3.0-py3-none-any.whl", "flask", "3.0", "py3"),
            (
                "zope.interface-5.0-1-cp311-cp311-manylinux_2_17_x86_64.whl",
                "zope.interface",
                "5.0",
                "cp311",
            ),
            (
                "my_pkg-1.0+local.1-py2.py3-none-any.whl",
                "my_pkg",
                "1.0+local.1",
                "py2.py3",
            ),
            (
                "torch-1!2.0.0-12_cuda-cp39-abi3-win_amd64.whl",
                "torch",
                "1!2.0.0",
                "cp39",
            ),
            ("a-v1.0-py3-none-any.whl", "a", "v1.0", "py3"),
        ] {
            let parts = split(name).unwrap();
            assert_eq!(
                (parts.project, parts.version, parts.python),
                (project, version, python)
            );
            let judge = WheelFilename::from_str(name).unwrap();
            let ours = crate::ProjectName::parse(parts.project).unwrap();
            assert_eq!(ours.normalized(), judge.name.as_str());
            assert_eq!(
                crate::Version::parse(parts.version).unwrap().pep440(),
                Some(&judge.version)
            );
        }
    }

    #[test]
    fn irregular_names_are_split_as_devpi_splits_them() {
        for (name, project, version, python) in [
            ("my-pkg-1.0-py3-none-any.whl", "my-pkg", "1.0", "py3"),
            ("my-pkg-1.0-2-py3-none-any.whl", "my-pkg", "1.0", "py3"),
            ("a-final-py3-none-any.whl", "a", "final", "py3"),
            ("a-1.0-py3-none-any.WHL", "a", "1.0", "py3"),
        ] {
            let parts = split(name).unwrap();
            assert_eq!(
                (parts.project, parts.version, parts.python),
                (project, version, python)
            );
        }
    }

    #[test]
    fn what_is_no_wheel_name_is_not_split() {
        for name in [
            "",
            ".whl",
            "a.whl",
            "a-1.0.whl",
            "a-1.0-py3-none.whl",
            "-1.0-py3-none-any.whl",
            "a--py3-none-any.whl",
            "a-1.0-py3-none-any.zip",
        ] {
            assert_eq!(split(name), None, "{name}");
        }
    }

    #[test]
    fn versions_are_escaped_run_by_run() {
        for (version, escaped) in [
            ("1.0", "1.0"),
            ("1.0-1", "1.0_1"),
            ("1.0+a-b", "1.0_a_b"),
            ("1.0 - 2", "1.0_2"),
            ("1!2", "1_2"),
            ("1_0", "1_0"),
        ] {
            assert_eq!(escape(version), escaped);
        }
    }

    #[test]
    fn spellings_are_compared_without_normalizing_first() {
        for (name, normalized, same) in [
            ("Flask", "flask", true),
            ("zope.interface", "zope-interface", true),
            ("a__.b", "a-b", true),
            ("flask", "flask-x", false),
            ("flask-x", "flask", false),
            ("flask-", "flask", false),
            ("", "", true),
        ] {
            assert_eq!(is_spelling_of(name, normalized), same, "{name}");
        }
    }

    #[test]
    fn python_tags_become_versions_as_devpi_sends_them() {
        for (tag, version) in [
            ("py3", "3"),
            ("py2", "2"),
            ("py2.py3", "2.7"),
            ("cp311", "3.11"),
            ("cp27", "2.7"),
            ("cp38.cp39", "3.8"),
            ("pp310", "3.10"),
            ("any", "any"),
            ("", ""),
            ("é1", "é1"),
        ] {
            assert_eq!(devpi_pyversion(tag), version);
        }
    }
}
