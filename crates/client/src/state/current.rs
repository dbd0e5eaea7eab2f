//! `current.json`: which server and index are in use.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

/// Which server and index are in use. A key is in the file only once it is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Current {
    /// Whether each `use` writes the configuration of pip and uv.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always_setcfg: Option<bool>,
    /// What the server can do beyond the oldest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// URL of the index in use, without a slash at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// URL to log in at; all but its last part is the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// URL to upload to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pypisubmit: Option<String>,
    /// Whether pip is told to trust the host without a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settrusted: Option<bool>,
    /// URL of the index for installers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simpleindex: Option<String>,
    /// Who logged in last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The virtual environment to install into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub venvdir: Option<String>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Current {
    /// A document as it is; keys of another type than expected count as not set.
    pub(super) fn from_document(document: Map<String, Value>) -> Self {
        let mut kept = Map::new();
        for (name, value) in document {
            // The oldest clients kept logins here.
            if name != "auth" && !value.is_null() && fits(&name, &value) {
                kept.insert(name, value);
            }
        }
        serde_json::from_value(Value::Object(kept)).unwrap_or_default()
    }

    pub(super) fn to_document(&self) -> Map<String, Value> {
        let mut document = match serde_json::to_value(self) {
            Ok(Value::Object(document)) => document,
            _ => Map::new(),
        };
        document.sort_keys();
        document
    }

    /// The server's own URL, with a slash at its end.
    pub(crate) fn root(&self) -> Option<Url> {
        self.login.as_deref()?.parse::<Url>().ok()?.join(".").ok()
    }

    /// The index in use with a slash at its end, so that paths can be joined.
    pub(crate) fn index_url(&self) -> Option<Url> {
        as_folder(self.index.as_deref()?)
    }

    /// The index in use as `user/index`.
    pub(crate) fn index_name(&self) -> Option<String> {
        let index = self.index.as_deref()?.trim_end_matches('/');
        let root = self.root()?;
        Some(index.strip_prefix(root.as_str())?.to_owned())
    }

    /// The index for installers, with a slash at its end.
    pub(crate) fn simple_url(&self) -> Option<Url> {
        as_folder(self.simpleindex.as_deref()?)
    }

    /// Whether the server says that it has a feature.
    pub(crate) fn has_feature(&self, name: &str) -> bool {
        self.features
            .as_deref()
            .is_some_and(|features| features.iter().any(|feature| feature == name))
    }
}

fn as_folder(url: &str) -> Option<Url> {
    let mut url: Url = url.parse().ok()?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(url)
}

fn fits(name: &str, value: &Value) -> bool {
    match name {
        "always_setcfg" | "settrusted" => value.is_boolean(),
        "features" => value
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_string)),
        "index" | "login" | "pypisubmit" | "simpleindex" | "username" | "venvdir" => {
            value.is_string()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_url_is_the_login_without_its_end() {
        let current = Current {
            login: Some("http://shop.test/devpi/+login".to_owned()),
            index: Some("http://shop.test/devpi/bob/dev".to_owned()),
            ..Current::default()
        };
        assert_eq!(current.root().unwrap().as_str(), "http://shop.test/devpi/");
        assert_eq!(current.index_name().unwrap(), "bob/dev");
        assert_eq!(
            current.index_url().unwrap().as_str(),
            "http://shop.test/devpi/bob/dev/"
        );
    }

    #[test]
    fn odd_values_count_as_not_set() {
        let document =
            serde_json::json!({"index": 1, "features": null, "username": "bob", "auth": {}});
        let current = Current::from_document(document.as_object().unwrap().clone());
        assert_eq!(
            current,
            Current {
                username: Some("bob".to_owned()),
                ..Current::default()
            }
        );
    }
}
