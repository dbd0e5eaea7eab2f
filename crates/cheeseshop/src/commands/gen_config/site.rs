//! What whoever stands in front has to know of the server, and words that are safe in its file.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use cheeseshop_storage::BlobConfig;

use super::addresses::host_and_port;
use crate::config::Config;
use crate::failure::Failure;

/// Where a server is reached from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    /// `HOST:PORT`, or `unix:/path`.
    pub(super) address: String,
    /// Whether TLS is spoken there.
    pub(super) is_tls: bool,
}

impl Backend {
    /// The nodes that are given, else the server of these settings.
    pub(super) fn all(config: &Config, given: &[String]) -> Result<Vec<Self>, Failure> {
        if given.is_empty() {
            return Ok(vec![Self::of(config)?]);
        }
        let nodes: Vec<Self> = given
            .iter()
            .map(|text| Self::node(text))
            .collect::<Result<_, _>>()?;
        for (place, node) in nodes.iter().enumerate() {
            if nodes[..place].contains(node) {
                let expected = "given once: each node has an address of its own";
                return Err(refused("--node", &node.address, expected));
            }
        }
        if nodes.iter().any(|node| node.is_tls != nodes[0].is_tls) {
            return Err(Failure::could_not_try(
                "`--node`: some of the nodes speak TLS and some do not",
            )
            .with_hint("give all of them with https:// in front, or none"));
        }
        Ok(nodes)
    }

    /// A node as it is given; what is no address would end up as something else.
    fn node(text: &str) -> Result<Self, Failure> {
        let mut node = Self::parse(text);
        let address = match node.address.strip_prefix("unix:") {
            // A second colon ends the path, for nginx.
            Some(path) if path.starts_with('/') && !path.contains(':') && node.is_plain() => {
                Some(node.address.clone())
            }
            Some(_) => None,
            None => host_and_port(&node.address),
        };
        node.address = address.ok_or_else(|| {
            let expected = "[https://]HOST:PORT or unix:/path, such as 10.0.0.1:3141";
            refused("--node", text, expected)
        })?;
        Ok(node)
    }

    /// The server of these settings: its socket in the file system, else its first address without TLS, else its
    /// first.
    pub(super) fn of(config: &Config) -> Result<Self, Failure> {
        let all: Vec<Self> = config.listen.iter().map(|text| Self::parse(text)).collect();
        let is_fixed = |backend: &&Self| !backend.address.ends_with(":0");
        let is_socket = |backend: &&Self| backend.address.starts_with("unix:");
        let fixed = || all.iter().filter(is_fixed);
        let found = fixed()
            .find(is_socket)
            .or_else(|| fixed().find(|backend| !backend.is_tls))
            .or_else(|| fixed().next())
            .cloned()
            .ok_or_else(|| {
                Failure::could_not_try("the server has no address that could be written down")
                    .with_hint("set server.listen to a socket or to a port that is not 0")
            })?;
        if found.is_plain() {
            Ok(found)
        } else {
            let expected = "an address of plain letters";
            Err(refused("server.listen", &found.address, expected))
        }
    }

    /// An address as `server.listen` has it.
    fn parse(written: &str) -> Self {
        let (is_tls, address) = match written.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => (false, written),
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        let address = match address.rsplit_once(':') {
            _ if address.starts_with("unix:") => address.to_owned(),
            Some(("0.0.0.0" | "localhost", port)) => format!("127.0.0.1:{port}"),
            Some(("[::]", port)) => format!("[::1]:{port}"),
            _ => address.to_owned(),
        };
        Self { address, is_tls }
    }

    /// Whether it can stand in the file of another program as it is.
    pub(super) fn is_plain(&self) -> bool {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:[]/+".contains(letter);
        self.address.chars().all(is_plain)
    }

    /// Whether it is reached without leaving this machine.
    pub(super) fn is_here(&self) -> bool {
        self.address.starts_with("unix:")
            || self
                .address
                .parse::<SocketAddr>()
                .is_ok_and(|address| address.ip().is_loopback())
    }
}

/// The file of authorities for what the nodes show.
pub(super) fn authorities(
    nodes: &[Backend],
    file: Option<&PathBuf>,
) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(None) };
    if !nodes.iter().any(|node| node.is_tls) {
        return Err(Failure::could_not_try(
            "`--node-ca`: the nodes do not speak TLS, so there is no certificate to look at",
        )
        .with_hint("write https:// in front of their addresses"));
    }
    self::file("--node-ca", file).map(Some)
}

/// What has to be said beside the file of the program `name`, which looks at certificates of nodes or not.
pub(super) fn remarks(
    config: &Config,
    nodes: &[Backend],
    verifies: bool,
    name: &str,
) -> Vec<String> {
    let trust = nodes
        .first()
        .and_then(|node| trust_remark(config, node, name));
    let unverified = nodes
        .iter()
        .filter(|_| !verifies)
        .filter_map(|node| unverified_remark(node, name));
    let mut remarks: Vec<String> = trust.into_iter().chain(unverified).collect();
    let is_local = matches!(config.blobs, BlobConfig::Local { .. });
    let is_of_one = is_local || config.embedded_database().is_some();
    if nodes.len() > 1 && is_of_one {
        remarks.push(
            "Nodes are one index only if they share one PostgreSQL database and one S3 store; these settings are \
             those of a server by itself."
                .to_owned(),
        );
    }
    remarks
}

/// What has to be said when the server does not believe who stands in front of it.
fn trust_remark(config: &Config, backend: &Backend, name: &str) -> Option<String> {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let trusts = |address: IpAddr| {
        let networks = &config.http.trusted_proxies;
        networks.iter().any(|network| network.contains(&address))
    };
    let is_known = if backend.is_here() {
        trusts(loopback)
    } else {
        // The address that it comes from is none of those in the settings, as far as can be told from here.
        !config
            .http
            .trusted_proxies
            .iter()
            .all(|network| network.addr().is_loopback())
    };
    (!is_known).then(|| {
        format!(
            "The server does not believe {name} what it tells of callers: put the address from which {name} \
             comes into server.trusted_proxies."
        )
    })
}

/// What has to be said of a server on another machine that anybody on the way could stand for.
fn unverified_remark(backend: &Backend, name: &str) -> Option<String> {
    (backend.is_tls && !backend.is_here()).then(|| {
        format!(
            "{name} does not look at the certificate of {}: with --node-ca it does, which matters where others \
             could stand between the two.",
            backend.address
        )
    })
}

/// The path of the outside URL: empty, or `/path` without a slash at the end.
pub(super) fn prefix(config: &Config) -> Result<String, Failure> {
    let Some(url) = &config.http.outside_url else {
        return Ok(String::new());
    };
    let path = url.path().trim_end_matches('/');
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.~/".contains(letter);
    // Slashes that stand together are one, for nginx.
    if path.chars().all(is_plain) && !path.contains("//") {
        Ok(path.to_owned())
    } else {
        Err(refused(
            "server.outside_url",
            path,
            "a path of plain letters, with single slashes",
        ))
    }
}

/// The name of the site if none is given: that of the outside URL, else of this machine.
pub(super) fn default_name(config: &Config) -> String {
    let outside = config.http.outside_url.as_ref();
    if let Some(host) = outside.and_then(|url| url.host_str()) {
        return host.to_owned();
    }
    // What `hostname` prints; whoever has none gets a name to replace.
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty() && name != "(none)")
        .unwrap_or_else(|| "localhost".to_owned())
}

/// A file or directory that an option names, from here, in double quotes.
pub(super) fn file(flag: &str, path: &Path) -> Result<String, Failure> {
    quoted(
        flag,
        &std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    )
}

/// A path in double quotes; one that would end them is refused.
pub(super) fn quoted(what: &str, path: &Path) -> Result<String, Failure> {
    let text = path.to_str().unwrap_or("\n");
    let is_safe = |letter: char| !letter.is_control() && !"\"\\$".contains(letter);
    if path.is_absolute() && text.chars().all(is_safe) {
        Ok(format!("\"{text}\""))
    } else {
        let shown = path.display().to_string();
        Err(refused(
            what,
            &shown,
            "an absolute path without quotes and `$`",
        ))
    }
}

/// What cannot be written into a file of another program.
pub(super) fn refused(what: &str, text: &str, expected: &str) -> Failure {
    Failure::could_not_try(format!("{what}: `{text}` is not {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_reached_over_loopback_and_schemes_tell_of_tls() {
        for (written, address, is_tls) in [
            ("127.0.0.1:3141", "127.0.0.1:3141", false),
            ("0.0.0.0:4", "127.0.0.1:4", false),
            ("[::]:4", "[::1]:4", false),
            ("http://localhost:4", "127.0.0.1:4", false),
            ("https://0.0.0.0:4", "127.0.0.1:4", true),
            ("https://a.test:4/", "a.test:4", true),
            ("unix:/run/shop.sock", "unix:/run/shop.sock", false),
        ] {
            let backend = Backend::parse(written);
            assert_eq!(backend.address, address, "{written}");
            assert_eq!(backend.is_tls, is_tls, "{written}");
        }
        assert!(Backend::parse("[::]:4").is_here());
        assert!(!Backend::parse("10.0.0.1:4").is_here());
    }

    #[test]
    fn a_node_is_an_address_with_a_port() {
        for text in [
            "10.0.0.1:4",
            "https://a.test:4",
            "[2001:db8::1]:4",
            "unix:/run/s",
            "https://unix:/run/s",
        ] {
            assert!(Backend::node(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a.test",
            ":4",
            "a.test:0",
            "a.test:4;",
            "a b:4",
            "2001:db8::1:4",
            "ftp://a.test:4",
            "a.test/x:4",
            "unix:run/s",
            "unix:/run/s:x",
            "unix:/run/a b",
            "a.test:4 backup",
            "https://",
            "$x:1",
            "a\nb:4",
        ] {
            assert!(Backend::node(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_certificate_that_nobody_looks_at_is_told_where_it_matters() {
        for (written, is_told) in [
            ("https://10.0.0.1:4", true),
            ("http://10.0.0.1:4", false),
            ("https://127.0.0.1:4", false),
        ] {
            let told = unverified_remark(&Backend::parse(written), "nginx");
            assert_eq!(told.is_some(), is_told, "{written}");
        }
    }

    #[test]
    fn what_would_break_out_of_the_file_is_refused() {
        for text in ["/a\"b", "/a$b", "/a\\", "/a\nb", "a/b", ""] {
            assert!(quoted("--key", Path::new(text)).is_err(), "{text:?}");
        }
        assert_eq!(quoted("--key", Path::new("/a b;c")).unwrap(), "\"/a b;c\"");
    }
}
