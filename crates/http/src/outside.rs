//! What the outside looks like: the base URL that clients use, the path prefix in front of us,
//! and whose address a request came from.
//!
//! Headers about these are believed from trusted peers only; devpi believes everybody, which
//! lets any client choose the links of the answer and the address in the audit.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, Uri};

use crate::settings::HttpSettings;

const X_OUTSIDE_URL: &str = "x-outside-url";
const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
const X_FORWARDED_HOST: &str = "x-forwarded-host";
const X_REAL_IP: &str = "x-real-ip";
const SEC_FETCH_SITE: &str = "sec-fetch-site";

const HTTPS: &str = "https://";

/// Whether the headers of this peer are believed. Without an address they are not.
pub(crate) fn is_trusted(settings: &HttpSettings, peer: Option<SocketAddr>) -> bool {
    peer.is_some_and(|peer| settings.trusts(peer.ip()))
}

/// The outside URL, if anybody says what it is, without a slash at the end: `X-Outside-Url` of
/// a trusted peer, then the setting.
pub(crate) fn outside_url<'r>(
    headers: &'r HeaderMap,
    trusted: bool,
    setting: Option<&'r str>,
) -> Option<&'r str> {
    trusted
        .then(|| headers.get(X_OUTSIDE_URL))
        .flatten()
        .and_then(|value| value.to_str().ok())
        .map(|text| text.trim().trim_end_matches('/'))
        .filter(|text| is_plain_url(text))
        .or(setting)
}

/// The path of an outside URL, without a slash at the end: what is stripped from incoming
/// paths that start with it.
pub(crate) fn prefix(outside_url: &str) -> &str {
    let after_scheme = outside_url
        .split_once("://")
        .map_or(outside_url, |(_, rest)| rest);
    after_scheme
        .find('/')
        .map_or("", |slash| after_scheme[slash..].trim_end_matches('/'))
}

/// Whether a trusted peer says that its client came to it over TLS.
pub(crate) fn came_over_tls(headers: &HeaderMap, trusted: bool) -> bool {
    trusted
        && match outside_url(headers, trusted, None) {
            Some(url) => url.starts_with(HTTPS),
            None => Forwarded::nearest(headers).proto.as_deref() == Some("https"),
        }
}

/// Where a client that came in the clear finds the same over TLS, without a slash at the end: at the
/// outside URL, if that is one of `https`; behind a proxy at the proxy's usual port; else at ours, or the
/// usual one.
pub(crate) fn https_url(
    headers: &HeaderMap,
    uri: &Uri,
    trusted: bool,
    outside_url: Option<&str>,
    https_port: Option<u16>,
) -> String {
    if let Some(url) = outside_url.filter(|url| url.starts_with(HTTPS)) {
        return url.to_owned();
    }
    if let Some(url) = self::outside_url(headers, trusted, None) {
        // The URL at a proxy that takes plain HTTP as well.
        let host = url.trim_start_matches("http://").split('/').next();
        let host = without_port(host.unwrap_or_default());
        return format!("{HTTPS}{host}{}", prefix(url));
    }
    let forwarded = if trusted {
        Forwarded::nearest(headers).host
    } else {
        None
    };
    let (host, port) = match forwarded.filter(|host| is_plain_host(host)) {
        Some(host) => (host, 443),
        None => (
            own_host(headers, uri).unwrap_or_else(|| "localhost".to_owned()),
            https_port.unwrap_or(443),
        ),
    };
    let host = without_port(&host);
    match port {
        443 => format!("{HTTPS}{host}"),
        port => format!("{HTTPS}{host}:{port}"),
    }
}

/// The base of absolute URLs, without a slash at the end. `secure`: the client came over TLS of ours,
/// unless a trusted proxy says that this was the proxy.
pub(crate) fn base_url(
    headers: &HeaderMap,
    uri: &Uri,
    trusted: bool,
    outside_url: Option<&str>,
    secure: bool,
) -> String {
    if let Some(url) = outside_url {
        return url.to_owned();
    }
    let forwarded = if trusted {
        Forwarded::nearest(headers)
    } else {
        Forwarded::default()
    };
    let scheme = match forwarded.proto.as_deref() {
        Some("https") => "https",
        Some("http") => "http",
        _ if secure => "https",
        _ => "http",
    };
    let host = forwarded
        .host
        .filter(|host| is_plain_host(host))
        .or_else(|| own_host(headers, uri))
        .unwrap_or_else(|| "localhost".to_owned());
    format!("{scheme}://{host}")
}

/// Who is asking, as far as addresses tell: the nearest hop that is not a trusted proxy.
///
/// A proxy sets the header that it knows and passes on the others as the client sent them.
/// Which one it knows nobody tells us, so headers are only believed where they agree; otherwise
/// the proxy itself counts as the client.
pub(crate) fn client_address(
    settings: &HttpSettings,
    headers: &HeaderMap,
    peer: Option<SocketAddr>,
) -> Option<IpAddr> {
    let peer = peer?.ip().to_canonical();
    if !settings.trusts(peer) {
        return Some(peer);
    }
    let forwarded = forwarded_hops(headers);
    let x_forwarded = addresses(headers, X_FORWARDED_FOR);
    // Holds one hop only: another proxy of ours says nothing about whom it had before it.
    let is_ours = |hop: &Option<IpAddr>| hop.is_some_and(|hop| settings.trusts(hop));
    let real = addresses(headers, X_REAL_IP).filter(|hops| !hops.last().is_some_and(is_ours));
    let mut told = [forwarded, x_forwarded, real]
        .into_iter()
        .flatten()
        .map(|hops| nearest_stranger(settings, peer, &hops));
    let client = told.next().unwrap_or(peer);
    Some(if told.all(|other| other == client) {
        client
    } else {
        peer
    })
}

/// The first of `hops`, from the nearest on, that is none of ours.
fn nearest_stranger(settings: &HttpSettings, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
    let mut client = peer;
    for hop in hops.iter().rev() {
        let Some(address) = *hop else {
            // `unknown` or an obfuscated name: nothing beyond it can be told.
            return client;
        };
        client = address;
        if !settings.trusts(address) {
            return client;
        }
    }
    client
}

/// The path as the routes know it: without the outside prefix, with one slash at the start,
/// and the `+` of segments like `+simple` spelled plainly (devpi accepts `%2B`).
pub(crate) fn inner_path<'p>(path: &'p str, prefix: &str) -> Cow<'p, str> {
    let mut path = path;
    if path.starts_with("//") {
        path = &path[path.len() - path.trim_start_matches('/').len() - 1..];
    }
    if !prefix.is_empty()
        && let Some(rest) = path.strip_prefix(prefix)
        && (rest.is_empty() || rest.starts_with('/'))
    {
        path = if rest.is_empty() { "/" } else { rest };
    }
    if path.contains("/%2B") || path.contains("/%2b") {
        Cow::Owned(path.replace("/%2B", "/+").replace("/%2b", "/+"))
    } else {
        Cow::Borrowed(path)
    }
}

/// The addresses in a header, nearest last; `None` inside for one that is not an address.
fn addresses(headers: &HeaderMap, name: &str) -> Option<Vec<Option<IpAddr>>> {
    headers
        .contains_key(name)
        .then(|| list(headers, name).map(parse_address).collect())
}

/// As [`addresses`], for `Forwarded`, which may also be about other things only.
fn forwarded_hops(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    if !headers.contains_key(http::header::FORWARDED) {
        return None;
    }
    let all = Forwarded::all(headers);
    all.iter().any(|hop| hop.client.is_some()).then(|| {
        all.iter()
            .map(|hop| hop.client.as_deref().and_then(parse_address))
            .collect()
    })
}

/// Whether a browser says that the page which makes this request is another site's. Browsers
/// send a remembered Basic login along with whatever form a foreign page makes them post; other
/// clients send neither header.
pub(crate) fn is_of_another_site(headers: &HeaderMap, base_url: &str) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(http::header::ORIGIN) else {
        return false;
    };
    let ours = authority(base_url);
    ours.is_none() || origin.to_str().ok().and_then(authority) != ours
}

/// Host and port of a URL. Who ends TLS may not tell us of it, so schemes are not compared.
fn authority(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    Some(authority.to_ascii_lowercase())
}

/// An address with or without port, brackets and quotes.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
        .map(|address| address.to_canonical())
}

/// One element of `Forwarded` (RFC 7239).
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded {
    client: Option<String>,
    proto: Option<String>,
    host: Option<String>,
}

impl Forwarded {
    /// What the proxy next to us says of the request that it got.
    fn nearest(headers: &HeaderMap) -> Self {
        Self::all(headers).pop().unwrap_or_else(|| Self {
            client: None,
            proto: list(headers, X_FORWARDED_PROTO)
                .last()
                .map(str::to_ascii_lowercase),
            host: list(headers, X_FORWARDED_HOST).last().map(str::to_owned),
        })
    }

    fn all(headers: &HeaderMap) -> Vec<Self> {
        list(headers, http::header::FORWARDED.as_str())
            .map(|element| {
                let mut forwarded = Self::default();
                for (key, value) in element.split(';').filter_map(|pair| pair.split_once('=')) {
                    let value = value.trim().trim_matches('"').to_owned();
                    match key.trim().to_ascii_lowercase().as_str() {
                        "for" => forwarded.client = Some(value),
                        "proto" => forwarded.proto = Some(value.to_ascii_lowercase()),
                        "host" => forwarded.host = Some(value),
                        _ => {}
                    }
                }
                forwarded
            })
            .collect()
    }
}

fn list<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn own_host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    uri.authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| headers.get(http::header::HOST)?.to_str().ok())
        .filter(|host| is_plain_host(host))
        .map(str::to_owned)
}

/// The host of `HOST:PORT`. What stands in brackets has colons of its own.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && !name.is_empty() => name,
        _ => host,
    }
}

/// A host that may stand in a URL of ours: nothing that could end the URL early.
fn is_plain_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 255
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

fn is_plain_url(url: &str) -> bool {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        is_plain_host(host)
            && url
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    value.parse().unwrap(),
                )
            })
            .collect()
    }

    fn base(pairs: &[(&str, &str)], trusted: bool, setting: Option<&str>) -> String {
        let headers = headers(pairs);
        let outside = outside_url(&headers, trusted, setting);
        let uri = "/bob/dev".parse().unwrap();
        base_url(&headers, &uri, trusted, outside, false)
    }

    #[test]
    fn over_tls_of_ours_urls_begin_with_https_unless_a_proxy_knows_better() {
        let uri: Uri = "/bob/dev".parse().unwrap();
        let base =
            |pairs: &[(&str, &str)], trusted| base_url(&headers(pairs), &uri, trusted, None, true);
        let host = ("host", "shop.test:3443");
        let proxy = ("x-forwarded-proto", "http");
        assert_eq!(base(&[host], true), "https://shop.test:3443");
        assert_eq!(base(&[host, proxy], false), "https://shop.test:3443");
        assert_eq!(base(&[host, proxy], true), "http://shop.test:3443");
        let strange = ("x-forwarded-proto", "javascript");
        assert_eq!(base(&[host, strange], true), "https://shop.test:3443");
    }

    #[test]
    fn ports_are_cut_off_hosts() {
        for (written, expected) in [
            ("shop.test:3141", "shop.test"),
            ("shop.test", "shop.test"),
            ("[::1]:3141", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(without_port(written), expected, "{written}");
        }
    }

    #[test]
    fn the_base_url_is_what_the_nearest_authority_says() {
        let host = ("host", "localhost:3141");
        let outside = ("x-outside-url", "https://pypi.example/sub/");
        for (pairs, trusted, setting, expected) in [
            (&[host][..], true, None, "http://localhost:3141"),
            (&[], true, None, "http://localhost"),
            (&[host, outside], true, None, "https://pypi.example/sub"),
            (&[host, outside], false, None, "http://localhost:3141"),
            (
                &[host],
                true,
                Some("https://set.example"),
                "https://set.example",
            ),
            (
                &[host, outside],
                true,
                Some("https://set.example"),
                "https://pypi.example/sub",
            ),
            (
                &[host, outside],
                false,
                Some("https://set.example"),
                "https://set.example",
            ),
            (
                &[
                    host,
                    ("forwarded", "for=1.2.3.4;proto=https;host=f.example"),
                ],
                true,
                None,
                "https://f.example",
            ),
            (
                &[
                    host,
                    ("forwarded", "for=1.2.3.4;proto=https;host=f.example"),
                ],
                false,
                None,
                "http://localhost:3141",
            ),
            (
                &[
                    host,
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "x.example:8443"),
                ],
                true,
                None,
                "https://x.example:8443",
            ),
            (
                &[host, ("x-forwarded-proto", "javascript")],
                true,
                None,
                "http://localhost:3141",
            ),
            (
                &[host, ("x-outside-url", "javascript:alert(1)")],
                true,
                None,
                "http://localhost:3141",
            ),
            (
                &[host, ("x-outside-url", "http://h/\"onload=")],
                true,
                None,
                "http://localhost:3141",
            ),
            (&[("host", "a/b?c")], true, None, "http://localhost"),
        ] {
            assert_eq!(
                base(pairs, trusted, setting),
                expected,
                "{pairs:?} {trusted}"
            );
        }
    }

    #[test]
    fn the_client_is_the_nearest_hop_that_is_not_ours() {
        let settings = HttpSettings {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..HttpSettings::default()
        };
        for (peer, pairs, expected) in [
            (
                "192.0.2.9",
                &[("x-forwarded-for", "1.1.1.1")][..],
                "192.0.2.9",
            ),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[("x-forwarded-for", "1.1.1.1")], "1.1.1.1"),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "6.6.6.6, 1.1.1.1")],
                "1.1.1.1",
            ),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.7")],
                "1.1.1.1",
            ),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "10.0.0.8, 10.0.0.7")],
                "10.0.0.8",
            ),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "1.1.1.1, rubbish")],
                "10.0.0.1",
            ),
            ("10.0.0.1", &[("x-real-ip", "2.2.2.2")], "2.2.2.2"),
            (
                "10.0.0.1",
                &[("forwarded", "for=\"[2001:db8::5]:4711\";proto=http")],
                "2001:db8::5",
            ),
            (
                "10.0.0.1",
                &[("forwarded", "for=6.6.6.6, For=1.1.1.1:80")],
                "1.1.1.1",
            ),
            ("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1"),
            // Proxies pass on what they do not know, so a client may add a header of its own:
            // where the headers contradict each other, none of them is believed.
            (
                "10.0.0.1",
                &[("forwarded", "for=6.6.6.6"), ("x-real-ip", "1.1.1.1")],
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "6.6.6.6"), ("x-real-ip", "1.1.1.1")],
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                &[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "1.1.1.1")],
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                &[
                    ("forwarded", "for=6.6.6.6, for=10.0.0.7"),
                    ("x-forwarded-for", "1.1.1.1, 10.0.0.7"),
                ],
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                &[
                    ("x-forwarded-for", "6.6.6.6, 1.1.1.1"),
                    ("x-real-ip", "1.1.1.1"),
                ],
                "1.1.1.1",
            ),
            (
                "10.0.0.1",
                &[
                    ("x-forwarded-for", "1.1.1.1, 10.0.0.7"),
                    ("x-real-ip", "10.0.0.7"),
                ],
                "1.1.1.1",
            ),
        ] {
            let peer = SocketAddr::new(peer.parse().unwrap(), 1);
            let client = client_address(&settings, &headers(pairs), Some(peer));
            assert_eq!(client, Some(expected.parse().unwrap()), "{pairs:?}");
        }
        assert_eq!(client_address(&settings, &headers(&[]), None), None);
    }

    #[test]
    fn paths_lose_the_prefix_and_needless_spelling() {
        for (path, prefix, expected) in [
            ("/bob/dev", "", "/bob/dev"),
            ("/sub/bob/dev", "/sub", "/bob/dev"),
            ("/bob/dev", "/sub", "/bob/dev"),
            ("/sub", "/sub", "/"),
            ("/sub/", "/sub", "/"),
            ("/subway/dev", "/sub", "/subway/dev"),
            ("//bob/dev", "", "/bob/dev"),
            ("///sub/bob", "/sub", "/bob"),
            ("/bob/dev/%2Bsimple/", "", "/bob/dev/+simple/"),
            ("/%2blogin", "", "/+login"),
            ("/", "", "/"),
            ("//", "", "/"),
        ] {
            assert_eq!(inner_path(path, prefix), expected, "{path} {prefix}");
        }
    }

    #[test]
    fn the_prefix_is_the_path_of_the_outside_url() {
        for (url, expected) in [
            ("https://h", ""),
            ("https://h:1", ""),
            ("https://h/sub", "/sub"),
            ("https://h/a/b/", "/a/b"),
        ] {
            assert_eq!(prefix(url), expected);
        }
    }
}
