//! The keys under which devpi documents show a release's metadata, and where
//! their values come from: the upload form or a file's core metadata.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::CoreMetadata;
use crate::upload::UploadForm;

/// One key of devpi's documents.
struct Key {
    name: &'static str,
    shape: Shape,
    /// The form fields that upload tools send it under.
    fields: &'static [&'static str],
}

enum Shape {
    /// One text; `""` when absent.
    Text(fn(&CoreMetadata) -> Option<&str>),
    /// A list; `[]` when absent.
    List(fn(&CoreMetadata) -> &[String]),
    /// A list that devpi does not know: left out when empty, so that our
    /// documents of ordinary releases equal devpi's.
    OwnList(fn(&CoreMetadata) -> &[String]),
}

use Shape::{List, OwnList, Text};

macro_rules! keys {
    ($($name:literal $shape:expr, [$($field:literal),+];)+) => {
        [$(Key { name: $name, shape: $shape, fields: &[$($field),+] }),+]
    };
}

/// All keys, in devpi's order.
static KEYS: [Key; 33] = keys! {
    "name" Text(|m| Some(&m.name)), ["name"];
    "version" Text(|m| Some(&m.version)), ["version"];
    "metadata_version" Text(|m| Some(&m.metadata_version)), ["metadata_version"];
    "summary" Text(|m| m.summary.as_deref()), ["summary"];
    "home_page" Text(|m| m.home_page.as_deref()), ["home_page"];
    "author" Text(|m| m.author.as_deref()), ["author"];
    "author_email" Text(|m| m.author_email.as_deref()), ["author_email"];
    "maintainer" Text(|m| m.maintainer.as_deref()), ["maintainer"];
    "maintainer_email" Text(|m| m.maintainer_email.as_deref()), ["maintainer_email"];
    "license" Text(|m| m.license.as_deref()), ["license"];
    "description" Text(|m| m.description.as_deref()), ["description"];
    "keywords" Text(|m| m.keywords.as_deref()), ["keywords"];
    "platform" List(|m| &m.platforms), ["platform", "platforms"];
    "classifiers" List(|m| &m.classifiers), ["classifiers", "classifier"];
    "download_url" Text(|m| m.download_url.as_deref()), ["download_url"];
    "supported_platform" List(|m| &m.supported_platforms),
        ["supported_platform", "supported_platforms"];
    "comment" Text(|_| None), ["comment"];
    "provides" List(|m| &m.provides), ["provides"];
    "requires" List(|m| &m.requires), ["requires"];
    "obsoletes" List(|m| &m.obsoletes), ["obsoletes"];
    "project_urls" List(|m| &m.project_urls), ["project_urls", "project_url"];
    "provides_dist" List(|m| &m.provides_dist), ["provides_dist"];
    "obsoletes_dist" List(|m| &m.obsoletes_dist), ["obsoletes_dist"];
    "requires_dist" List(|m| &m.requires_dist), ["requires_dist"];
    "requires_external" List(|m| &m.requires_external), ["requires_external"];
    "requires_python" Text(|m| m.requires_python.as_deref()), ["requires_python"];
    "description_content_type" Text(|m| m.description_content_type.as_deref()),
        ["description_content_type"];
    // twine and uv send the singular; devpi knows only the plural.
    "provides_extras" List(|m| &m.provides_extra), ["provides_extras", "provides_extra"];
    "dynamic" List(|m| &m.dynamic), ["dynamic"];
    "license_expression" Text(|m| m.license_expression.as_deref()), ["license_expression"];
    "license_file" List(|m| &m.license_files), ["license_file", "license_files"];
    "import_name" OwnList(|m| &m.import_name), ["import_name", "import_names"];
    "import_namespace" OwnList(|m| &m.import_namespace),
        ["import_namespace", "import_namespaces"];
};

/// Which keys of a form to take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// All of them.
    All,
    /// Those of which a field was sent.
    Sent,
}

pub(super) fn from_metadata(metadata: &CoreMetadata) -> Map<String, Value> {
    let mut document = Map::new();
    for key in &KEYS {
        let value = match key.shape {
            Text(field) => Value::from(field(metadata).unwrap_or_default()),
            List(field) => Value::from(field(metadata)),
            OwnList(field) if field(metadata).is_empty() => continue,
            OwnList(field) => Value::from(field(metadata)),
        };
        document.insert(key.name.to_owned(), value);
    }
    document
}

/// The metadata that a form carries, under devpi's keys.
pub(crate) fn from_form(form: &UploadForm, keys: Keys) -> Map<String, Value> {
    let mut document = Map::new();
    for key in &KEYS {
        let was_sent = key.fields.iter().any(|field| form.contains(field));
        if keys == Keys::Sent && !was_sent {
            continue;
        }
        let value = match key.shape {
            Text(_) => Value::from(form.get(key.fields[0]).unwrap_or_default()),
            List(_) => Value::from(collect(form, key.fields)),
            OwnList(_) => {
                let values = collect(form, key.fields);
                if values.is_empty() && keys == Keys::All {
                    continue;
                }
                Value::from(values)
            }
        };
        document.insert(key.name.to_owned(), value);
    }
    document
}

/// The form fields that metadata under devpi's keys is sent as, in devpi's
/// order.
pub(crate) fn fields_of(metadata: &Map<String, Value>) -> Vec<(&'static str, &str)> {
    let mut fields = Vec::new();
    for key in &KEYS {
        // devpi and PyPI do not know each other's name of this one.
        let names = match key.name {
            "provides_extras" => key.fields,
            _ => &key.fields[..1],
        };
        for name in names {
            match metadata.get(key.name) {
                Some(Value::String(text)) => fields.push((*name, text.as_str())),
                Some(Value::Array(items)) => {
                    fields.extend(
                        items
                            .iter()
                            .filter_map(Value::as_str)
                            .map(|item| (*name, item)),
                    );
                }
                // Absent texts are sent as empty ones.
                _ if matches!(key.shape, Text(_)) => fields.push((*name, "")),
                _ => {}
            }
        }
    }
    fields
}

/// The values of one list in the order of arrival. A tool may send the list
/// under both of its names, so the second name adds only what is new.
fn collect<'a>(form: &'a UploadForm, fields: &'static [&'static str]) -> Vec<&'a str> {
    let mut values: Vec<&str> = Vec::new();
    for field in fields {
        let known: HashSet<&str> = values.iter().copied().collect();
        values.extend(form.all(field).filter(|value| !known.contains(value)));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// devpi's protocol: stored keys, in this order.
    const DEVPI_ORDER: &str = "name version metadata_version summary home_page author author_email \
        maintainer maintainer_email license description keywords platform classifiers \
        download_url supported_platform comment provides requires obsoletes project_urls \
        provides_dist obsoletes_dist requires_dist requires_external requires_python \
        description_content_type provides_extras dynamic license_expression license_file";

    fn form(fields: &[(&str, &str)]) -> UploadForm {
        let mut form = UploadForm::new();
        for (field, value) in fields {
            form.push(field, value).unwrap();
        }
        form
    }

    fn keys(document: &Map<String, Value>) -> String {
        document
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn documents_have_all_of_devpis_keys_in_its_order() {
        let sent = form(&[("version", "1"), ("name", "a")]);
        assert_eq!(keys(&from_form(&sent, Keys::All)), DEVPI_ORDER);
        let metadata = CoreMetadata::default();
        assert_eq!(keys(&metadata.to_devpi_keys()), DEVPI_ORDER);
        assert_eq!(keys(&from_form(&sent, Keys::Sent)), "name version");
    }

    #[test]
    fn absent_texts_are_empty_and_absent_lists_too() {
        let document = from_form(&form(&[("name", "a")]), Keys::All);
        assert_eq!(document["summary"], "");
        assert_eq!(document["classifiers"], Value::Array(vec![]));
    }

    #[test]
    fn lists_are_taken_from_either_name_once() {
        let sent = form(&[
            ("provides_extra", "cli"),
            ("provides_extras", "web"),
            ("provides_extra", "web"),
            ("license_files", "LICENSE"),
            ("license_files", ""),
            ("import_names", "sample"),
            ("requires_dist", "a"),
            ("requires_dist", "a"),
        ]);
        let document = from_form(&sent, Keys::All);
        assert_eq!(
            document["provides_extras"],
            serde_json::json!(["web", "cli"])
        );
        assert_eq!(document["license_file"], serde_json::json!(["LICENSE"]));
        assert_eq!(document["import_name"], serde_json::json!(["sample"]));
        assert_eq!(document["requires_dist"], serde_json::json!(["a", "a"]));
        assert!(!document.contains_key("import_namespace"));
    }

    #[test]
    fn unknown_means_empty() {
        let sent = form(&[("summary", "UNKNOWN"), ("platform", "UNKNOWN")]);
        let document = from_form(&sent, Keys::Sent);
        assert_eq!(document["summary"], "");
        assert_eq!(document["platform"], serde_json::json!([]));
    }

    #[test]
    fn form_and_file_give_the_same_document() {
        let metadata = CoreMetadata {
            metadata_version: "2.4".into(),
            name: "a".into(),
            version: "1".into(),
            provides_extra: vec!["cli".into()],
            license_files: vec!["LICENSE".into()],
            ..CoreMetadata::default()
        };
        let sent = form(&[
            ("metadata_version", "2.4"),
            ("name", "a"),
            ("version", "1"),
            ("provides_extra", "cli"),
            ("license_file", "LICENSE"),
        ]);
        assert_eq!(metadata.to_devpi_keys(), from_form(&sent, Keys::All));
    }
}
