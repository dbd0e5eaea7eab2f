//! Addresses, names and networks, as other programs take them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::site::refused;
use crate::failure::Failure;

/// The addresses of this machine itself, who may look at it by default.
const THIS_MACHINE: [&str; 2] = ["127.0.0.1", "::1"];

/// A name of the domain system.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// The name of a site, without the dot that some write at its end.
pub(super) fn name(text: &str) -> Result<String, Failure> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if is_name(name) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(refused("--server-name", text, "a host name"))
    }
}

fn is_name(text: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= LONGEST_NAME && text.split('.').all(is_label)
}

/// `HOST:PORT`, spelled in one way.
pub(super) fn host_and_port(text: &str) -> Option<String> {
    let (written, port) = text.rsplit_once(':')?;
    Some(format!("{}:{}", host(written)?, self::port(port)?))
}

/// An address of IPv4, one of IPv6 in brackets, or a name, spelled in one way.
fn host(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('[') {
        let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(address.to_string());
    }
    // What ends in a number is an address, and not one that there is.
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|letter| letter.is_ascii_digit());
    (is_name(text) && !is_number).then(|| text.to_ascii_lowercase())
}

/// A port that one can listen on, without the sign that would mean something else to haproxy.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|letter| letter.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listen {
    /// Empty for every address.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Listen {
    /// Those that are given, else every address with this port; `none` is none.
    pub(super) fn all(flag: &str, given: &[String], default: u16) -> Result<Vec<Self>, Failure> {
        if given.is_empty() {
            return Ok(vec![Self {
                host: String::new(),
                port: default,
            }]);
        }
        if given == ["none"] {
            return Ok(Vec::new());
        }
        given
            .iter()
            .map(|text| Self::parse(text).ok_or_else(|| refused(flag, text, "[HOST:]PORT")))
            .collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let (written, port) = text.rsplit_once(':').unwrap_or(("", text));
        let host = if written.is_empty() {
            String::new()
        } else {
            host(written)?
        };
        let port = self::port(port)?;
        Some(Self { host, port })
    }

    /// Refuses what would be listened on twice.
    pub(super) fn distinct(listen: &[Self], redirect_from: &[Self]) -> Result<(), Failure> {
        let all: Vec<String> = listen
            .iter()
            .chain(redirect_from)
            .flat_map(|listen| match (listen.host.as_str(), listen.port) {
                ("", port) => vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")],
                (host, port) => vec![format!("{host}:{port}")],
            })
            .collect();
        match (1..all.len()).find(|place| all[..*place].contains(&all[*place])) {
            None => Ok(()),
            Some(place) => Err(Failure::could_not_try(format!(
                "`--listen`, `--redirect-from`: {} would be listened on twice",
                all[place]
            ))
            .with_hint("a port alone means every address, of IPv4 and of IPv6")),
        }
    }
}

/// `:PORT` behind a host name, where the scheme does not say so already.
pub(super) fn port_suffix(scheme: &str, port: u16) -> String {
    match (scheme, port) {
        ("https", 443) | ("http", 80) => String::new(),
        _ => format!(":{port}"),
    }
}

/// Who may look: addresses and networks; empty for everybody.
pub(super) fn networks(given: &[String]) -> Result<Vec<String>, Failure> {
    if given.is_empty() {
        return Ok(THIS_MACHINE.map(str::to_owned).to_vec());
    }
    if given.iter().any(|text| text == "all") {
        return Ok(Vec::new());
    }
    let network = |text: &String| {
        let address = text.parse::<IpAddr>().map(|address| address.to_string());
        // nginx complains of an address in a network.
        address
            .or_else(|_| text.parse::<IpNet>().map(|net| net.trunc().to_string()))
            .map_err(|_| refused("--allow-status", text, "an address or a network"))
    };
    given.iter().map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_before_another_program_does() {
        for (text, expected) in [
            ("10.0.0.1:4", "10.0.0.1:4"),
            ("A_b.test:04", "a_b.test:4"),
            ("[2001:DB8:0::1]:4", "[2001:db8::1]:4"),
            ("xn--bcher-kva.test:4", "xn--bcher-kva.test:4"),
        ] {
            assert_eq!(host_and_port(text).as_deref(), Some(expected));
        }
        for text in [
            "10.0.0.256:4",
            "7:4",
            "a.test:+4",
            "a.test:0",
            "a.test:65536",
            "a..test:4",
            "-a.test:4",
            "[a.test]:4",
            "[10.0.0.1]:4",
            "[::1:4",
            "::1:4",
            "[fe80::1%lo]:4",
            "]:4",
            ":4",
            "bücher.test:4",
        ] {
            assert_eq!(host_and_port(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_those_that_a_request_can_ask_for() {
        assert_eq!(name("A.test.").unwrap(), "a.test");
        assert_eq!(name("10.0.0.1").unwrap(), "10.0.0.1");
        let long = vec!["a".repeat(60); 5].join(".");
        for text in [
            "", ".", ".a", "a..b", "a b", "a;b", "a{", "a\n", "*", "[::1]", &long,
        ] {
            assert!(name(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn nothing_is_listened_on_twice() {
        let given = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Listen::all("--listen", &texts, 443).unwrap()
        };
        let plain = given(&["80"]);
        assert!(Listen::distinct(&given(&[]), &plain).is_ok());
        assert!(Listen::distinct(&given(&["127.0.0.1:80", "[::1]:80"]), &[]).is_ok());
        for listen in [
            &["80"][..],
            &["0.0.0.0:80"],
            &["[0::0]:80"],
            &["443", ":443"],
        ] {
            assert!(
                Listen::distinct(&given(listen), &plain).is_err(),
                "{listen:?}"
            );
        }
        for text in [
            "0",
            "x",
            "443;",
            "a b:443",
            "80 default_server",
            "",
            "::1:443",
            "+1",
        ] {
            let given = [text.to_owned()];
            assert!(Listen::all("--listen", &given, 443).is_err(), "{text:?}");
        }
    }

    #[test]
    fn networks_are_written_without_an_address_in_them() {
        let given = ["10.1.2.3/8", "::1", "2001:db8::1/32"].map(str::to_owned);
        let expected = ["10.0.0.0/8", "::1", "2001:db8::/32"];
        assert_eq!(networks(&given).unwrap(), expected);
        assert!(networks(&["10.0.0.0/8; allow all".to_owned()]).is_err());
    }
}
