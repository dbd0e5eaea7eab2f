//! Settings of a mirror.

use std::time::Duration;

use cheeseshop_packaging::name::ProjectName;
use serde_json::{Value, json};
use url::Url;

use super::{
    error::ConfigError,
    kind::{Outcome, Secrets},
    value::{parse_boolean, show},
};
use crate::{JsonMap, SecretUrl};

/// What a mirror has beyond what every index has. `None` is a setting that was never made; the functions
/// know what that means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MirrorConfig {
    /// The upstream's Simple API, perhaps with credentials. Without it there is nothing to follow.
    pub mirror_url: Option<SecretUrl>,
    /// Where people read about a project upstream; `{name}` stands for the project.
    pub mirror_web_url_fmt: Option<String>,
    /// For how many seconds an answer of the upstream counts as fresh; the server's setting when absent.
    pub mirror_cache_expiry: Option<u32>,
    /// Whether the upstream has no list of its projects.
    pub mirror_no_project_list: Option<bool>,
    /// Whether to send clients to the upstream for files instead of fetching these.
    pub mirror_use_external_urls: Option<bool>,
    /// Whether the upstream serves core metadata beside its wheels although its pages do not say so.
    pub mirror_provides_core_metadata: Option<bool>,
    /// Whether to believe pages with a lower serial than was seen before.
    pub mirror_ignore_serial_header: Option<bool>,
}

impl MirrorConfig {
    /// devpi's name for it.
    pub(super) const TYPE: &str = "mirror";

    /// Whether the upstream has no list of its projects: false unless set.
    pub fn has_no_project_list(&self) -> bool {
        self.mirror_no_project_list.unwrap_or(false)
    }

    /// Whether to send clients to the upstream for files: false unless set.
    pub fn uses_external_urls(&self) -> bool {
        self.mirror_use_external_urls.unwrap_or(false)
    }

    /// Whether the upstream serves core metadata without saying so: false unless set.
    pub fn provides_core_metadata(&self) -> bool {
        self.mirror_provides_core_metadata.unwrap_or(false)
    }

    /// Whether to believe pages with a lower serial: false unless set.
    pub fn ignores_serial_header(&self) -> bool {
        self.mirror_ignore_serial_header.unwrap_or(false)
    }

    /// For how long an answer counts as fresh.
    pub fn cache_expiry(&self, default: Duration) -> Duration {
        self.mirror_cache_expiry
            .map_or(default, |seconds| Duration::from_secs(seconds.into()))
    }

    /// Where the upstream lists its projects: `mirror_url` with a slash appended, without credentials.
    pub fn project_list_url(&self) -> Option<Url> {
        self.url_below(None)
    }

    /// Where the upstream lists the project's files: `mirror_url/<normalized>/`, without credentials.
    pub fn project_url(&self, project: &ProjectName) -> Option<Url> {
        self.url_below(Some(project))
    }

    /// Where people read about the project upstream. `None` when not set, and when the result would not be
    /// a link of the web: the setting ends in pages of ours.
    pub fn web_url(&self, project: &str) -> Option<String> {
        let url = self.mirror_web_url_fmt.as_ref()?.replace("{name}", project);
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        (is_web && Url::parse(&url).is_ok()).then_some(url)
    }

    fn url_below(&self, project: Option<&ProjectName>) -> Option<Url> {
        let mut url = self.mirror_url.as_ref()?.without_credentials();
        let mut path = url.path().trim_end_matches('/').to_owned();
        path.push('/');
        if let Some(project) = project {
            path.push_str(project.normalized());
            path.push('/');
        }
        url.set_path(&path);
        Some(url)
    }

    pub(super) fn set(&mut self, key: &str, value: &Value) -> Result<Outcome, ConfigError> {
        match key {
            "mirror_url" => self.mirror_url = Some(self.parse_mirror_url(value)?),
            "mirror_web_url_fmt" => {
                let text = value
                    .as_str()
                    .ok_or(ConfigError::NotText("mirror_web_url_fmt"))?;
                self.mirror_web_url_fmt = Some(text.to_owned());
            }
            "mirror_cache_expiry" => self.mirror_cache_expiry = Some(parse_expiry(value)?),
            _ => match self.flag(key) {
                Some(flag) => *flag = Some(parse_boolean(value)?),
                None => return Ok(Outcome::NoSuchKey),
            },
        }
        Ok(Outcome::Done)
    }

    /// No setting of a mirror has a default, so all can be taken away.
    pub(super) fn remove(&mut self, key: &str) -> Outcome {
        match key {
            "mirror_url" => self.mirror_url = None,
            "mirror_web_url_fmt" => self.mirror_web_url_fmt = None,
            "mirror_cache_expiry" => self.mirror_cache_expiry = None,
            _ => match self.flag(key) {
                Some(flag) => *flag = None,
                None => return Outcome::NoSuchKey,
            },
        }
        Outcome::Done
    }

    pub(super) fn add_json(&self, map: &mut JsonMap, secrets: Secrets) {
        let url = self.mirror_url.as_ref().map(|url| match secrets {
            Secrets::Hidden => json!(url.redacted()),
            Secrets::Kept => json!(url.expose()),
        });
        let entries = [
            ("mirror_url", url),
            (
                "mirror_web_url_fmt",
                self.mirror_web_url_fmt.as_ref().map(|text| json!(text)),
            ),
            (
                "mirror_cache_expiry",
                self.mirror_cache_expiry.map(|seconds| json!(seconds)),
            ),
            (
                "mirror_no_project_list",
                self.mirror_no_project_list.map(Value::Bool),
            ),
            (
                "mirror_use_external_urls",
                self.mirror_use_external_urls.map(Value::Bool),
            ),
            (
                "mirror_provides_core_metadata",
                self.mirror_provides_core_metadata.map(Value::Bool),
            ),
            (
                "mirror_ignore_serial_header",
                self.mirror_ignore_serial_header.map(Value::Bool),
            ),
        ];
        for (key, value) in entries {
            if let Some(value) = value {
                map.insert(key.to_owned(), value);
            }
        }
    }

    fn flag(&mut self, key: &str) -> Option<&mut Option<bool>> {
        match key {
            "mirror_no_project_list" => Some(&mut self.mirror_no_project_list),
            "mirror_use_external_urls" => Some(&mut self.mirror_use_external_urls),
            "mirror_provides_core_metadata" => Some(&mut self.mirror_provides_core_metadata),
            "mirror_ignore_serial_header" => Some(&mut self.mirror_ignore_serial_header),
            _ => None,
        }
    }

    /// The URL as shown keeps the credentials. Any other URL with hidden credentials is refused: to guess
    /// would mean to send a password to a server that it was not meant for.
    fn parse_mirror_url(&self, value: &Value) -> Result<SecretUrl, ConfigError> {
        let text = value.as_str().ok_or(ConfigError::BadMirrorUrl)?;
        let url = SecretUrl::parse(text).map_err(|_| ConfigError::BadMirrorUrl)?;
        if !url.is_redacted() {
            return Ok(url);
        }
        match &self.mirror_url {
            Some(current) if current.redacted() == text => Ok(current.clone()),
            _ => Err(ConfigError::HiddenCredentials("mirror_url")),
        }
    }
}

fn parse_expiry(value: &Value) -> Result<u32, ConfigError> {
    match value {
        Value::Number(_) | Value::String(_) => show(value)
            .trim()
            .parse()
            .map_err(|_| ConfigError::BadCacheExpiry),
        _ => Err(ConfigError::BadCacheExpiry),
    }
}
