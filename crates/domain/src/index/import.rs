//! Configurations of indexes of other servers: whatever can be kept is kept, and the rest is told.

use serde_json::{Value, json};

use super::{Constraints, IndexConfig, IndexKind, Inheritance, config::Draft};
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
    /// used stays at its default, unless it says who may do or see what: then nobody may, until somebody sets it. An
    /// index of an unknown type becomes a hosted one that takes no uploads.
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
                    adopt_setting(&mut draft, "mirror_whitelist", value, &mut changes);
                }
                // Optional keys that were never set.
                _ if value.is_null() => {}
                _ => adopt_setting(&mut draft, key, value, &mut changes),
            }
        }
        let mut config = draft.into_config();
        if !is_known && let IndexKind::Hosted(hosted) = &mut config.kind {
            hosted.acl_upload = Acl::default();
            config
                .other
                .insert("imported_type".to_owned(), json!(type_name));
        }
        AdoptedConfig { config, changes }
    }
}

fn adopt_setting(draft: &mut Draft, key: &str, value: &Value, changes: &mut Vec<String>) {
    let Err(error) = draft.try_set(key, value) else {
        return;
    };
    changes.push(match closed(key) {
        Some(closed) => {
            draft.set(key, &closed);
            format!("`{key}` is closed until set, for its value cannot be used: {error}")
        }
        None => format!("a setting was left out: {error}"),
    });
}

/// The value with which a setting lets nobody in and nothing through; `None` where no value is safer than another.
/// Defaults are more open: whoever set the key may have meant to close what they leave open.
fn closed(key: &str) -> Option<Value> {
    match key {
        "acl_read" | "acl_upload" | "acl_toxresult_upload" | "mirror_whitelist" => Some(json!([])),
        "constraints" => Some(json!([Constraints::NOTHING_ELSE])),
        "mirror_whitelist_inheritance" => Some(json!(Inheritance::Intersection.as_str())),
        "volatile" => Some(json!(false)),
        _ => None,
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
        let adopted = adopt(&json!({"type": "stage", "title": "x", "bases": ["bob"]}));
        assert_eq!(adopted.config.title, Some(json!("x")));
        assert_eq!(
            adopted.changes,
            ["a setting was left out: invalid base index spec: 'bob'"]
        );
    }

    #[test]
    fn an_unusable_setting_that_opens_the_index_closes_it() {
        for (key, value, closed) in [
            ("acl_read", json!(5), json!([])),
            ("acl_read", json!(["a\nb"]), json!([])),
            ("acl_upload", json!({"bob": true}), json!([])),
            ("acl_toxresult_upload", json!([1]), json!([])),
            ("constraints", json!(["pkg<2", "pkg<3"]), json!(["*"])),
            ("constraints", json!({"pkg": "<2"}), json!(["*"])),
            ("mirror_whitelist", json!(true), json!([])),
            (
                "mirror_whitelist_inheritance",
                json!("both"),
                json!("intersection"),
            ),
            ("volatile", json!("perhaps"), json!(false)),
        ] {
            let adopted = adopt(&json!({"type": "constrained", key: value}));
            assert_eq!(adopted.config.to_json()[key], closed, "{key}");
            assert_eq!(adopted.changes.len(), 1, "{:?}", adopted.changes);
            let told = &adopted.changes[0];
            assert!(
                told.starts_with(&format!("`{key}` is closed until set, for ")),
                "{told}"
            );
        }
    }

    #[test]
    fn an_unusable_setting_of_another_name_closes_what_it_became() {
        let adopted = adopt(&json!({"pypi_whitelist": {"pkg": true}}));
        assert_eq!(adopted.config.to_json()["mirror_whitelist"], json!([]));
        assert!(adopted.changes[1].starts_with("`mirror_whitelist` is closed until set"));
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
