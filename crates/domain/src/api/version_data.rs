//! Projects, versions and files.

use std::collections::BTreeMap;

use cheeseshop_packaging::hash::Hashes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::When;
use crate::{JsonMap, LogAction, LogEntry};

/// All versions of a project: version to version data.
pub type ProjectDocument = BTreeMap<String, VersionData>;

/// One version of a project: all metadata keys, then the links.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VersionData {
    /// The metadata under devpi's keys.
    #[serde(flatten)]
    pub metadata: JsonMap,
    /// The files.
    #[serde(rename = "+links", default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkDocument>,
    /// Data of other indexes that have the same version; absent when there is none.
    #[serde(rename = "+shadowing", skip_serializing_if = "Vec::is_empty", default)]
    pub shadowing: Vec<VersionData>,
}

/// One file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDocument {
    /// What it is: `releasefile`, `doczip` or `toxresult`.
    pub rel: String,
    /// `sha256=<hex>`, or the best digest there is; absent for a mirror's files without any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hash_spec: Option<String>,
    /// All digests by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub hashes: BTreeMap<String, String>,
    /// Where it is: absolute, without a fragment. The client compares its beginning with the index's URL.
    pub href: String,
    /// The file that a test result belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub for_href: Option<String>,
    /// How it came here; absent for mirrors.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log: Option<Vec<LogDocument>>,
}

impl LinkDocument {
    /// A release file.
    pub fn release_file(hashes: &Hashes, href: String, log: Option<&[LogEntry]>) -> Self {
        Self {
            rel: "releasefile".to_owned(),
            hash_spec: hash_spec(hashes),
            hashes: hashes_by_name(hashes),
            href,
            for_href: None,
            log: log.map(|log| log.iter().map(LogDocument::from).collect()),
        }
    }
}

/// One step of a file's way to its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDocument {
    /// `upload`, `push`, `overwrite`; other servers may have more.
    pub what: String,
    /// Who did it; null for an anonymous caller and for overwriting.
    #[serde(default)]
    pub who: Option<String>,
    /// When.
    pub when: When,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub src: Option<String>,
    /// Where it went.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dst: Option<String>,
    /// How often it was overwritten.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u32>,
    /// What was said about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

impl From<&LogEntry> for LogDocument {
    fn from(entry: &LogEntry) -> Self {
        Self {
            what: entry.what.as_str().to_owned(),
            who: entry.who.clone(),
            when: When(entry.when),
            src: entry.src.clone(),
            dst: entry.dst.clone(),
            count: entry.count,
            message: entry.message.clone(),
        }
    }
}

impl LogDocument {
    /// The step that it tells of; `None` for a kind of step that this server does not know.
    pub fn to_entry(&self) -> Option<LogEntry> {
        Some(LogEntry {
            what: LogAction::find(&self.what)?,
            who: self.who.clone(),
            when: self.when.0,
            src: self.src.clone(),
            dst: self.dst.clone(),
            count: self.count,
            message: self.message.clone(),
        })
    }
}

/// What is known of a file, without the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFileMetadata {
    /// When it came here, as an HTTP date; absent for a mirror's file that is not held.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_modified: Option<String>,
    /// The best digest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hash_spec: Option<String>,
    /// All digests by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub hashes: BTreeMap<String, String>,
    /// The project.
    pub project: String,
    /// The version.
    pub version: String,
    /// Where a mirror gets it from, without credentials.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
}

impl ReleaseFileMetadata {
    /// The document of a file.
    pub fn new(project: &str, version: &str, hashes: &Hashes) -> Self {
        Self {
            last_modified: None,
            hash_spec: hash_spec(hashes),
            hashes: hashes_by_name(hashes),
            project: project.to_owned(),
            version: version.to_owned(),
            url: None,
        }
    }
}

impl VersionData {
    /// One metadata value as text; empty when it is absent or no text.
    pub fn text(&self, key: &str) -> &str {
        self.metadata
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

fn hash_spec(hashes: &Hashes) -> Option<String> {
    let (algorithm, digest) = hashes.best()?;
    Some(format!("{}={digest}", algorithm.as_str()))
}

fn hashes_by_name(hashes: &Hashes) -> BTreeMap<String, String> {
    hashes
        .iter()
        .map(|(algorithm, digest)| (algorithm.as_str().to_owned(), digest.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{IndexName, UserName};

    const DIGEST: &str = "7f0c4e99b310b917aaaabbbbccccdddd7f0c4e99b310b917aaaabbbbccccdddd";

    fn version_data() -> VersionData {
        let bob = UserName::parse("bob").unwrap();
        let dev = IndexName::parse("bob/dev").unwrap();
        let when: Timestamp = "2026-11-22T11:38:57Z".parse().unwrap();
        let upload = LogEntry::upload(Some(&bob), when, &dev);
        let log = LogEntry::after_overwrite(&[], upload);
        let hashes = Hashes::parse_fragment(&format!("sha256={DIGEST}"));
        let href = "http://localhost:3141/bob/dev/+f/7f0/c4e99b310b917/m-1.0.tar.gz".to_owned();
        let metadata = json!({"name": "m", "version": "1.0", "platform": []});
        VersionData {
            metadata: metadata.as_object().unwrap().clone(),
            links: vec![LinkDocument::release_file(&hashes, href, Some(&log))],
            shadowing: Vec::new(),
        }
    }

    #[test]
    fn version_data_has_metadata_links_and_logs() {
        let expected = json!({
            "name": "m", "version": "1.0", "platform": [],
            "+links": [{
                "rel": "releasefile",
                "hash_spec": format!("sha256={DIGEST}"),
                "hashes": {"sha256": DIGEST},
                "href": "http://localhost:3141/bob/dev/+f/7f0/c4e99b310b917/m-1.0.tar.gz",
                "log": [
                    {"what": "overwrite", "who": null, "when": [2026,11,22,11,38,57], "count": 1},
                    {"what": "upload", "who": "bob", "when": [2026,11,22,11,38,57], "dst": "bob/dev"},
                ],
            }],
        });
        let data = version_data();
        assert_eq!(serde_json::to_value(&data).unwrap(), expected);
        assert_eq!(
            serde_json::from_value::<VersionData>(expected).unwrap(),
            data
        );
        assert_eq!(data.text("version"), "1.0");
        assert_eq!(data.text("platform"), "");
        let log = data.links[0].log.as_ref().unwrap();
        assert_eq!(log[0].to_entry().unwrap().what, LogAction::Overwrite);
    }

    #[test]
    fn shadowed_data_nests() {
        let mut data = version_data();
        data.shadowing.push(version_data());
        let value = serde_json::to_value(&data).unwrap();
        assert_eq!(value["+shadowing"][0]["name"], "m");
        assert_eq!(serde_json::from_value::<VersionData>(value).unwrap(), data);
    }

    #[test]
    fn a_mirrors_link_may_lack_digest_and_log() {
        let link = LinkDocument::release_file(&Hashes::new(), "http://h/x".to_owned(), None);
        let value = serde_json::to_value(link).unwrap();
        assert_eq!(value, json!({"rel": "releasefile", "href": "http://h/x"}));
    }

    #[test]
    fn what_is_known_of_a_file_has_devpis_keys() {
        let hashes = Hashes::parse_fragment(&format!("sha256={DIGEST}"));
        let metadata = ReleaseFileMetadata {
            last_modified: Some("Sun, 22 Nov 2026 11:38:57 GMT".to_owned()),
            ..ReleaseFileMetadata::new("m", "1.0", &hashes)
        };
        assert_eq!(
            serde_json::to_value(metadata).unwrap(),
            json!({
                "last_modified": "Sun, 22 Nov 2026 11:38:57 GMT",
                "hash_spec": format!("sha256={DIGEST}"),
                "hashes": {"sha256": DIGEST},
                "project": "m", "version": "1.0",
            })
        );
    }
}
