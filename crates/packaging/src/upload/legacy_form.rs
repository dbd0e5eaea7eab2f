//! The text fields of the legacy upload form.

use serde_json::{Map, Value};

use crate::metadata::{Keys, fields_of, from_form};
use crate::shown::shown;

/// The most fields a form may have; lists send one field per value.
pub const MAX_FIELDS: usize = 10_000;

/// The longest field name, in bytes.
pub const MAX_FIELD_NAME_LENGTH: usize = 200;

/// The longest form, in bytes of names and values. The description and, with
/// attestations, the signatures are what takes room.
pub const MAX_FORM_LENGTH: usize = 16 * 1024 * 1024;

/// The text fields of one upload, in the order of arrival. The file part
/// (`content`) is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadForm {
    fields: Vec<(String, String)>,
    total: usize,
}

/// Why a form was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More fields than anybody needs.
    #[error("the form has more than {0} fields")]
    TooManyFields(usize),
    /// A field name or value, or all together, is too long.
    #[error("the form's field `{}` is too long", shown(.0))]
    TooLong(String),
}

impl UploadForm {
    /// An empty form.
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields that a release's metadata, kept under devpi's keys, is sent
    /// as: texts even when they are empty, as devpi does, each entry of a list
    /// for itself. What no upload form has is left out.
    ///
    /// # Errors
    /// [`FormError`] for metadata beyond the limits of [`Self::push`].
    pub fn of_release(metadata: &Map<String, Value>) -> Result<Self, FormError> {
        let mut form = Self::new();
        for (field, value) in fields_of(metadata) {
            form.push(field, value)?;
        }
        Ok(form)
    }

    /// Adds a field, in the order of arrival. Limits: [`MAX_FIELDS`],
    /// [`MAX_FIELD_NAME_LENGTH`], [`MAX_FORM_LENGTH`].
    pub fn push(&mut self, field: &str, value: &str) -> Result<(), FormError> {
        if self.fields.len() == MAX_FIELDS {
            return Err(FormError::TooManyFields(MAX_FIELDS));
        }
        if field.len() > MAX_FIELD_NAME_LENGTH {
            return Err(FormError::TooLong(shown(field)));
        }
        let total = self.total + field.len() + value.len();
        if total > MAX_FORM_LENGTH {
            return Err(FormError::TooLong(field.to_owned()));
        }
        self.total = total;
        self.fields.push((field.to_owned(), value.to_owned()));
        Ok(())
    }

    /// The first value of a field. `UNKNOWN`, which old tools send for
    /// nothing, reads as empty.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.values(field).next()
    }

    /// All values of a field that are not empty, in the order of arrival.
    pub fn all(&self, field: &str) -> impl Iterator<Item = &str> {
        self.values(field).filter(|value| !value.is_empty())
    }

    fn values(&self, field: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |(known, _)| known == field)
            .map(|(_, value)| match value.as_str() {
                "UNKNOWN" => "",
                value => value,
            })
    }

    /// Whether the field was sent at all.
    pub fn contains(&self, field: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == field)
    }

    /// All fields in the order of arrival.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(field, value)| (field.as_str(), value.as_str()))
    }

    /// `:action`
    pub fn action(&self) -> Option<&str> {
        self.get(":action")
    }

    /// `name`; empty when absent.
    pub fn name(&self) -> &str {
        self.get("name").unwrap_or_default()
    }

    /// `version`; empty when absent.
    pub fn version(&self) -> &str {
        self.get("version").unwrap_or_default()
    }

    /// `filetype`: `sdist`, `bdist_wheel`, …
    pub fn filetype(&self) -> Option<&str> {
        self.get("filetype")
    }

    /// `sha256_digest`, when it is not empty.
    pub fn sha256_digest(&self) -> Option<&str> {
        self.get("sha256_digest").filter(|text| !text.is_empty())
    }

    /// `md5_digest`, when it is not empty.
    pub fn md5_digest(&self) -> Option<&str> {
        self.get("md5_digest").filter(|text| !text.is_empty())
    }

    /// `blake2_256_digest`, when it is not empty.
    pub fn blake2_256_digest(&self) -> Option<&str> {
        self.get("blake2_256_digest")
            .filter(|text| !text.is_empty())
    }

    /// The release's metadata under devpi's keys, in devpi's order. Every key
    /// is present: absent single fields are `""`, absent lists `[]`.
    pub fn metadata(&self) -> Map<String, Value> {
        from_form(self, Keys::All)
    }

    /// Like [`Self::metadata`], but only the keys whose field was sent: what
    /// an upload to a known release changes.
    pub fn sent_metadata(&self) -> Map<String, Value> {
        from_form(self, Keys::Sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name_and_kept_in_order() {
        let mut form = UploadForm::new();
        for (field, value) in [
            (":action", "file_upload"),
            ("name", "My.Pkg"),
            ("version", "1.0"),
            ("filetype", "sdist"),
            ("sha256_digest", "ab"),
            ("md5_digest", ""),
            ("classifiers", "A"),
            ("classifiers", ""),
            ("classifiers", "B"),
            ("license", "UNKNOWN"),
        ] {
            form.push(field, value).unwrap();
        }
        assert_eq!(form.action(), Some("file_upload"));
        assert_eq!(form.name(), "My.Pkg");
        assert_eq!(form.version(), "1.0");
        assert_eq!(form.filetype(), Some("sdist"));
        assert_eq!(form.sha256_digest(), Some("ab"));
        assert_eq!(form.md5_digest(), None);
        assert_eq!(form.blake2_256_digest(), None);
        assert_eq!(form.get("license"), Some(""));
        assert_eq!(form.get("classifiers"), Some("A"));
        assert_eq!(form.all("classifiers").collect::<Vec<_>>(), ["A", "B"]);
        assert!(form.contains("md5_digest"));
        assert!(!form.contains("summary"));
        assert_eq!(form.fields().count(), 10);
        assert_eq!(form.metadata()["name"], "My.Pkg");
        assert_eq!(form.sent_metadata().len(), 4);
    }

    #[test]
    fn a_release_becomes_the_form_that_it_came_from() {
        let mut form = UploadForm::new();
        for (field, value) in [
            ("name", "My.Pkg"),
            ("version", "1.0"),
            ("metadata_version", "2.4"),
            ("summary", ""),
            ("classifiers", "A"),
            ("classifiers", "B"),
            ("provides_extra", "cli"),
            ("license_file", "LICENSE"),
        ] {
            form.push(field, value).unwrap();
        }
        let mut metadata = form.metadata();
        metadata.insert("yanked".into(), "odd".into());
        metadata.insert("keywords".into(), Value::Null);
        let sent = UploadForm::of_release(&metadata).unwrap();
        assert_eq!(sent.metadata(), form.metadata());
        let fields: Vec<_> = sent.fields().collect();
        assert_eq!(fields[0], ("name", "My.Pkg"));
        assert!(fields.contains(&("summary", "")));
        assert!(!sent.contains("platform"), "an empty list");
        assert!(!sent.contains("yanked"));
        // Who knows the one name need not know the other.
        assert!(fields.contains(&("provides_extras", "cli")));
        assert!(fields.contains(&("provides_extra", "cli")));
    }

    #[test]
    fn absent_name_and_version_are_empty() {
        let form = UploadForm::new();
        assert_eq!((form.name(), form.version()), ("", ""));
        assert_eq!(form.action(), None);
    }

    #[test]
    fn a_form_has_limits() {
        let mut form = UploadForm::new();
        for _ in 0..MAX_FIELDS {
            form.push("f", "").unwrap();
        }
        assert_eq!(
            form.push("f", ""),
            Err(FormError::TooManyFields(MAX_FIELDS))
        );

        let mut form = UploadForm::new();
        let name = "n".repeat(MAX_FIELD_NAME_LENGTH + 1);
        assert!(matches!(form.push(&name, ""), Err(FormError::TooLong(_))));
        let half = "d".repeat(MAX_FORM_LENGTH / 2);
        form.push("a", &half).unwrap();
        assert_eq!(
            form.push("description", &half),
            Err(FormError::TooLong("description".into()))
        );
        assert_eq!(form.fields().count(), 1);
    }
}
