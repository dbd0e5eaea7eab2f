//! What a certificate says, for people: whose it is, who vouches, until when, for which names.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// No honest name is longer; a hostile one fills no screen.
const LONGEST_NAME: usize = 200;

/// More names of one certificate are not kept.
const MOST_NAMES: usize = 100;

/// OpenSSL's and RFC 5280's number of "certificates of the issuer are at".
const ISSUER_ADDRESS: x509_parser::der_parser::Oid<'static> =
    x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;

/// A certificate and what it says. Texts in it are a stranger's; control characters are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// Who vouches for it.
    pub issuer: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// The host names and addresses it is for.
    pub names: Vec<String>,
    /// Whether it may vouch for others.
    pub is_authority: bool,
    /// Whether issuer and subject are the same, as of every root.
    pub is_self_issued: bool,
    /// Whether it says where its issuer's certificate can be fetched, as those do that need a chain.
    pub names_issuers_address: bool,
    /// SHA-256 of the whole, as `openssl x509 -fingerprint -sha256` prints it.
    pub fingerprint: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|_| "it is no X.509 certificate".to_owned())?;
        if !rest.is_empty() {
            return Err("something stands behind the certificate".to_owned());
        }
        let time = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let mut names = Vec::new();
        let mut names_issuers_address = false;
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(alternative) => names.extend(
                    alternative
                        .general_names
                        .iter()
                        .filter_map(host)
                        .take(MOST_NAMES),
                ),
                ParsedExtension::AuthorityInfoAccess(access) => {
                    names_issuers_address |= access
                        .accessdescs
                        .iter()
                        .any(|description| description.access_method == ISSUER_ADDRESS);
                }
                _ => {}
            }
        }
        Ok(Self {
            subject: readable(&parsed.subject().to_string()),
            issuer: readable(&parsed.issuer().to_string()),
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            names,
            is_authority: parsed.is_ca(),
            is_self_issued: parsed.subject().as_raw() == parsed.issuer().as_raw(),
            names_issuers_address,
            fingerprint: fingerprint(der),
            der: CertificateDer::from(der.to_vec()),
        })
    }

    /// The certificate itself, in DER.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The certificate in PEM, with the usual 64 characters to a line.
    pub fn pem(&self) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&self.der);
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// Whole days until it is no longer valid; negative when it is not.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (self.not_after.as_second() - now.as_second()).div_euclid(86_400)
    }

    /// Whether it is valid at a moment.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The days on which it is valid, as `2026-01-31 to 2027-01-31`.
    pub fn validity(&self) -> String {
        format!("{} to {}", day(self.not_before), day(self.not_after))
    }
}

/// A moment as its day.
pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// The name or address that a certificate is for.
fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(readable(name)),
        GeneralName::IPAddress(bytes) => {
            if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                return Some(std::net::Ipv4Addr::from(four).to_string());
            }
            let sixteen = <[u8; 16]>::try_from(*bytes).ok()?;
            Some(std::net::Ipv6Addr::from(sixteen).to_string())
        }
        _ => None,
    }
}

fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

/// A stranger's text on one line, and not too long.
fn readable(text: &str) -> String {
    let text: String = text
        .chars()
        .take(LONGEST_NAME)
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if text.is_empty() {
        "(no name)".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use cheeseshop_test_support::CertificateAuthority;

    use super::*;

    #[test]
    fn a_certificate_tells_whose_it_is_and_for_what() {
        let authority = CertificateAuthority::new();
        let (pem, _) = authority.issue(&["shop.test", "*.shop.test", "127.0.0.1", "::1"]);
        let read = super::super::roots::read_bytes(pem.as_bytes()).unwrap();
        let leaf = &read.certificates[0];
        assert_eq!(leaf.subject, "CN=Cheeseshop test server");
        assert_eq!(leaf.issuer, "CN=Cheeseshop test authority");
        assert_eq!(leaf.names, ["shop.test", "*.shop.test", "127.0.0.1", "::1"]);
        assert!(!leaf.is_authority && !leaf.is_self_issued);
        assert_eq!(leaf.fingerprint.len(), 32 * 3 - 1);
        let again = super::super::roots::read_bytes(leaf.pem().as_bytes()).unwrap();
        assert_eq!(&again.certificates[0], leaf);
        let read = super::super::roots::read_bytes(authority.pem().as_bytes()).unwrap();
        assert!(read.certificates[0].is_authority && read.certificates[0].is_self_issued);
    }

    #[test]
    fn days_are_counted_down_to_and_below_nothing() {
        let authority = CertificateAuthority::new();
        let (pem, _) = authority.issue(&["shop.test"]);
        let mut leaf = super::super::roots::read_bytes(pem.as_bytes())
            .unwrap()
            .certificates
            .remove(0);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (seconds, days) in [(86_400 * 3 + 5, 3), (86_399, 0), (-1, -1), (-86_401, -2)] {
            leaf.not_after = Timestamp::from_second(now.as_second() + seconds).unwrap();
            assert_eq!(leaf.days_left(now), days, "{seconds}");
        }
    }

    #[test]
    fn strangers_names_stay_on_their_line() {
        assert_eq!(readable("CN=a\nb\x1b"), "CN=a\u{fffd}b\u{fffd}");
        assert_eq!(readable(&"x".repeat(5000)).len(), LONGEST_NAME);
    }
}
