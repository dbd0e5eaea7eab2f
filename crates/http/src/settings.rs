//! The settings read in this crate, as plain data.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::{Deserialize, Deserializer, de};
use url::Url;

use crate::web::look::Appearance;

/// How the server presents itself over HTTP and whom it believes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// The address under which clients reach this server, for absolute links: devpi's
    /// `--outside-url`. A path in it is stripped from incoming paths when present.
    /// `X-Outside-Url` of a trusted proxy goes before it.
    pub outside_url: Option<Url>,
    /// Addresses and networks whose `X-Outside-Url`, `Forwarded`, `X-Forwarded-*`,
    /// `X-Real-IP` and `X-Request-Id` headers are believed. Default: loopback only. Where the
    /// headers about the client contradict each other, the proxy counts as the client, for one
    /// of them is the client's own: a proxy removes those that it does not set.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Whether links of simple pages are absolute: devpi's `--absolute-urls`. A request asks
    /// for it by the header `X-Devpi-Absolute-Urls`.
    pub absolute_urls: bool,
    /// Where nginx has the local blobs under an `internal` location, with slashes at both ends: files
    /// that are held are then sent by nginx, for whoever asks through a trusted proxy that adds
    /// `X-Sendfile-Type: X-Accel-Redirect`.
    pub accel_location: Option<String>,
    /// The largest JSON body in bytes.
    pub max_json_bytes: usize,
    /// How long a request body may pause, in seconds, before the request is given up with 400.
    pub body_idle_seconds: u64,
    /// How long the rest of a refused body is read, in seconds, so that clients that send
    /// before they listen get to see the answer.
    pub drain_seconds: u64,
    /// What `/metrics` renders; `None` makes `/metrics` a 404. The owner of the recorder calls
    /// its `run_upkeep` from time to time, or histograms grow while nobody asks.
    #[serde(skip)]
    pub prometheus: Option<PrometheusHandle>,
    /// What is known of backups, for `/+status`. Whoever knows more notes it here.
    #[serde(skip)]
    pub backups: BackupNote,
    /// What is known of lists of revoked client certificates, for `/+status`.
    #[serde(skip)]
    pub revocations: RevocationsNote,
    /// How pages for people look.
    #[serde(skip)]
    pub appearance: Appearance,
}

/// What somebody else finds out while the server runs, for `/+status`; nothing at first. Clones share it.
#[derive(Clone, Debug)]
pub struct Note<T>(Arc<Mutex<Option<T>>>);

/// The newest backup: when it was whole, in seconds of Unix time, and its bytes.
pub type BackupNote = Note<(u64, u64)>;

/// When the first list of revoked client certificates is out of date, in seconds of Unix time.
pub type RevocationsNote = Note<u64>;

impl<T: Copy> Note<T> {
    /// Notes what is known now; `None`: there is none.
    pub fn set(&self, known: Option<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    pub(crate) fn get(&self) -> Option<T> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Derived, it would ask for a default of what is noted.
impl<T> Default for Note<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            outside_url: None,
            trusted_proxies: loopback(),
            absolute_urls: false,
            accel_location: None,
            max_json_bytes: 1 << 20,
            body_idle_seconds: 60,
            drain_seconds: 60,
            prometheus: None,
            backups: BackupNote::default(),
            revocations: RevocationsNote::default(),
            appearance: Appearance::default(),
        }
    }
}

impl HttpSettings {
    /// Everything that is wrong with these settings, one sentence each; empty when all is well.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(url) = &self.outside_url {
            if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
                problems.push("`outside_url` must be an http or https URL".to_owned());
            }
            if url.query().is_some() || url.fragment().is_some() {
                problems.push("`outside_url` must have neither query nor fragment".to_owned());
            }
            if !url.username().is_empty() || url.password().is_some() {
                problems.push("`outside_url` must not contain credentials".to_owned());
            }
        }
        if let Some(location) = &self.accel_location
            && !is_location(location)
        {
            problems.push(
                "`accel_location` must be a path of plain letters with a slash at each end, as \
                 `/+blobs/`"
                    .to_owned(),
            );
        }
        if self.max_json_bytes == 0 {
            problems.push("`max_json_bytes` must be at least 1".to_owned());
        }
        if self.body_idle_seconds == 0 {
            problems.push("`body_idle_seconds` must be at least 1".to_owned());
        }
        problems
    }

    /// Whether headers about the outside are believed from this peer.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        // A dual-stack socket reports IPv4 peers in IPv6 clothes.
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }

    pub(crate) fn body_idle(&self) -> Duration {
        Duration::from_secs(self.body_idle_seconds)
    }

    pub(crate) fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

fn loopback() -> Vec<IpNet> {
    ["127.0.0.0/8", "::1/128"]
        .map(|net| net.parse().expect("a literal network"))
        .to_vec()
}

/// Whether a text can stand in nginx's file and in a header as it is.
fn is_location(text: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.~+/".contains(letter);
    text.len() > 2
        && text.starts_with('/')
        && text.ends_with('/')
        && !text.contains("//")
        && !text.contains("/.")
        && text.chars().all(is_plain)
}

/// Networks as text; a bare address stands for itself.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| {
                    de::Error::custom(format_args!("`{text}` is neither an address nor a network"))
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<HttpSettings, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn loopback_is_trusted_by_default_and_nobody_else() {
        let settings = HttpSettings::default();
        for (peer, trusted) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(settings.trusts(peer.parse().unwrap()), trusted, "{peer}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let settings = read(r#"{"trusted_proxies": ["10.0.0.1", "10.1.0.0/16"]}"#).unwrap();
        assert!(settings.trusts("10.0.0.1".parse().unwrap()));
        assert!(settings.trusts("10.1.2.3".parse().unwrap()));
        assert!(!settings.trusts("10.0.0.2".parse().unwrap()));
        let error = read(r#"{"trusted_proxies": ["nginx"]}"#).unwrap_err();
        assert!(error.to_string().contains("`nginx` is neither"), "{error}");
    }

    #[test]
    fn unknown_keys_are_errors() {
        let error = read(r#"{"outside-url": "http://h/"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }

    #[test]
    fn a_location_of_nginx_is_a_plain_path_between_slashes() {
        for (text, is_fine) in [
            ("/+blobs/", true),
            ("/a/b/", true),
            ("/", false),
            ("//", false),
            ("/a", false),
            ("a/", false),
            ("/a b/", false),
            ("/a;/", false),
            ("/../", false),
            ("/%2e/", false),
        ] {
            let settings = read(&format!(r#"{{"accel_location": "{text}"}}"#)).unwrap();
            assert_eq!(settings.problems().is_empty(), is_fine, "{text}");
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let settings = read(r#"{"outside_url": "ftp://bob:x@h/?q", "max_json_bytes": 0}"#).unwrap();
        assert_eq!(settings.problems().len(), 4);
        assert!(HttpSettings::default().problems().is_empty());
    }
}
