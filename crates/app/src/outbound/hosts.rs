//! Which servers a user of ours can make us talk to.

use serde::{Deserialize, Deserializer, de};
use url::Url;

/// The servers to which requests may go that a user of an index has asked for.
///
/// Whoever may push names an address, and this server, which may stand where they do not, talks to it. An operator who
/// minds says here where that may lead. Names are compared as they are written in the URL; what they resolve to is not
/// looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// In lower case; what may stand in front of it if `with_subdomains`. `None`: any.
    name: Option<String>,
    with_subdomains: bool,
    port: Option<u16>,
}

/// Why a text is no pattern of hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of `*`, `HOST`, `*.DOMAIN`, `HOST:PORT`")]
pub struct BadPattern(String);

impl AllowedHosts {
    /// Reads patterns: `*` is any host, `*.DOMAIN` any below a domain, `HOST` one, each with `:PORT` for one port only.
    /// No pattern at all allows no host.
    ///
    /// # Errors
    /// [`BadPattern`] for the first that is none.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self, BadPattern> {
        patterns
            .iter()
            .map(|text| Pattern::parse(text.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a request may go there.
    pub fn admit(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return false;
        };
        self.0.iter().any(|pattern| pattern.admits(host, port))
    }
}

/// Any, as in devpi.
impl Default for AllowedHosts {
    fn default() -> Self {
        Self(vec![Pattern {
            name: None,
            with_subdomains: false,
            port: None,
        }])
    }
}

impl<'de> Deserialize<'de> for AllowedHosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let patterns = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&patterns).map_err(de::Error::custom)
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern(text.to_owned());
        let text = text.trim();
        // The colons of an IPv6 address stand between brackets.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, Some(port.parse().map_err(|_| bad())?))
            }
            _ => (text, None),
        };
        if host == "*" {
            return Ok(Self {
                name: None,
                with_subdomains: false,
                port,
            });
        }
        let (name, with_subdomains) = match host.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (host, false),
        };
        // What a URL makes of the name is what it is compared with; the dot of the root is no part of it.
        let name = url::Host::parse(name.trim_end_matches('.'))
            .map_err(|_| bad())?
            .to_string();
        if name.contains('*') {
            return Err(bad());
        }
        Ok(Self {
            name: Some(name),
            with_subdomains,
            port,
        })
    }

    fn admits(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.');
        let is_host = match &self.name {
            None => true,
            Some(name) if self.with_subdomains => host
                .strip_suffix(name.as_str())
                .is_some_and(|below| below.len() > 1 && below.ends_with('.')),
            Some(name) => host == name,
        };
        is_host && self.port.is_none_or(|only| only == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_admitted_by_name_and_port() {
        for (patterns, url, expected) in [
            (&["*"][..], "https://any.test/", true),
            (&[], "https://any.test/", false),
            (&["up.test"], "https://up.test/legacy/", true),
            (&["UP.test"], "https://up.TEST:8443/", true),
            (&["up.test"], "https://up.test./", true),
            (&["up.test."], "https://up.test/", true),
            (&["up.test.:443"], "https://up.test./", true),
            (&["*.up.test."], "https://sub.up.test/", true),
            (&["*.up.test."], "https://up.test/", false),
            (&["up.test"], "https://sub.up.test/", false),
            (&["up.test"], "https://up.test.evil.example/", false),
            (&["*.up.test"], "https://sub.up.test/", true),
            (&["*.up.test"], "https://up.test/", false),
            (&["*.up.test"], "https://evilup.test/", false),
            (&["up.test:8443"], "https://up.test:8443/", true),
            (&["up.test:8443"], "https://up.test/", false),
            (&["up.test:443"], "https://up.test/", true),
            (&["*:443"], "http://up.test/", false),
            (&["other.test", "127.0.0.1"], "http://127.0.0.1:3141/", true),
            (&["127.0.0.1"], "http://0x7f.1/", true),
            (&["127.0.0.1"], "http://127.0.0.2/", false),
            (&["[::1]"], "http://[::1]:80/", true),
            (&["[::1]:81"], "http://[::1]:80/", false),
        ] {
            let hosts = AllowedHosts::parse(patterns).unwrap();
            let url = Url::parse(url).unwrap();
            assert_eq!(hosts.admit(&url), expected, "{patterns:?} {url}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "https://up.test",
            "up.test/x",
            "up.test:port",
            "*.*.test",
            ".",
            "*..",
            "a b",
        ] {
            assert!(AllowedHosts::parse(&[text]).is_err(), "{text}");
        }
    }
}
