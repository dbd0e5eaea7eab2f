//! The address that is called when a file has come to an index.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use super::error::ConfigError;
use crate::{SecretUrl, UrlCredentials};

/// The setting, as devpi's plugin calls it.
pub(super) const KEY: &str = "uploadtrigger_jenkins";

/// What stands for the project's normalized name and for the version.
const PROJECT: &str = "{pkgname}";
const VERSION: &str = "{pkgversion}";

/// What stands in place of a query that is not shown.
const REDACTED_QUERY: &str = "?***";

/// What may stand plainly in any part of a URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An absolute HTTP or HTTPS URL with places for a project and a version.
///
/// It may hold secrets in two places, credentials in front of the host and a token in the query; `Debug` and [`redacted`]
/// show neither.
///
/// [`redacted`]: Self::redacted
#[derive(Clone, PartialEq, Eq)]
pub struct TriggerUrl(String);

impl TriggerUrl {
    /// Reads the setting: `None` for null and the empty text, which mean that nobody is called. What was shown stands for
    /// what is kept.
    pub(super) fn parse(
        value: &Value,
        current: Option<&Self>,
    ) -> Result<Option<Self>, ConfigError> {
        let text = match value {
            Value::Null => return Ok(None),
            Value::String(text) if text.trim().is_empty() => return Ok(None),
            Value::String(text) => text.trim(),
            _ => return Err(ConfigError::BadTriggerUrl),
        };
        let url = Self(text.to_owned());
        let example = url.fill("p", "1").ok_or(ConfigError::BadTriggerUrl)?;
        if example.is_redacted() || text.ends_with(REDACTED_QUERY) {
            return match current {
                Some(current) if current.redacted() == text => Ok(Some(current.clone())),
                _ => Err(ConfigError::HiddenCredentials(KEY)),
            };
        }
        Ok(Some(url))
    }

    /// The whole text with its secrets, for storage and for nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// The URL as it may be shown.
    pub fn redacted(&self) -> String {
        let (address, query) = match self.0.split_once('?') {
            Some((address, _)) => (address, REDACTED_QUERY),
            None => (self.0.as_str(), ""),
        };
        match SecretUrl::parse(address) {
            Ok(url) => format!("{}{query}", url.redacted()),
            // Never kept: `parse` has read it with a query at the most behind it.
            Err(_) => "***".to_owned(),
        }
    }

    /// The address to call for this version of the project, given by its normalized name, and the credentials to send.
    pub fn resolve(&self, project: &str, version: &str) -> Option<(Url, Option<UrlCredentials>)> {
        let url = self.fill(project, version)?;
        Some((url.without_credentials(), url.credentials()))
    }

    fn fill(&self, project: &str, version: &str) -> Option<SecretUrl> {
        let encode = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let template = self.0.replace(PROJECT, "").replace(VERSION, "");
        // A place for something else would be called as it is written, and nobody means that.
        if template.contains(['{', '}']) {
            return None;
        }
        let text = self
            .0
            .replace(PROJECT, &encode(project))
            .replace(VERSION, &encode(version));
        SecretUrl::parse(&text).ok()
    }
}

impl fmt::Debug for TriggerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.redacted().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    fn url(text: &str) -> TriggerUrl {
        TriggerUrl::parse(&json!(text), None).unwrap().unwrap()
    }

    #[test]
    fn project_and_version_are_put_in_as_parts_of_a_url() {
        for (template, version, expected) in [
            (
                "http://ci.test/job/x/build",
                "1.0",
                "http://ci.test/job/x/build",
            ),
            (
                "http://ci.test/job/{pkgname}/{pkgversion}",
                "1.0",
                "http://ci.test/job/my-pkg/1.0",
            ),
            (
                "http://ci.test/b?p={pkgname}&v={pkgversion}",
                "1.0+a b&c",
                "http://ci.test/b?p=my-pkg&v=1.0%2Ba%20b%26c",
            ),
            (
                "http://ci.test/{pkgversion}",
                "../x?y#z",
                "http://ci.test/..%2Fx%3Fy%23z",
            ),
        ] {
            let (url, credentials) = url(template).resolve("my-pkg", version).unwrap();
            assert_eq!(url.as_str(), expected);
            assert!(credentials.is_none());
        }
    }

    #[test]
    fn secrets_are_sent_and_not_shown() {
        let with_secrets = url("https://me:hunter2@ci.test/job/{pkgname}?token=hunter3");
        assert_eq!(
            with_secrets.redacted(),
            "https://***@ci.test/job/{pkgname}?***"
        );
        assert!(!format!("{with_secrets:?}").contains("hunter"));
        let (address, credentials) = with_secrets.resolve("p", "1").unwrap();
        assert_eq!(address.as_str(), "https://ci.test/job/p?token=hunter3");
        assert_eq!(credentials.unwrap().password.expose_secret(), "hunter2");
    }

    #[test]
    fn what_was_shown_stands_for_what_is_kept() {
        let kept = url("https://me:hunter2@ci.test/x?token=1");
        let shown = json!(kept.redacted());
        assert_eq!(
            TriggerUrl::parse(&shown, Some(&kept)).unwrap(),
            Some(kept.clone())
        );
        for text in ["https://***@other.test/x", "https://ci.test/x?***"] {
            let error = TriggerUrl::parse(&json!(text), Some(&kept)).unwrap_err();
            assert_eq!(error, ConfigError::HiddenCredentials(KEY));
        }
        assert!(TriggerUrl::parse(&shown, None).is_err());
    }

    #[test]
    fn nothing_means_nobody_and_nonsense_is_refused() {
        for nothing in [json!(null), json!(""), json!("  ")] {
            assert_eq!(TriggerUrl::parse(&nothing, None), Ok(None));
        }
        for nonsense in [
            json!("nonsense"),
            json!("ftp://ci.test/"),
            json!("http://[::1"),
            json!("http://ci.test/{foo}"),
            json!("http://ci.test/{"),
            json!(5),
            json!(["http://ci.test/"]),
        ] {
            assert_eq!(
                TriggerUrl::parse(&nonsense, None),
                Err(ConfigError::BadTriggerUrl),
                "{nonsense}"
            );
        }
    }
}
