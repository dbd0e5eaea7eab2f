//! Which upstream the first mirror follows.
//!
//! The order: our own configuration, then what the user's pip or uv is configured to use, then
//! PyPI. Our sources spell no registry host; PyPI's address comes out of the library that
//! installers use, at build time (`packaging::pypi`).

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use cheeseshop_domain::SecretUrl;
use cheeseshop_packaging::pypi::SIMPLE_URL as PYPI;
use serde::Deserialize;
use url::{Host, Url};

/// Where the address of the default upstream was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamOrigin {
    /// Our own configuration.
    Configuration,
    /// An environment variable of pip or uv.
    Environment(&'static str),
    /// A configuration file of pip or uv.
    File(PathBuf),
    /// Nobody said anything: PyPI.
    BuiltIn,
}

impl fmt::Display for UpstreamOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("configuration"),
            Self::Environment(name) => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// The upstream for a first mirror.
#[derive(Clone, Debug)]
pub struct DefaultUpstream {
    /// Its simple index; may carry credentials.
    pub url: SecretUrl,
    /// Where that was found.
    pub origin: UpstreamOrigin,
    /// The pages for people, for `mirror_web_url_fmt`; known for PyPI only.
    pub web_url_format: Option<String>,
}

/// What the machine says about its user, given by whoever may look.
pub struct Surroundings<'a> {
    /// An environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file; `None` when there is none or it cannot be read.
    pub file: &'a dyn Fn(&Path) -> Option<String>,
    /// The port on which this server listens: pip may well be configured to use us, and we must
    /// not become our own upstream.
    pub own_port: Option<u16>,
}

/// Finds the default upstream. What is no URL, and what leads back here, is passed over.
pub fn default_upstream(
    configured: Option<&SecretUrl>,
    surroundings: &Surroundings<'_>,
) -> DefaultUpstream {
    if let Some(url) = configured {
        return found(url.clone(), UpstreamOrigin::Configuration);
    }
    let in_environment = ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"]
        .into_iter()
        .filter_map(|name| {
            let value = (surroundings.variable)(name)?;
            // uv allows `name=URL`.
            let url = match value.split_once('=') {
                Some((name, url)) if !name.contains([':', '/']) => url.to_owned(),
                _ => value,
            };
            Some((url, UpstreamOrigin::Environment(name)))
        });
    let in_files = candidate_files(surroundings)
        .into_iter()
        .filter_map(|(path, kind)| {
            let text = (surroundings.file)(&path)?;
            let url = match kind {
                Kind::Pip => index_url_of_pip(&text),
                Kind::Uv => index_url_of_uv(&text),
            }?;
            Some((url, UpstreamOrigin::File(path)))
        });
    in_environment
        .chain(in_files)
        .find_map(|(text, origin)| {
            let url = SecretUrl::parse(text.trim()).ok()?;
            (!leads_here(&url.without_credentials(), surroundings.own_port))
                .then(|| found(url, origin))
        })
        .unwrap_or_else(|| {
            let url = SecretUrl::parse(PYPI).expect("the build took a URL out of a library");
            found(url, UpstreamOrigin::BuiltIn)
        })
}

fn found(url: SecretUrl, origin: UpstreamOrigin) -> DefaultUpstream {
    let is_pypi =
        url.without_credentials().as_str().trim_end_matches('/') == PYPI.trim_end_matches('/');
    let web_url_format = is_pypi
        .then(|| Url::parse(PYPI).ok()?.join("/project/").ok())
        .flatten()
        .map(|pages| format!("{pages}{{name}}/"));
    DefaultUpstream {
        url,
        origin,
        web_url_format,
    }
}

fn leads_here(url: &Url, own_port: Option<u16>) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => {
            address.is_loopback() || IpAddr::from(address).is_unspecified()
        }
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || IpAddr::from(address).is_unspecified()
        }
        None => false,
    };
    is_loopback && own_port.is_some() && url.port_or_known_default() == own_port
}

#[derive(Clone, Copy)]
enum Kind {
    Pip,
    Uv,
}

/// The files in the order in which they count: the user's before the machine's, pip's before
/// uv's. pip's own order among its files is the reverse of reading order.
fn candidate_files(surroundings: &Surroundings<'_>) -> Vec<(PathBuf, Kind)> {
    let variable = |name| {
        (surroundings.variable)(name)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    };
    let home = variable("HOME");
    let config_home =
        variable("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let mut files = Vec::new();
    if let Some(path) = variable("PIP_CONFIG_FILE") {
        files.push((path, Kind::Pip));
    }
    if let Some(config_home) = &config_home {
        files.push((config_home.join("pip").join("pip.conf"), Kind::Pip));
    }
    if let Some(home) = &home {
        files.push((home.join(".pip").join("pip.conf"), Kind::Pip));
    }
    if let Some(path) = variable("UV_CONFIG_FILE") {
        files.push((path, Kind::Uv));
    }
    if let Some(config_home) = &config_home {
        files.push((config_home.join("uv").join("uv.toml"), Kind::Uv));
    }
    files.push((PathBuf::from("/etc/pip.conf"), Kind::Pip));
    files.push((PathBuf::from("/etc/uv/uv.toml"), Kind::Uv));
    files
}

/// `index-url` of pip's INI file: of `[install]`, or else of `[global]`.
fn index_url_of_pip(text: &str) -> Option<String> {
    let mut section = String::new();
    let (mut global, mut install) = (None, None);
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.trim().clone_into(&mut section);
            continue;
        }
        if line.starts_with(['#', ';']) {
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            continue;
        };
        // pip takes dashes and underscores alike.
        if key.trim().replace('_', "-") != "index-url" {
            continue;
        }
        match section.as_str() {
            "global" => global = Some(value.trim().to_owned()),
            "install" => install = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    install.or(global)
}

/// The default index of a `uv.toml`.
fn index_url_of_uv(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct File {
        index_url: Option<String>,
        #[serde(default)]
        index: Vec<NamedIndex>,
        pip: Option<Pip>,
    }
    #[derive(Deserialize)]
    struct NamedIndex {
        url: String,
        #[serde(default)]
        default: bool,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Pip {
        index_url: Option<String>,
    }
    let file: File = toml::from_str(text).ok()?;
    file.index
        .into_iter()
        .find(|index| index.default)
        .map(|index| index.url)
        .or(file.index_url)
        .or_else(|| file.pip?.index_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(variables: &[(&str, &str)], files: &[(&str, &str)]) -> DefaultUpstream {
        let surroundings = Surroundings {
            variable: &|name| {
                let found = variables.iter().find(|(known, _)| *known == name)?;
                Some(found.1.to_owned())
            },
            file: &|path| {
                let found = files.iter().find(|(known, _)| Path::new(known) == path)?;
                Some(found.1.to_owned())
            },
            own_port: Some(3141),
        };
        default_upstream(None, &surroundings)
    }

    #[test]
    fn the_built_in_upstream_is_a_simple_index_with_pages_for_people() {
        let upstream = search(&[], &[]);
        assert_eq!(upstream.origin, UpstreamOrigin::BuiltIn);
        let url = upstream.url.without_credentials();
        assert_eq!(url.scheme(), "https");
        assert!(url.path().trim_end_matches('/').ends_with("/simple"));
        let pages = upstream.web_url_format.unwrap();
        assert!(pages.ends_with("/project/{name}/"), "{pages}");
        assert_eq!(Url::parse(&pages).unwrap().host(), url.host());
    }

    #[test]
    fn own_configuration_counts_before_everything() {
        let own = SecretUrl::parse("https://own.test/simple/").unwrap();
        let surroundings = Surroundings {
            variable: &|_| Some("https://pip.test/simple".to_owned()),
            file: &|_| None,
            own_port: None,
        };
        let upstream = default_upstream(Some(&own), &surroundings);
        assert_eq!(upstream.url, own);
        assert_eq!(upstream.origin, UpstreamOrigin::Configuration);
        assert_eq!(upstream.web_url_format, None);
    }

    #[test]
    fn the_users_installers_are_asked_in_order() {
        const HOME: (&str, &str) = ("HOME", "/home/me");
        const PIP: &str = "/home/me/.config/pip/pip.conf";
        const UV: &str = "/home/me/.config/uv/uv.toml";
        let pip = "[global]\ntimeout = 60\nindex-url = https://pip.test/simple\n";
        let uv = "[[index]]\nname = 'x'\nurl = 'https://x.test/'\n\
                  [[index]]\nurl = 'https://uv.test/simple'\ndefault = true\n";
        for (variables, files, expected) in [
            (
                vec![("PIP_INDEX_URL", "https://env.test/s"), HOME],
                vec![(PIP, pip)],
                "https://env.test/s",
            ),
            (
                vec![("UV_DEFAULT_INDEX", "corp=https://uvenv.test/s"), HOME],
                vec![(PIP, pip)],
                "https://uvenv.test/s",
            ),
            (
                vec![HOME],
                vec![(PIP, pip), (UV, uv)],
                "https://pip.test/simple",
            ),
            (vec![HOME], vec![(UV, uv)], "https://uv.test/simple"),
            (
                vec![HOME, ("XDG_CONFIG_HOME", "/cfg")],
                vec![("/cfg/pip/pip.conf", pip)],
                "https://pip.test/simple",
            ),
            (
                vec![("PIP_CONFIG_FILE", "/p.conf")],
                vec![("/p.conf", pip)],
                "https://pip.test/simple",
            ),
            (
                vec![],
                vec![(
                    "/etc/pip.conf",
                    "[install]\nindex_url: https://i.test/s\n[global]\nindex-url=https://g.test/s",
                )],
                "https://i.test/s",
            ),
            (
                vec![],
                vec![(
                    "/etc/uv/uv.toml",
                    "[pip]\nindex-url = 'https://uvpip.test/s'",
                )],
                "https://uvpip.test/s",
            ),
        ] {
            let upstream = search(&variables, &files);
            assert_eq!(upstream.url.expose(), expected);
            assert_ne!(upstream.origin, UpstreamOrigin::BuiltIn);
        }
    }

    #[test]
    fn nonsense_and_ourselves_are_passed_over() {
        for value in [
            "not a url",
            "file:///srv/wheels",
            "http://127.0.0.1:3141/root/pypi/+simple/",
            "http://me:pw@localhost:3141/me/dev/+simple/",
            "http://[::1]:3141/root/pypi",
        ] {
            let upstream = search(&[("PIP_INDEX_URL", value)], &[]);
            assert_eq!(upstream.origin, UpstreamOrigin::BuiltIn, "{value}");
        }
        let other = search(&[("PIP_INDEX_URL", "http://127.0.0.1:4040/simple/")], &[]);
        assert_eq!(other.origin, UpstreamOrigin::Environment("PIP_INDEX_URL"));
    }
}
