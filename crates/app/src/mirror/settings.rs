//! How upstreams are asked: the settings of all mirrors of a server.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// How upstreams are asked, for all mirrors. What differs from mirror to mirror is
/// configuration of the index (`mirror_url` and its siblings).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MirrorSettings {
    /// Seconds that an upstream may take to the first byte of an answer, and that it may pause
    /// between bytes of a file. A client waits this long for a project page; the fetch then
    /// goes on in the background, up to `list_timeout`. Default 5.
    #[serde(deserialize_with = "seconds")]
    pub request_timeout: Duration,
    /// Seconds that a project page or the list of all projects may take as a whole; also how
    /// long a client waits for the list. Default 30.
    #[serde(deserialize_with = "seconds")]
    pub list_timeout: Duration,
    /// Seconds that an upstream's answer counts as fresh, where the index does not say
    /// (`mirror_cache_expiry`). Default 1800.
    pub cache_expiry: u32,
    /// No upstream is asked for anything; listings show the files that are held. Default false.
    pub offline: bool,
    /// PEM file of the certificate authorities to trust for upstreams, in place of the
    /// system's store.
    pub ca_bundle: Option<PathBuf>,
    /// The HTTP or SOCKS proxy to use: an URL, `none`, or `environment` (default), which reads
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    pub proxy: ProxySetting,
    /// Most bytes of one project page, unpacked. Default 64 MiB.
    pub max_listing_bytes: u64,
    /// Most bytes of the list of all projects, unpacked. Default 256 MiB.
    pub max_project_list_bytes: u64,
    /// Most bytes of one file. Default 16 GiB.
    pub max_file_bytes: u64,
    /// Most bytes of one core metadata document. Default 8 MiB.
    pub max_core_metadata_bytes: u64,
    /// How many requests of each kind (pages, files, core metadata) go to upstreams at the same
    /// time. Sixteen times as many may wait; more are turned away as busy. Default 64.
    pub max_concurrent_flights: usize,
    /// Bytes of memory for project pages of upstreams. Default 64 MiB.
    pub memory_bytes: u64,
    /// The `User-Agent` sent upstream. Default `cheeseshop/VERSION`.
    pub user_agent: String,
}

impl Default for MirrorSettings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(5),
            list_timeout: Duration::from_secs(30),
            cache_expiry: 1800,
            offline: false,
            ca_bundle: None,
            proxy: ProxySetting::Environment,
            max_listing_bytes: 64 * MIB,
            max_project_list_bytes: 256 * MIB,
            max_file_bytes: 16 * GIB,
            max_core_metadata_bytes: 8 * MIB,
            max_concurrent_flights: 64,
            memory_bytes: 64 * MIB,
            user_agent: concat!("cheeseshop/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl MirrorSettings {
    /// What is wrong with the settings, a sentence each that begins with the key; empty when
    /// upstreams can be asked. Reads the files that the settings name.
    pub fn problems(&self) -> Vec<String> {
        crate::outbound::problems(self)
    }
}

/// Which proxy outgoing requests take.
#[derive(Clone, Debug, Default)]
pub enum ProxySetting {
    /// What the environment says, as curl and pip read it.
    #[default]
    Environment,
    /// None, whatever the environment says.
    None,
    /// This one for everything. Secret, because it may carry a password.
    Url(SecretString),
}

impl From<&str> for ProxySetting {
    fn from(text: &str) -> Self {
        match text.trim() {
            "" | "environment" => Self::Environment,
            "none" => Self::None,
            url => Self::Url(SecretString::from(url)),
        }
    }
}

impl<'de> Deserialize<'de> for ProxySetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from(text.as_str()))
    }
}

/// Seconds as people write them: whole or with a fraction, above zero.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| {
            serde::de::Error::custom(format!("`{seconds}` is not a number of seconds above zero"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_proxies_read_as_people_write_them() {
        let settings: MirrorSettings = serde_json::from_value(serde_json::json!({
            "request_timeout": 2.5, "list_timeout": 60, "proxy": "none",
        }))
        .unwrap();
        assert_eq!(settings.request_timeout, Duration::from_millis(2500));
        assert_eq!(settings.list_timeout, Duration::from_mins(1));
        assert!(matches!(settings.proxy, ProxySetting::None));
        assert_eq!(settings.cache_expiry, 1800);
    }

    #[test]
    fn unknown_keys_and_impossible_times_are_refused() {
        for bad in [
            serde_json::json!({"request_timeouts": 5}),
            serde_json::json!({"request_timeout": 0}),
            serde_json::json!({"request_timeout": -1}),
            serde_json::json!({"list_timeout": 1e300}),
        ] {
            assert!(
                serde_json::from_value::<MirrorSettings>(bad.clone()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_proxy_password_is_not_printed() {
        let settings = MirrorSettings {
            proxy: "http://me:hunter2@proxy.test:3128".into(),
            ..MirrorSettings::default()
        };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
