//! Whether requests to the server go through a proxy.

use std::net::IpAddr;

use url::Url;

use super::Finding;
use crate::Environment;
use crate::tool_config::without_password;

/// The proxy for a URL, and the variable that names it.
pub(super) fn proxy_for(environment: &Environment, url: &Url) -> Option<(&'static str, String)> {
    let variables: &[&'static str] = match url.scheme() {
        "https" => &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let found = variables
        .iter()
        .find_map(|name| Some((*name, environment.get(name)?.to_owned())))?;
    let excluded = environment
        .get("NO_PROXY")
        .or_else(|| environment.get("no_proxy"))
        .unwrap_or_default();
    let host = url.host_str()?.trim_matches(['[', ']']);
    (!excluded
        .split(',')
        .any(|entry| is_excluded(entry.trim(), host)))
    .then_some(found)
}

/// Whether an entry of `NO_PROXY` covers a host, as curl, pip and this client see it.
fn is_excluded(entry: &str, host: &str) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return entry.parse::<IpAddr>().is_ok_and(|one| one == address)
            || covers(entry, address).unwrap_or(false);
    }
    let entry = entry.trim_start_matches("*.").trim_start_matches('.');
    if entry.is_empty() {
        return false;
    }
    let (entry, host) = (entry.to_ascii_lowercase(), host.to_ascii_lowercase());
    host == entry || host.ends_with(&format!(".{entry}"))
}

/// Whether a network such as `10.0.0.0/8` covers an address.
fn covers(network: &str, address: IpAddr) -> Option<bool> {
    let (network, length) = network.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    let masked = |bits: u128, width: u32| bits.checked_shr(width.checked_sub(length)?);
    match (network.parse().ok()?, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => Some(
            masked(u128::from(network.to_bits()), 32)?
                == masked(u128::from(address.to_bits()), 32)?,
        ),
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            // All bits are shifted out by a length of nothing.
            Some(length == 0 || masked(network.to_bits(), 128)? == masked(address.to_bits(), 128)?)
        }
        _ => Some(false),
    }
}

/// Whether a host is most likely of this machine or of the company's own network.
fn is_inside(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => host == "localhost" || !host.contains('.') || host.ends_with(".localhost"),
    }
}

pub(super) fn check(environment: &Environment, url: &Url, findings: &mut Vec<Finding>) {
    let Some(host) = url.host_str() else {
        return;
    };
    match proxy_for(environment, url) {
        None => {
            let is_set = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
                .iter()
                .any(|name| environment.has(name) || environment.has(&name.to_ascii_lowercase()));
            let text = if is_set {
                format!("none for {host}, though variables name one for other hosts")
            } else {
                "none".to_owned()
            };
            findings.push(Finding::ok("proxy", text));
        }
        Some((name, proxy)) if is_inside(host) => findings.push(Finding::warn(
            "proxy",
            format!(
                "requests to {host} go through {} ({name}), which is odd for a host of this machine or network",
                without_password(&proxy)
            ),
            format!("add {host} to NO_PROXY"),
        )),
        Some((name, proxy)) => findings.push(Finding::ok(
            "proxy",
            format!(
                "requests to {host} go through {} ({name}); NO_PROXY would except it",
                without_password(&proxy)
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn proxy(variables: &[(&str, &str)], url: &str) -> Option<&'static str> {
        let environment = Environment::of(variables, Path::new("/"));
        proxy_for(&environment, &url.parse().unwrap()).map(|(name, _)| name)
    }

    #[test]
    fn the_scheme_chooses_the_variable() {
        let both = [
            ("HTTP_PROXY", "http://p.test"),
            ("https_proxy", "http://q.test"),
        ];
        assert_eq!(proxy(&both, "http://shop.test/"), Some("HTTP_PROXY"));
        assert_eq!(proxy(&both, "https://shop.test/"), Some("https_proxy"));
        assert_eq!(proxy(&both[1..], "http://shop.test/"), None);
        let all = [("ALL_PROXY", "socks5://p.test")];
        assert_eq!(proxy(&all, "http://shop.test/"), Some("ALL_PROXY"));
    }

    #[test]
    fn hosts_and_networks_are_excluded() {
        for (excluded, url, is_excluded) in [
            ("shop.test", "http://shop.test/", true),
            ("test", "http://shop.test/", true),
            (".test", "http://shop.test/", true),
            ("hop.test", "http://shop.test/", false),
            ("a, *.SHOP.test ,b", "http://x.shop.test/", true),
            ("*", "http://shop.test/", true),
            ("", "http://shop.test/", false),
            ("127.0.0.1", "http://127.0.0.1:3141/", true),
            ("10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("10.0.0.0/99", "http://10.1.2.3/", false),
            ("0.0.0.0/0", "http://10.1.2.3/", true),
            ("::1", "http://[::1]:3141/", true),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("::/0", "http://[fd12::1]/", true),
        ] {
            let variables = [("HTTP_PROXY", "http://p.test"), ("NO_PROXY", excluded)];
            assert_eq!(
                proxy(&variables, url).is_none(),
                is_excluded,
                "{excluded} {url}"
            );
        }
    }

    #[test]
    fn a_proxy_for_a_host_of_this_network_is_odd_and_its_password_hidden() {
        let environment = Environment::of(
            &[("HTTP_PROXY", "http://me:secret@p.test:8080")],
            Path::new("/"),
        );
        for (url, level) in [
            ("http://localhost:3141/", super::super::Level::Warn),
            ("http://shop.example/", super::super::Level::Ok),
        ] {
            let mut findings = Vec::new();
            check(&environment, &url.parse().unwrap(), &mut findings);
            assert_eq!(findings[0].level, level, "{url}");
            assert!(!findings[0].text.contains("secret"), "{findings:?}");
        }
    }
}
