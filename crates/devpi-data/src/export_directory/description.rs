//! The description of one file in `dataindex.json`, of all versions of the format.

use cheeseshop_app::import::model;
use cheeseshop_domain::JsonMap;
use cheeseshop_packaging::{FileName, HashAlgorithm, Hashes, ProjectName};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::place::Root;

/// Who uploaded what comes without a history, in devpi's words.
const UNKNOWN_UPLOADER: &str = "<import>";

/// What a description is of.
pub(super) enum Described {
    ReleaseFile(model::File),
    Documentation(model::Documentation),
    TestResult(model::TestResult),
}

/// Reads a description. Blocks: it looks whether the file is there.
///
/// # Errors
/// The item's name, as far as there is one, and why it cannot be used.
pub(super) fn read(
    item: &JsonMap,
    index: &str,
    project: &str,
    root: &Root,
) -> Result<Described, (String, String)> {
    let relative = text(item, "relpath").unwrap_or_default();
    let base_name = relative.rsplit('/').next().unwrap_or_default().to_owned();
    let refused = |reason: &str| Err((base_name.clone(), reason.to_owned()));
    if base_name.is_empty() {
        return refused("its description names no file");
    }
    let nothing = JsonMap::new();
    let mapping = item
        .get("entrymapping")
        .and_then(Value::as_object)
        .unwrap_or(&nothing);
    let content = root.find(relative);
    let modified = text(mapping, "last_modified").and_then(http_date);
    let hashes = hashes(mapping);
    let log = history(item, index, modified);
    let version = text(item, "version").filter(|version| !version.is_empty());
    match text(item, "type") {
        Some("releasefile") => Ok(Described::ReleaseFile(model::File {
            version: version.map(str::to_owned),
            name: base_name,
            content,
            hashes,
            modified,
            log,
            url: text(mapping, "url").map(str::to_owned),
            yanked: item
                .get("yanked")
                .filter(|yanked| !yanked.is_null())
                .cloned(),
        })),
        Some("doczip") => {
            let version = version
                .map(str::to_owned)
                .or_else(|| documented_version(&base_name, project));
            let Some(version) = version else {
                return refused("nothing tells which version it documents");
            };
            Ok(Described::Documentation(model::Documentation {
                version,
                content,
                hashes,
                modified,
                log,
            }))
        }
        Some("toxresult") => {
            let tested = text(item, "for_entrypath").and_then(|path| path.rsplit('/').next());
            let Some(file) = tested.filter(|file| !file.is_empty()) else {
                return refused("nothing tells which file was tested");
            };
            Ok(Described::TestResult(model::TestResult {
                file: file.to_owned(),
                hashes: if is_of_tested_file(relative, &hashes) {
                    Hashes::new()
                } else {
                    hashes
                },
                name: base_name,
                content,
                modified,
                log,
            }))
        }
        _ => refused("a file of an unknown type"),
    }
}

/// devpi-server 6.5 to 6.8 noted the digest of the tested file for the result. Its directory is named so, too.
fn is_of_tested_file(relative: &str, hashes: &Hashes) -> bool {
    let Some(directory) = relative.rsplit('/').nth(1) else {
        return false;
    };
    let tested = Hashes::parse_fragment(directory);
    tested
        .iter()
        .any(|(algorithm, digest)| hashes.get(algorithm) == Some(digest))
}

/// The digests under `hashes`, in `hash_spec` and, in very old dumps, under `md5`.
fn hashes(mapping: &JsonMap) -> Hashes {
    let mut hashes = text(mapping, "hash_spec")
        .map(Hashes::parse_fragment)
        .unwrap_or_default();
    let named = mapping
        .get("hashes")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let named = named.map(|(name, digest)| (name.as_str(), digest));
    for (name, digest) in named.chain(mapping.get("md5").map(|digest| ("md5", digest))) {
        if let (Some(algorithm), Some(digest)) = (HashAlgorithm::find(name), digest.as_str()) {
            // What is no digest cannot be compared with.
            let _ = hashes.insert(algorithm, digest);
        }
    }
    hashes
}

fn history(item: &JsonMap, index: &str, modified: Option<Timestamp>) -> Vec<JsonMap> {
    if let Some(Value::Array(steps)) = item.get("log") {
        return steps
            .iter()
            .filter_map(|step| step.as_object().cloned())
            .collect();
    }
    let when = modified.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    let step = json!({"what": "upload", "who": UNKNOWN_UPLOADER, "when": when, "dst": index});
    step.as_object().cloned().into_iter().collect()
}

/// `PROJECT-VERSION.doc.zip`
fn documented_version(name: &str, project: &str) -> Option<String> {
    let stem = name.strip_suffix(".doc.zip")?;
    let project = ProjectName::parse(project).ok()?;
    let as_sdist = FileName::parse(&format!("{stem}.zip")).ok()?;
    Some(as_sdist.version_for(&project)?.to_string())
}

fn text<'a>(map: &'a JsonMap, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str()
}

fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}
