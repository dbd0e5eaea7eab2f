//! Settings as they may be shown: URLs without what is secret in them.

use cheeseshop_domain::{ConfigError, IndexConfig, JsonMap, UserName};
use serde_json::Value;

/// Keys of an index whose values may hold credentials.
pub(super) const SECRET_KEYS: [&str; 2] = ["mirror_url", "uploadtrigger_jenkins"];

/// What stands in place of what cannot be shown at all.
const HIDDEN: &str = "***";

/// A value as it may be shown.
pub(super) fn shown(key: &str, value: &Value) -> Value {
    if !SECRET_KEYS.contains(&key) || value.is_null() {
        return value.clone();
    }
    match mirror_with(key, value) {
        Ok(config) => config.to_json().remove(key).unwrap_or_else(|| "".into()),
        Err(error) if is_about_hidden(&error) => value.clone(),
        Err(_) => HIDDEN.into(),
    }
}

/// Whether a server has hidden a part of the value.
pub(super) fn is_hidden(key: &str, value: &Value) -> bool {
    SECRET_KEYS.contains(&key)
        && mirror_with(key, value).is_err_and(|error| is_about_hidden(&error))
}

/// A mirror, which has both keys: the rules of what is shown of them are those of the domain.
fn mirror_with(key: &str, value: &Value) -> Result<IndexConfig, ConfigError> {
    let settings = JsonMap::from_iter([
        ("type".to_owned(), "mirror".into()),
        (key.to_owned(), value.clone()),
    ]);
    IndexConfig::create(&UserName::root(), &settings, &|_| true)
        .map_err(|errors| errors.errors()[0].clone())
}

fn is_about_hidden(error: &ConfigError) -> bool {
    matches!(error, ConfigError::HiddenCredentials(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_secret_in_a_url_is_not_shown() {
        for (key, value, expected) in [
            (
                "title",
                json!("https://u:p@h.test/"),
                json!("https://u:p@h.test/"),
            ),
            (
                "mirror_url",
                json!("https://u:p@h.test/x"),
                json!("https://***@h.test/x"),
            ),
            (
                "mirror_url",
                json!("https://***@h.test/x"),
                json!("https://***@h.test/x"),
            ),
            (
                "mirror_url",
                json!("https://h.test/x"),
                json!("https://h.test/x"),
            ),
            ("mirror_url", json!("u:p@h.test"), json!("***")),
            ("mirror_url", Value::Null, Value::Null),
            (
                "uploadtrigger_jenkins",
                json!("https://u:p@j.test/job/{pkgname}/build?token=t"),
                json!("https://***@j.test/job/{pkgname}/build?***"),
            ),
            (
                "uploadtrigger_jenkins",
                json!("https://***@j.test/job/{pkgname}/build"),
                json!("https://***@j.test/job/{pkgname}/build"),
            ),
            ("uploadtrigger_jenkins", json!(""), json!("")),
        ] {
            assert_eq!(shown(key, &value), expected, "{key}");
        }
    }

    #[test]
    fn it_is_known_what_a_server_has_hidden() {
        for (key, value, expected) in [
            ("mirror_url", json!("https://***@h.test/x"), true),
            ("mirror_url", json!("https://u:p@h.test/***"), false),
            (
                "uploadtrigger_jenkins",
                json!("https://j.test/build?***"),
                true,
            ),
            (
                "uploadtrigger_jenkins",
                json!("https://j.test/build?a"),
                false,
            ),
            ("title", json!("https://***@h.test/x"), false),
        ] {
            assert_eq!(is_hidden(key, &value), expected, "{value}");
        }
    }
}
