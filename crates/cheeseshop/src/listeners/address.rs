//! How addresses are written: `HOST:PORT`, with `http://` or `https://` in front, or `unix:/path`.

use std::path::Path;

use super::{Transport, UNIX};

/// What an address looks like.
pub(super) const HOW_TO_WRITE: &str = "HOST:PORT, for example 127.0.0.1:3141 or [::1]:3141, \
     https://HOST:PORT, or unix:/run/cheeseshop.sock";

/// What an address may begin with that is a port.
const SCHEMES: &[(&str, Transport)] =
    &[("http://", Transport::Plain), ("https://", Transport::Tls)];

/// A written address, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// `HOST:PORT`.
    Tcp(&'a str, Transport),
    Unix(&'a Path),
}

impl<'a> Address<'a> {
    /// Takes an address apart; whether it makes sense is asked elsewhere.
    pub(super) fn of(written: &'a str) -> Self {
        if let Some(path) = written.strip_prefix(UNIX) {
            return Self::Unix(Path::new(path));
        }
        SCHEMES
            .iter()
            .find_map(|&(prefix, transport)| {
                let rest = written.strip_prefix(prefix)?;
                Some(Self::Tcp(rest.strip_suffix('/').unwrap_or(rest), transport))
            })
            .unwrap_or(Self::Tcp(written, Transport::Plain))
    }

    fn is_wrong(self) -> bool {
        match self {
            Self::Unix(path) => !path.has_root(),
            Self::Tcp(place, _) => place.rsplit_once(':').is_none_or(|(host, port)| {
                host.is_empty() || host.contains('/') || port.parse::<u16>().is_err()
            }),
        }
    }
}

/// What is wrong with the addresses as they are written, without looking up names.
pub(crate) fn problems(addresses: &[String]) -> Vec<String> {
    if addresses.is_empty() {
        return vec![format!(
            "there is no address to listen on; write {HOW_TO_WRITE}"
        )];
    }
    addresses
        .iter()
        .filter(|written| Address::of(written).is_wrong())
        .map(|written| format!("`{written}` is no address to listen on; write {HOW_TO_WRITE}"))
        .collect()
}

/// Whether TLS is to be spoken at one of the addresses.
pub(crate) fn speak_tls(addresses: &[String]) -> bool {
    let is_tls = |written: &String| matches!(Address::of(written), Address::Tcp(_, Transport::Tls));
    addresses.iter().any(is_tls)
}

/// The URL that leads to a written address.
pub(crate) fn url_of(written: &str) -> String {
    match Address::of(written) {
        Address::Unix(_) => written.to_owned(),
        Address::Tcp(place, transport) => format!("{}://{place}", transport.scheme()),
    }
}

/// Reads the mode of a socket: octal digits.
pub(crate) fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(format!(
            "`{text}` is no mode; write octal digits such as 660"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_found() {
        for (written, expected) in [
            ("unix:/run/x.sock", 0),
            ("unix:x.sock", 1),
            ("unix:", 1),
            ("a.test:1", 0),
            ("http://a.test:1", 0),
            ("https://[::1]:1/", 0),
            ("https://a.test", 1),
            ("https://a.test:1/path", 1),
            ("ftp://a.test:1", 1),
            ("3141", 1),
        ] {
            let found = problems(&[written.to_owned()]);
            assert_eq!(found.len(), expected, "{written}: {found:?}");
        }
        assert_eq!(problems(&[]).len(), 1);
    }

    #[test]
    fn a_scheme_says_what_is_spoken() {
        for (written, url) in [
            ("a.test:1", "http://a.test:1"),
            ("http://a.test:1/", "http://a.test:1"),
            ("https://a.test:1", "https://a.test:1"),
            ("unix:/run/s", "unix:/run/s"),
        ] {
            assert_eq!(url_of(written), url);
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("660"), Ok(0o660));
        assert_eq!(parse_mode("0600"), Ok(0o600));
        for wrong in ["", "rw", "888", "1777"] {
            assert!(parse_mode(wrong).is_err(), "{wrong}");
        }
    }
}
