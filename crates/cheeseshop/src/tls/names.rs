//! Which certificate a client gets: the one for the name that it asks for.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::identity::Identity;

/// The certificates of the server by their names.
#[derive(Debug)]
pub(super) struct ByName {
    entries: Vec<(Vec<String>, Arc<CertifiedKey>)>,
}

impl ByName {
    pub(super) fn new(identities: &[Identity]) -> Self {
        let entry = |identity: &Identity| (identity.names().to_vec(), Arc::clone(&identity.key));
        Self {
            entries: identities.iter().map(entry).collect(),
        }
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_understood = |entry: &&(Vec<String>, Arc<CertifiedKey>)| {
            let schemes = client.signature_schemes();
            entry.1.key.choose_scheme(schemes).is_some()
        };
        let wanted = client.server_name();
        let is_meant = |entry: &&(Vec<String>, Arc<CertifiedKey>)| {
            wanted.is_some_and(|wanted| entry.0.iter().any(|name| covers(name, wanted)))
        };
        let understood = || self.entries.iter().filter(is_understood);
        // Whoever asks for an address, or for a name that we do not know, gets the first: what it says
        // tells more than a broken connection.
        understood()
            .find(is_meant)
            .or_else(|| understood().next())
            .map(|(_, key)| Arc::clone(key))
    }
}

/// Whether a name of a certificate, which may begin with `*.`, covers a host name.
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
        None => name.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_covers_one_label() {
        for (name, host, expected) in [
            ("shop.test", "shop.test", true),
            ("shop.test", "SHOP.test", true),
            ("shop.test", "a.shop.test", false),
            ("*.shop.test", "a.shop.test", true),
            ("*.shop.test", "shop.test", false),
            ("*.shop.test", "a.b.shop.test", false),
            ("*.shop.test", ".shop.test", false),
        ] {
            assert_eq!(covers(name, host), expected, "{name} {host}");
        }
    }
}
