//! Addresses as devpi's options spell them.

use super::option::Written;

/// Where devpi's server listens unless it is told otherwise.
pub(super) const DEFAULT_HOST: &str = "localhost";
/// The port that goes with it.
pub(super) const DEFAULT_PORT: &str = "3141";

/// All addresses of this machine, as waitress spells it.
const EVERYWHERE: &str = "*";

/// `--listen`: `HOST:PORT`, several parted by commas.
#[expect(clippy::unnecessary_wraps, reason = "one of several translations")]
pub(super) fn listen(written: &Written) -> Result<Option<String>, String> {
    let addresses: Vec<String> = written
        .text
        .split(',')
        .map(str::trim)
        .map(|address| match address.split_once(':') {
            Some((EVERYWHERE, port)) => everywhere(port),
            _ => address.to_owned(),
        })
        .collect();
    Ok(Some(addresses.join(",")))
}

/// `--host` and `--port` as one address. IPv6 addresses get the brackets that they need there.
pub(super) fn of_host_and_port(host: &str, port: &str) -> String {
    if host == EVERYWHERE {
        everywhere(port)
    } else if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// `--trusted-proxy`: one address, or `*` for whoever connects.
#[expect(clippy::unnecessary_wraps, reason = "one of several translations")]
pub(super) fn trusted_proxies(written: &Written) -> Result<Option<String>, String> {
    Ok(Some(match written.text.as_str() {
        EVERYWHERE => "0.0.0.0/0,::/0".to_owned(),
        "localhost" => "127.0.0.0/8,::1/128".to_owned(),
        address => address.to_owned(),
    }))
}

fn everywhere(port: &str) -> String {
    format!("0.0.0.0:{port},[::]:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_ipv6_become_addresses() {
        for (written, expected) in [
            ("127.0.0.2:1", "127.0.0.2:1"),
            ("*:1", "0.0.0.0:1,[::]:1"),
            ("[::1]:1, a.test:2", "[::1]:1,a.test:2"),
        ] {
            let written = Written {
                text: written.to_owned(),
                ..Written::default()
            };
            assert_eq!(listen(&written), Ok(Some(expected.to_owned())));
        }
        for (host, expected) in [
            ("localhost", "localhost:3141"),
            ("*", "0.0.0.0:3141,[::]:3141"),
            ("::1", "[::1]:3141"),
            ("[::1]", "[::1]:3141"),
        ] {
            assert_eq!(of_host_and_port(host, "3141"), expected, "{host}");
        }
    }
}
