//! What devpi writes about files: their own entry and the links that refer to them.

use std::time::SystemTime;

use cheeseshop_domain::JsonMap;
use cheeseshop_packaging::hash::{HashAlgorithm, Hashes};
use jiff::Timestamp;

use crate::change_log::Value;

/// A link of a release: an item of `+elinks`.
pub(super) struct Link<'a>(&'a Value);

impl<'a> Link<'a> {
    /// The links in a release's document.
    pub(super) fn of_release(release: &'a Value) -> impl Iterator<Item = Self> {
        let links = release.get("+elinks").and_then(Value::as_items);
        links.unwrap_or_default().iter().map(Self)
    }

    /// `releasefile`, `doczip` or `toxresult`.
    pub(super) fn kind(&self) -> &'a str {
        self.0.text("rel").unwrap_or_default()
    }

    /// The file's path, which is its key.
    pub(super) fn path(&self) -> &'a str {
        self.0.text("entrypath").unwrap_or_default()
    }

    /// Of a test result: the path of the file that was tested.
    pub(super) fn tested_path(&self) -> Option<&'a str> {
        self.0.text("for_entrypath")
    }

    /// The digests as the link has them.
    pub(super) fn hashes(&self) -> Hashes {
        hashes(self.0)
    }

    /// The steps of the file's way, oldest first.
    pub(super) fn log(&self) -> Vec<JsonMap> {
        let log = self.0.get("_log").and_then(Value::as_items);
        let steps = log.unwrap_or_default().iter();
        steps.filter_map(Value::to_object).collect()
    }
}

/// The digests in a link or a file's entry: `hashes` and `hash_spec`, in old data `md5`.
pub(super) fn hashes(value: &Value) -> Hashes {
    let mut hashes = Hashes::new();
    if let Some(Value::Dict(items)) = value.get("hashes") {
        for (name, digest) in items {
            if let (Some(name), Some(digest)) = (name.as_text(), digest.as_text()) {
                insert(&mut hashes, name, digest);
            }
        }
    }
    if let Some((name, digest)) = value
        .text("hash_spec")
        .and_then(|spec| spec.split_once('='))
    {
        insert(&mut hashes, name, digest);
    }
    if let Some(digest) = value.text("md5") {
        insert(&mut hashes, "md5", digest);
    }
    hashes
}

/// What is no digest of a known algorithm cannot be checked, so it is left out.
fn insert(hashes: &mut Hashes, name: &str, digest: &str) {
    if let Some(algorithm) = HashAlgorithm::find(name) {
        let _ = hashes.insert(algorithm, digest);
    }
}

/// `last_modified` of a file's entry, an HTTP date. A file without has no bytes.
pub(crate) fn modified(entry: &Value) -> Option<Timestamp> {
    let time: SystemTime = httpdate::parse_http_date(entry.text("last_modified")?).ok()?;
    Timestamp::try_from(time).ok()
}

/// The last part of a path.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "7f0c4e99b310b917aaaabbbbccccdddd7f0c4e99b310b917aaaabbbbccccdddd";
    const MD5: &str = "0123456789abcdef0123456789abcdef";

    fn dict(items: &[(&str, Value)]) -> Value {
        let pair = |(key, value): &(&str, Value)| (Value::from(*key), value.clone());
        Value::Dict(items.iter().map(pair).collect())
    }

    #[test]
    fn digests_are_found_in_the_forms_of_all_versions() {
        let both = format!("sha256={SHA256}&md5={MD5}");
        for (value, expected) in [
            (
                dict(&[(
                    "hashes",
                    dict(&[("sha256", SHA256.into()), ("md5", MD5.into())]),
                )]),
                both.as_str(),
            ),
            (
                dict(&[("hash_spec", format!("md5={MD5}").as_str().into())]),
                &both[72..],
            ),
            (dict(&[("md5", MD5.into())]), &both[72..]),
            (dict(&[("hash_spec", "sha256=tooshort".into())]), ""),
            (dict(&[("hashes", Value::from(1))]), ""),
            (Value::None, ""),
        ] {
            assert_eq!(hashes(&value), Hashes::parse_fragment(expected));
        }
    }

    #[test]
    fn dates_are_http_dates() {
        let entry = dict(&[("last_modified", "Sun, 22 Nov 2026 11:44:22 GMT".into())]);
        assert_eq!(
            modified(&entry).unwrap().to_string(),
            "2026-11-22T11:44:22Z"
        );
        assert_eq!(modified(&dict(&[("last_modified", "soon".into())])), None);
        assert_eq!(modified(&dict(&[])), None);
    }
}
