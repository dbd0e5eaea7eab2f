//! Core metadata 1.0 to 2.5: the `METADATA` and `PKG-INFO` documents.
//!
//! Documents are read for their fields and never written again: what is
//! served is the text that was found.

mod consistency;
mod devpi_keys;
mod headers;

use serde_json::{Map, Value};

pub use self::consistency::check_consistent;
pub(crate) use self::devpi_keys::{Keys, fields_of, from_form};
use crate::name::{NameError, ProjectName};
use crate::shown::shown;
use crate::version::{Version, VersionError};

/// The fields of a core metadata document. Absent single fields are `None`,
/// absent lists are empty; the value `UNKNOWN` of old tools counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreMetadata {
    /// `Metadata-Version`
    pub metadata_version: String,
    /// `Name`, as written
    pub name: String,
    /// `Version`, as written
    pub version: String,
    /// `Summary`
    pub summary: Option<String>,
    /// `Description`, from the header or the body
    pub description: Option<String>,
    /// `Description-Content-Type`
    pub description_content_type: Option<String>,
    /// `Keywords`, as written (separated by commas, or by blanks in old files)
    pub keywords: Option<String>,
    /// `Home-page`
    pub home_page: Option<String>,
    /// `Download-URL`
    pub download_url: Option<String>,
    /// `Author`
    pub author: Option<String>,
    /// `Author-email`
    pub author_email: Option<String>,
    /// `Maintainer`
    pub maintainer: Option<String>,
    /// `Maintainer-email`
    pub maintainer_email: Option<String>,
    /// `License`
    pub license: Option<String>,
    /// `License-Expression` (2.4)
    pub license_expression: Option<String>,
    /// `License-File` (2.4)
    pub license_files: Vec<String>,
    /// `Classifier`
    pub classifiers: Vec<String>,
    /// `Platform`
    pub platforms: Vec<String>,
    /// `Supported-Platform`
    pub supported_platforms: Vec<String>,
    /// `Project-URL`, as `label, address`
    pub project_urls: Vec<String>,
    /// `Requires-Python`
    pub requires_python: Option<String>,
    /// `Requires-Dist`
    pub requires_dist: Vec<String>,
    /// `Requires-External`
    pub requires_external: Vec<String>,
    /// `Provides-Extra`
    pub provides_extra: Vec<String>,
    /// `Provides-Dist`
    pub provides_dist: Vec<String>,
    /// `Obsoletes-Dist`
    pub obsoletes_dist: Vec<String>,
    /// `Requires` (1.1)
    pub requires: Vec<String>,
    /// `Provides` (1.1)
    pub provides: Vec<String>,
    /// `Obsoletes` (1.1)
    pub obsoletes: Vec<String>,
    /// `Dynamic` (2.2)
    pub dynamic: Vec<String>,
    /// `Import-Name` (2.5)
    pub import_name: Vec<String>,
    /// `Import-Namespace` (2.5)
    pub import_namespace: Vec<String>,
}

/// Why core metadata was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A field without which the document says nothing.
    #[error("the core metadata has no `{0}` field")]
    MissingField(&'static str),
    /// A major version that nobody has defined.
    #[error("the core metadata has the unknown version `{}`", shown(.0))]
    UnknownVersion(String),
    /// The document is bigger than [`MAX_METADATA_LENGTH`] or has too many
    /// fields.
    #[error("the core metadata is too large")]
    TooLarge,
    /// `Name` or `Version` cannot be one.
    #[error("the core metadata has an invalid `{0}` field")]
    InvalidField(&'static str),
    /// The upload form and the file tell different things.
    #[error(
        "the form says {field} `{}`, but the file's core metadata says `{}`",
        shown(.form),
        shown(.file)
    )]
    Mismatch {
        /// The field, in lower case.
        field: &'static str,
        /// What the form says.
        form: String,
        /// What the file says.
        file: String,
    },
}

/// The largest document read, in bytes.
pub const MAX_METADATA_LENGTH: usize = 16 * 1024 * 1024;

impl CoreMetadata {
    /// Reads a `METADATA` or `PKG-INFO` document.
    ///
    /// Lenient as installers are: unknown fields are ignored, of single
    /// fields given twice the first counts, and bytes that are not UTF-8
    /// (allowed before 2.1) are replaced.
    pub fn parse(document: &[u8]) -> Result<Self, MetadataError> {
        if document.len() > MAX_METADATA_LENGTH {
            return Err(MetadataError::TooLarge);
        }
        let text = String::from_utf8_lossy(document);
        let document = headers::parse(&text).ok_or(MetadataError::TooLarge)?;
        let mut metadata = Self::default();
        for (field, value) in document.headers {
            if !value.is_empty() && value != "UNKNOWN" {
                metadata.set(&field, value);
            }
        }
        if metadata.description.is_none() && !document.body.trim().is_empty() {
            metadata.description = Some(document.body.to_owned());
        }
        metadata.check()?;
        Ok(metadata)
    }

    fn set(&mut self, field: &str, value: String) {
        let single = match field {
            "metadata-version" => return set_required(&mut self.metadata_version, value),
            "name" => return set_required(&mut self.name, value),
            "version" => return set_required(&mut self.version, value),
            "summary" => &mut self.summary,
            "description" => &mut self.description,
            "description-content-type" => &mut self.description_content_type,
            "keywords" => &mut self.keywords,
            "home-page" => &mut self.home_page,
            "download-url" => &mut self.download_url,
            "author" => &mut self.author,
            "author-email" => &mut self.author_email,
            "maintainer" => &mut self.maintainer,
            "maintainer-email" => &mut self.maintainer_email,
            "license" => &mut self.license,
            "license-expression" => &mut self.license_expression,
            "requires-python" => &mut self.requires_python,
            _ => return self.add(field, value),
        };
        single.get_or_insert(value);
    }

    fn add(&mut self, field: &str, value: String) {
        let list = match field {
            "license-file" => &mut self.license_files,
            "classifier" => &mut self.classifiers,
            "platform" => &mut self.platforms,
            "supported-platform" => &mut self.supported_platforms,
            "project-url" => &mut self.project_urls,
            "requires-dist" => &mut self.requires_dist,
            "requires-external" => &mut self.requires_external,
            "provides-extra" => &mut self.provides_extra,
            "provides-dist" => &mut self.provides_dist,
            "obsoletes-dist" => &mut self.obsoletes_dist,
            "requires" => &mut self.requires,
            "provides" => &mut self.provides,
            "obsoletes" => &mut self.obsoletes,
            "dynamic" => &mut self.dynamic,
            "import-name" => &mut self.import_name,
            "import-namespace" => &mut self.import_namespace,
            _ => return,
        };
        list.push(value);
    }

    fn check(&self) -> Result<(), MetadataError> {
        if self.metadata_version.is_empty() {
            return Err(MetadataError::MissingField("Metadata-Version"));
        }
        if !matches!(self.metadata_version.split('.').next(), Some("1" | "2")) {
            return Err(MetadataError::UnknownVersion(self.metadata_version.clone()));
        }
        match ProjectName::parse(&self.name) {
            Ok(_) => {}
            Err(NameError::Missing) => return Err(MetadataError::MissingField("Name")),
            Err(_) => return Err(MetadataError::InvalidField("Name")),
        }
        match Version::parse(&self.version) {
            Ok(_) => Ok(()),
            Err(VersionError::Missing) => Err(MetadataError::MissingField("Version")),
            Err(_) => Err(MetadataError::InvalidField("Version")),
        }
    }

    /// The fields under the keys and in the order of devpi's documents.
    /// Every key is present; `import_name` and `import_namespace`, which
    /// devpi does not know, only when they hold something.
    pub fn to_devpi_keys(&self) -> Map<String, Value> {
        devpi_keys::from_metadata(self)
    }
}

fn set_required(field: &mut String, value: String) {
    if field.is_empty() {
        *field = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: &str = "\
Metadata-Version: 2.5
Name: Sample.Project
Version: 1.0-1
Summary: A sample
Author-email: Ann <ann@host.example>
License-Expression: MIT OR Apache-2.0
License-File: LICENSE
License-File: vendored/LICENSE
Classifier: Private :: Do Not Upload
Classifier: Programming Language :: Python :: 3
Project-URL: Documentation, https://docs.example/
Requires-Python: >=3.9
Requires-Dist: requests (>=2)
Requires-Dist: rich; extra == \"cli\"
Provides-Extra: cli
Dynamic: Description
Import-Name: sample
Import-Namespace: company
Keywords: a,b
Description-Content-Type: text/markdown
Unheard-Of: x

# Sample

Body text.
";

    #[test]
    fn a_modern_document_is_read_whole() {
        let metadata = CoreMetadata::parse(MODERN.as_bytes()).unwrap();
        let expected = CoreMetadata {
            metadata_version: "2.5".into(),
            name: "Sample.Project".into(),
            version: "1.0-1".into(),
            summary: Some("A sample".into()),
            author_email: Some("Ann <ann@host.example>".into()),
            license_expression: Some("MIT OR Apache-2.0".into()),
            license_files: vec!["LICENSE".into(), "vendored/LICENSE".into()],
            classifiers: vec![
                "Private :: Do Not Upload".into(),
                "Programming Language :: Python :: 3".into(),
            ],
            project_urls: vec!["Documentation, https://docs.example/".into()],
            requires_python: Some(">=3.9".into()),
            requires_dist: vec!["requests (>=2)".into(), "rich; extra == \"cli\"".into()],
            provides_extra: vec!["cli".into()],
            dynamic: vec!["Description".into()],
            import_name: vec!["sample".into()],
            import_namespace: vec!["company".into()],
            keywords: Some("a,b".into()),
            description_content_type: Some("text/markdown".into()),
            description: Some("# Sample\n\nBody text.\n".into()),
            ..CoreMetadata::default()
        };
        assert_eq!(metadata, expected);
    }

    #[test]
    fn an_old_document_is_read_with_its_folded_description() {
        let document = "Metadata-Version: 1.1\r\nName: old\r\nVersion: 0.1\r\n\
            Home-page: UNKNOWN\r\nLicense: GPL\r\n\
            Description: First\r\n        \r\n          indented\r\n        last\r\n\
            Platform: UNKNOWN\r\nPlatform: any\r\nRequires: zlib\r\n";
        let metadata = CoreMetadata::parse(document.as_bytes()).unwrap();
        assert_eq!(metadata.home_page, None);
        assert_eq!(metadata.platforms, ["any"]);
        assert_eq!(metadata.requires, ["zlib"]);
        assert_eq!(
            metadata.description.as_deref(),
            Some("First\n\n  indented\nlast")
        );
    }

    #[test]
    fn field_names_have_no_case_and_first_values_count() {
        let document =
            "metadata-version: 2.1\nNAME: a\nname: b\nVersion: 1\nsummary: x\nSummary: y\n";
        let metadata = CoreMetadata::parse(document.as_bytes()).unwrap();
        assert_eq!(metadata.name, "a");
        assert_eq!(metadata.summary.as_deref(), Some("x"));
    }

    #[test]
    fn bytes_that_are_not_utf_8_do_no_harm() {
        let document = b"Metadata-Version: 1.0\nName: a\nVersion: 1\nAuthor: J\xf6rg\n";
        let metadata = CoreMetadata::parse(document).unwrap();
        assert_eq!(metadata.author.as_deref(), Some("J\u{fffd}rg"));
    }

    #[test]
    fn documents_without_sense_are_refused() {
        let missing = MetadataError::MissingField;
        let invalid = MetadataError::InvalidField;
        let many = "Classifier: x\n".repeat(200_000);
        for (document, error) in [
            ("", missing("Metadata-Version")),
            ("Metadata-Version: 2.1\n", missing("Name")),
            ("Metadata-Version: 2.1\nName: a\n", missing("Version")),
            (
                "Metadata-Version: 2.1\nName: UNKNOWN\nVersion: 1\n",
                missing("Name"),
            ),
            (
                "Metadata-Version: 2.1\nName: ../a\nVersion: 1\n",
                invalid("Name"),
            ),
            (
                "Metadata-Version: 2.1\nName: a\nVersion: 1/2\n",
                invalid("Version"),
            ),
            (
                "Metadata-Version: 3.0\nName: a\nVersion: 1\n",
                MetadataError::UnknownVersion("3.0".into()),
            ),
            (
                "Metadata-Version: x\nName: a\nVersion: 1\n",
                MetadataError::UnknownVersion("x".into()),
            ),
            ("\0\0\0", missing("Metadata-Version")),
            (&many, MetadataError::TooLarge),
        ] {
            assert_eq!(CoreMetadata::parse(document.as_bytes()).unwrap_err(), error);
        }
        let huge = vec![b'x'; MAX_METADATA_LENGTH + 1];
        assert_eq!(
            CoreMetadata::parse(&huge).unwrap_err(),
            MetadataError::TooLarge
        );
    }
}
