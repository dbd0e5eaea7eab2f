//! What a form must say, in devpi's order and with devpi's texts.

use cheeseshop_packaging::{FileName, ProjectName, UploadForm, Version};

use crate::Error;
use crate::users::invalid;

/// A project and version that can be registered.
#[derive(Clone, Debug)]
pub(super) struct CheckedRelease {
    pub(super) project: ProjectName,
    pub(super) version: Version,
}

/// A file whose name fits its release.
#[derive(Clone, Debug)]
pub(super) struct CheckedFile {
    pub(super) release: CheckedRelease,
    pub(super) name: FileName,
}

impl CheckedRelease {
    pub(super) fn of(form: &UploadForm) -> Result<Self, Error> {
        Self::read(form.name(), form.version())
    }

    pub(super) fn read(name: &str, version: &str) -> Result<Self, Error> {
        Ok(Self {
            project: ProjectName::parse(name).map_err(invalid_metadata)?,
            version: Version::parse(version).map_err(invalid_metadata)?,
        })
    }
}

impl CheckedFile {
    pub(super) fn of(form: &UploadForm, filename: &str) -> Result<Self, Error> {
        let name = FileName::parse(filename).map_err(invalid)?;
        let (project, version) = (form.name(), form.version());
        if !version.is_empty() && !name.contains_version(version) {
            return Err(Error::Invalid(format!(
                "filename '{name}' does not contain version '{}'",
                one_line(version)
            )));
        }
        name.check_upload_suffix().map_err(invalid)?;
        let release = CheckedRelease::read(project, version)?;
        if !name.matches_project(&release.project) {
            return Err(Error::Invalid(format!(
                "filename '{name}' does not match project name '{project}'"
            )));
        }
        Ok(Self { release, name })
    }
}

/// The refusal that clients know by the words "already exists".
pub(super) fn already_exists(name: &FileName) -> Error {
    Error::Conflict(format!("{name} already exists in non-volatile index"))
}

pub(super) fn invalid_metadata(error: impl std::fmt::Display) -> Error {
    Error::Invalid(format!("invalid metadata: {error}"))
}

/// Texts end in a reason phrase of HTTP.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, version: &str, filename: &str) -> String {
        let mut form = UploadForm::new();
        form.push("name", name).unwrap();
        form.push("version", version).unwrap();
        match CheckedFile::of(&form, filename) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn files_are_judged_by_their_names_with_the_words_of_devpi() {
        for (name, version, filename, expected) in [
            ("mypkg", "1.0", "mypkg-1.0.tar.gz", "accepted"),
            ("My.Pkg", "1.0", "my_pkg-1.0-py3-none-any.whl", "accepted"),
            ("my", "1.0", "mypkg-1.0.zip", "accepted"),
            ("mypkg", "1.0+local", "mypkg-1.0_local.tar.gz", "accepted"),
            (
                "mypkg",
                "2.0",
                "mypkg-1.0.tar.gz",
                "filename 'mypkg-1.0.tar.gz' does not contain version '2.0'",
            ),
            (
                "mypkg",
                "1.0",
                "mypkg-1.0.tar.xz",
                "'mypkg-1.0.tar.xz' is not a valid archive name",
            ),
            (
                "other",
                "1.0",
                "mypkg-1.0.tar.gz",
                "filename 'mypkg-1.0.tar.gz' does not match project name 'other'",
            ),
            (
                "",
                "1.0",
                "mypkg-1.0.tar.gz",
                "invalid metadata: Missing required field \"name\"",
            ),
            (
                "mypkg",
                "",
                "mypkg-1.0.tar.gz",
                "invalid metadata: Missing required field \"version\"",
            ),
            (
                "my pkg",
                "1.0",
                "mypkg-1.0.tar.gz",
                "invalid metadata: Invalid package name. Names must contain only ASCII letters, digits, underscores, hyphens, and periods",
            ),
            (
                "mypkg",
                "1.0",
                "../mypkg-1.0.tar.gz",
                "the file name is not usable: it starts with a dot",
            ),
            (
                "mypkg",
                "1.0",
                "x/mypkg-1.0.tar.gz",
                "the file name is not usable: it contains a path separator",
            ),
        ] {
            assert_eq!(
                refusal(name, version, filename),
                expected,
                "{name} {version} {filename}"
            );
        }
    }
}
