//! Whether an upload form and the file that came with it agree.

use super::{CoreMetadata, MetadataError};
use crate::name::normalize;
use crate::upload::UploadForm;
use crate::version::Version;

/// Checks that form and file name the same project and version and the same
/// licence expression.
///
/// Installers resolve with the file's metadata while people and policies read
/// the form's, so they must not differ in what they are about. Names are
/// compared normalized, versions as PEP 440 does. Licence expressions are
/// compared only when both give one: tools older than metadata 2.4 drop it.
pub fn check_consistent(form: &UploadForm, metadata: &CoreMetadata) -> Result<(), MetadataError> {
    let mismatch = |field, form: &str, file: &str| MetadataError::Mismatch {
        field,
        form: form.to_owned(),
        file: file.to_owned(),
    };
    if normalize(form.name()) != normalize(&metadata.name) {
        return Err(mismatch("name", form.name(), &metadata.name));
    }
    let same_version = match (
        Version::parse(form.version()),
        Version::parse(&metadata.version),
    ) {
        (Ok(form), Ok(file)) => form.is_equivalent(&file),
        _ => false,
    };
    if !same_version {
        return Err(mismatch("version", form.version(), &metadata.version));
    }
    let sent = form.get("license_expression").unwrap_or_default().trim();
    if let Some(found) = &metadata.license_expression
        && !sent.is_empty()
        && sent != found
    {
        return Err(mismatch("license_expression", sent, found));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: [&str; 3], file: [&str; 3]) -> Result<(), MetadataError> {
        let mut sent = UploadForm::new();
        for (field, value) in ["name", "version", "license_expression"].iter().zip(form) {
            sent.push(field, value).unwrap();
        }
        let metadata = CoreMetadata {
            name: file[0].into(),
            version: file[1].into(),
            license_expression: Some(file[2].to_owned()).filter(|text| !text.is_empty()),
            ..CoreMetadata::default()
        };
        check_consistent(&sent, &metadata)
    }

    #[test]
    fn spellings_may_differ() {
        for (form, file) in [
            (["a", "1.0", ""], ["a", "1.0", ""]),
            (["My.Pkg", "1.0", ""], ["my_pkg", "1.0.0", ""]),
            (["a", "1.0-1", ""], ["a", "1.0.post1", ""]),
            (["a", "odd", ""], ["a", "odd", ""]),
            (["a", "1", "MIT"], ["a", "1", "MIT"]),
            (["a", "1", "MIT"], ["a", "1", ""]),
            (["a", "1", ""], ["a", "1", "MIT"]),
        ] {
            assert_eq!(check(form, file), Ok(()));
        }
    }

    #[test]
    fn what_is_uploaded_may_not_be_something_else() {
        for (form, file, expected) in [
            (["a", "1.0", ""], ["b", "1.0", ""], "name"),
            (["a", "1.0", ""], ["a", "1.1", ""], "version"),
            (["a", "1.0", ""], ["a", "1.0+local", ""], "version"),
            (["a", "", ""], ["a", "1", ""], "version"),
            (["", "1", ""], ["a", "1", ""], "name"),
            (
                ["a", "1", "MIT"],
                ["a", "1", "GPL-3.0-only"],
                "license_expression",
            ),
        ] {
            match check(form, file) {
                Err(MetadataError::Mismatch { field, .. }) => assert_eq!(field, expected),
                other => panic!("{form:?} {file:?}: {other:?}"),
            }
        }
    }
}
