//! Configurations of indexes of other servers: whatever can be kept is kept, and the rest is told.

use serde_json::{Value, json};

use super::{IndexConfig, IndexKind, config::Draft};
use crate::{Acl, JsonMap, UserName, name::printable};

/// devpi's old name of `mirror_whitelist`.
const OLD_WHITELIST: &str = "pypi_whitelist";

/// A configuration that came from another server.
#[derive(Debug, Clone, PartialEq)]
pub struct AdoptedConfig {
    /// What can be had of it here.
    pub config: IndexConfig,
    /// What is different from there: sentences for people, without credentials.
    pub changes: Vec<String>,
}

impl IndexConfig {
    /// Reads the configuration that another server kept of an index, as far as that is possible.
    ///
    /// Bases need not exist. Keys that no kind of index has are kept in [`IndexConfig::other`]. A setting that cannot be
    /// used stays at its default. An index of an unknown type becomes a hosted one that takes no uploads.
    pub fn adopt(owner: &UserName, body: &JsonMap) -> AdoptedConfig {
        let mut changes = Vec::new();
        let type_name = match body.get("type") {
            None => "stage",
            Some(Value::String(name)) => name,
            Some(_) => "",
        };
        let known = IndexKind::before_stored_keys(type_name, owner);
        let is_known = known.is_some();
        let kind = known.unwrap_or_else(|| {
            changes.push(format!(
                "the type `{}` is not known here: kept as a hosted index (`stage`) that takes no uploads",
                printable(type_name)
            ));
            IndexKind::hosted(owner)
        });
        let mut draft = Draft::keeping_unknown(Self::with_kind(kind));
        for (key, value) in body {
            match key.as_str() {
                "type" => {}
                // An empty trigger is none, and a mirror has no bases whatever old servers wrote.
                "uploadtrigger_jenkins" if is_nothing(value) => {}
                OLD_WHITELIST if body.contains_key("mirror_whitelist") => {}
                OLD_WHITELIST => {
                    changes.push(format!("`{OLD_WHITELIST}` became `mirror_whitelist`"));
                    draft.set("mirror_whitelist", value);
                }
                // Optional keys that were never set.
                _ if value.is_null() => {}
                _ => draft.set(key, value),
            }
        }
        let (mut config, errors) = draft.into_parts();
        changes.extend(
            errors
                .iter()
                .map(|error| format!("a setting was left out: {error}")),
        );
        if !is_known && let IndexKind::Hosted(hosted) = &mut config.kind {
            hosted.acl_upload = Acl::default();
            config
                .other
                .insert("imported_type".to_owned(), json!(type_name));
        }
        AdoptedConfig { config, changes }
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopt(body: &Value) -> AdoptedConfig {
        let bob = UserName::parse("bob").unwrap();
        IndexConfig::adopt(&bob, body.as_object().unwrap())
    }

    #[test]
    fn keys_of_plugins_are_kept_shown_and_changed_and_no_others_are_taken() {
        let adopted = adopt(&json!({"type": "stage", "plugin_key": [1], "optional": null}));
        assert_eq!(adopted.changes, [""; 0]);
        let config = adopted.config;
        assert_eq!(config.to_json()["plugin_key"], json!([1]));
        assert!(!config.to_json().contains_key("optional"));
        let bob = UserName::parse("bob").unwrap();
        assert_eq!(
            IndexConfig::from_stored(&bob, &config.to_stored()).unwrap(),
            config
        );
        let patch = |body: Value| config.patch_object(body.as_object().unwrap(), &|_| true);
        let changed = patch(json!({"plugin_key": 2, "title": "x"})).unwrap();
        assert_eq!(changed.to_json()["plugin_key"], json!(2));
        assert!(patch(json!({"other_key": 2})).is_err());
        let without = config
            .patch_operations(&["plugin_key-=".to_owned()], &|_| true)
            .unwrap();
        assert!(!without.to_json().contains_key("plugin_key"));
    }

    #[test]
    fn an_unusable_setting_costs_that_setting() {
        let adopted =
            adopt(&json!({"type": "stage", "volatile": "perhaps", "title": "x", "bases": ["bob"]}));
        assert!(adopted.config.volatile);
        assert_eq!(adopted.config.title, Some(json!("x")));
        assert_eq!(
            adopted.changes,
            [
                "a setting was left out: Unknown boolean value 'perhaps'.",
                "a setting was left out: invalid base index spec: 'bob'",
            ]
        );
    }

    #[test]
    fn an_index_of_an_unknown_type_takes_no_uploads() {
        let adopted = adopt(&json!({"type": "pr", "states": ["new"], "acl_upload": ["bob"]}));
        let config = adopted.config.to_json();
        assert_eq!(
            (&config["type"], &config["acl_upload"]),
            (&json!("stage"), &json!([]))
        );
        assert_eq!(
            (&config["imported_type"], &config["states"]),
            (&json!("pr"), &json!(["new"]))
        );
        assert_eq!(adopted.changes.len(), 1);
    }

    #[test]
    fn old_names_and_empty_triggers_are_understood() {
        let adopted = adopt(&json!({"pypi_whitelist": ["pkg"], "uploadtrigger_jenkins": ""}));
        assert_eq!(adopted.config.to_json()["mirror_whitelist"], json!(["pkg"]));
        let both = adopt(&json!({"pypi_whitelist": ["pkg"], "mirror_whitelist": ["other"]}));
        assert_eq!(both.config.to_json()["mirror_whitelist"], json!(["other"]));
        let mirror = adopt(&json!({
            "type": "mirror", "mirror_url": "https://u:p@pypi.example/simple/", "bases": ["root/x"],
        }));
        assert_eq!(mirror.changes, [""; 0]);
    }
}
