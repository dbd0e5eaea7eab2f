//! Certificates of clients: who vouches for them, which were taken back, and whose they are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cheeseshop_client::Certificate;
use cheeseshop_http::ClientCertificate;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::revocations::{REVOKED, Revocations};
use super::settings::{ClientCertificates, ClientUser, RevokedExpired, TlsSettings};
use super::trouble::Trouble;

const AUTHORITIES: &str = "tls.client_ca";

/// How the certificates of clients are judged.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    is_required: bool,
    user: ClientUser,
    /// The first moment at which one of the authorities is not valid any more, with its subject.
    authority_ends: Option<(Timestamp, String)>,
    pub(super) revocations: Option<Revocations>,
}

impl Clients {
    /// Reads the authorities; `None`: clients are not asked for certificates.
    pub(super) fn open(
        settings: &TlsSettings,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Self>, Trouble> {
        let (ClientCertificates::Optional | ClientCertificates::Required, Some(file)) =
            (settings.client_certificates, &settings.client_ca)
        else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        let mut authority_ends: Option<(Timestamp, String)> = None;
        for der in authorities(file)? {
            if let Ok(certificate) = Certificate::read(&der)
                && authority_ends
                    .as_ref()
                    .is_none_or(|(earliest, _)| certificate.not_after < *earliest)
            {
                authority_ends = Some((certificate.not_after, certificate.subject));
            }
            roots.add(der).map_err(|error| {
                let hint = "every certificate in it has to be that of an authority";
                Trouble::of(AUTHORITIES, file, format!("cannot be used: {error}"), hint)
            })?;
        }
        let is_required = settings.client_certificates == ClientCertificates::Required;
        let mut verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
        let revocations = match &settings.client_revoked {
            Some(file) => Some(Revocations::read(file, settings.client_revoked_expired)?),
            None => None,
        };
        if let Some(revocations) = &revocations {
            // An authority in between may have no list; whoever names lists wants clients' certificates
            // to be looked up, and one whose issuer has none in the file is refused.
            verifier = verifier
                .with_crls(revocations.lists.clone())
                .only_check_end_entity_revocation();
            if revocations.when_expired == RevokedExpired::Refuse {
                verifier = verifier.enforce_revocation_expiration();
            }
        }
        if !is_required {
            verifier = verifier.allow_unauthenticated();
        }
        let verifier = verifier.build().map_err(|error| {
            let (setting, file, hint) = match &settings.client_revoked {
                Some(lists) => (
                    REVOKED,
                    lists.as_path(),
                    "check it with `openssl crl -noout -text -in FILE`",
                ),
                None => (
                    AUTHORITIES,
                    file.as_path(),
                    "check it with `openssl x509 -noout -text -in FILE`",
                ),
            };
            Trouble::of(setting, file, format!("cannot be used: {error}"), hint)
        })?;
        Ok(Some(Self {
            verifier,
            is_required,
            user: settings.client_user,
            authority_ends,
            revocations,
        }))
    }

    /// What the certificate means that a connection has shown, as of now. The chain was proved to be
    /// the client's when the connection was made, perhaps by other rules and long ago.
    pub(super) fn judge(
        &self,
        chain: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> ClientCertificate {
        let Some((own, between)) = chain.split_first() else {
            return if self.is_required {
                refused("this server wants a client certificate by now: connect again with one")
            } else {
                ClientCertificate::Nobody
            };
        };
        let verified = self.verifier.verify_client_cert(own, between, unix(now));
        if let Err(error) = verified {
            return refused(&format!("the client certificate {}", why_not(&error)));
        }
        match name(own, self.user) {
            Ok(None) => ClientCertificate::Nobody,
            Ok(Some(name)) => ClientCertificate::User(name.into()),
            Err(reason) => ClientCertificate::Unclear(reason.into()),
        }
    }

    /// The next moment at which [`Clients::judge`] may say something else of the same certificate, as far
    /// as that does not depend on the certificate.
    pub(super) fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.revocations.as_ref()?.next_end(now)
    }

    /// What the log says of the time of authorities and lists.
    pub(super) fn ends_in_sight(&self, now: Timestamp) -> Vec<String> {
        let lists = self.revocations.iter();
        let lists = lists.flat_map(|lists| lists.ends_in_sight(now));
        self.end_in_sight(now).into_iter().chain(lists).collect()
    }

    fn end_in_sight(&self, now: Timestamp) -> Option<String> {
        let (end, subject) = self.authority_ends.as_ref()?;
        let days = (end.as_second() - now.as_second()).div_euclid(86_400);
        (days < super::identity::DAYS_OF_WARNING).then(|| {
            format!(
                "the authority {subject} of `tls.client_ca` {}",
                if days < 0 {
                    "has expired".to_owned()
                } else {
                    format!("expires in {days} days")
                }
            )
        })
    }
}

fn unix(time: Timestamp) -> UnixTime {
    let seconds = u64::try_from(time.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn refused(reason: &str) -> ClientCertificate {
    ClientCertificate::Refused(reason.into())
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let found = CertificateDer::pem_slice_iter(&read(AUTHORITIES, file)?)
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_default();
    if found.is_empty() {
        let hint = "a PEM file has a line `-----BEGIN CERTIFICATE-----` for each";
        let what = "holds no certificate that can be read";
        return Err(Trouble::of(AUTHORITIES, file, what, hint));
    }
    Ok(found)
}

fn read(setting: &str, file: &Path) -> Result<Vec<u8>, Trouble> {
    std::fs::read(file).map_err(|error| Trouble::unreadable(setting, file, &error))
}

/// Why a certificate of a client was refused.
pub(super) fn why_not(error: &rustls::Error) -> String {
    if matches!(error, rustls::Error::NoCertificatesPresented) {
        return "is missing".to_owned();
    }
    let rustls::Error::InvalidCertificate(reason) = error else {
        return format!("is not accepted: {error}");
    };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet".to_owned()
        }
        // Authorities of the same name with other keys differ in the signature only.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is of an authority that `tls.client_ca` does not name".to_owned()
        }
        CertificateError::Revoked => "was revoked".to_owned(),
        CertificateError::UnknownRevocationStatus => {
            "may have been revoked: `tls.client_revoked` has no list of its issuer".to_owned()
        }
        CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => {
            "may have been revoked: the list of its issuer in `tls.client_revoked` is out of date"
                .to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not one for clients (extended key usage)".to_owned()
        }
        other => format!("is not accepted: {other}"),
    }
}

/// The user's name in a certificate. `None`: nobody asks for it.
fn name(der: &CertificateDer<'_>, which: ClientUser) -> Result<Option<String>, String> {
    let what = match which {
        ClientUser::None => return Ok(None),
        ClientUser::CommonName => "common name",
        ClientUser::Email => "e-mail address",
        ClientUser::Dns => "DNS name",
    };
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|_| "the client certificate cannot be read".to_owned())?;
    let names: BTreeSet<String> = match which {
        ClientUser::CommonName => certificate
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok().map(str::to_owned))
            .collect(),
        _ => alternatives(&certificate, which),
    };
    let mut names = names.into_iter();
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(Some(name)),
        (None, _) => Err(format!(
            "the client certificate has no {what}, by which this server knows users"
        )),
        (Some(_), Some(_)) => Err(format!(
            "the client certificate has more than one {what}, by which this server knows users"
        )),
    }
}

/// The alternative names of a kind.
fn alternatives(certificate: &X509Certificate<'_>, which: ClientUser) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension()
        else {
            continue;
        };
        for name in &alternative.general_names {
            match (name, which) {
                (GeneralName::RFC822Name(name), ClientUser::Email)
                | (GeneralName::DNSName(name), ClientUser::Dns) => {
                    names.insert((*name).to_owned());
                }
                _ => {}
            }
        }
    }
    if names.is_empty() && which == ClientUser::Email {
        // Where addresses stood before there were alternative names.
        let written = certificate.subject().iter_email();
        names.extend(written.filter_map(|name| name.as_str().ok().map(str::to_owned)));
    }
    names
}

#[cfg(test)]
mod tests {
    use cheeseshop_test_support::{CertificateAuthority, ClientSays};

    use super::*;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn a_certificate_stands_for_the_one_user_that_it_names() {
        let authority = CertificateAuthority::new();
        let issue = |says: ClientSays<'_>| der(&authority.issue_client_as(&says).0);
        let full = issue(ClientSays {
            common_name: Some("Bob Builder"),
            emails: &["bob@shop.test"],
            dns: &["ci.shop.test"],
            ..ClientSays::default()
        });
        for (which, expected) in [
            (ClientUser::None, None),
            (ClientUser::CommonName, Some("Bob Builder")),
            (ClientUser::Email, Some("bob@shop.test")),
            (ClientUser::Dns, Some("ci.shop.test")),
        ] {
            let found = name(&full, which).unwrap();
            assert_eq!(found.as_deref(), expected, "{which:?}");
        }
        let several = issue(ClientSays {
            emails: &["bob@shop.test", "root@shop.test"],
            dns: &["a.test", "b.test"],
            ..ClientSays::default()
        });
        let nothing = issue(ClientSays::default());
        for which in [ClientUser::Email, ClientUser::Dns] {
            let told = name(&several, which).unwrap_err();
            assert!(told.contains("has more than one"), "{told}");
        }
        for which in [ClientUser::CommonName, ClientUser::Email, ClientUser::Dns] {
            let told = name(&nothing, which).unwrap_err();
            assert!(told.contains("has no"), "{told}");
        }
    }

    #[test]
    fn files_of_authorities_and_lists_are_looked_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let authority = CertificateAuthority::new();
        let open = |text: &str, list: Option<&str>| {
            std::fs::write(&path, text).unwrap();
            let lists = folder.path().join("crl.pem");
            if let Some(list) = list {
                std::fs::write(&lists, list).unwrap();
            }
            let settings = TlsSettings {
                client_certificates: ClientCertificates::Required,
                client_ca: Some(path.clone()),
                client_revoked: list.map(|_| lists),
                ..TlsSettings::default()
            };
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            Clients::open(&settings, &provider)
        };
        let list = authority.revocations(&[7]);
        assert!(open(authority.pem(), None).unwrap().is_some());
        assert!(open(authority.pem(), Some(&list)).unwrap().is_some());
        let told = open("nothing", None).unwrap_err();
        assert!(told.what().contains("`tls.client_ca`"), "{told:?}");
        let told = open(authority.pem(), Some("nothing")).unwrap_err();
        assert!(told.what().contains("`tls.client_revoked`"), "{told:?}");
    }

    #[test]
    fn a_certificate_is_judged_as_of_now() {
        let folder = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::new();
        let settings = TlsSettings {
            client_certificates: ClientCertificates::Required,
            client_ca: Some(authority.write_pem(folder.path())),
            client_user: ClientUser::CommonName,
            ..TlsSettings::default()
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = Clients::open(&settings, &provider).unwrap().unwrap();
        let says = ClientSays {
            common_name: Some("bob"),
            years: Some(2026..2027),
            ..ClientSays::default()
        };
        let chain = [der(&authority.issue_client_as(&says).0)];
        let judged = |chain: &[_], now: &str| clients.judge(chain, now.parse().unwrap());
        let good = judged(&chain, "2026-06-01T00:00:00Z");
        assert_eq!(good, ClientCertificate::User("bob".into()));
        for (chain, now, expected) in [
            (&chain[..], "2027-06-01T00:00:00Z", "has expired"),
            (&chain[..], "2025-06-01T00:00:00Z", "is not valid yet"),
            (&[], "2026-06-01T00:00:00Z", "connect again with one"),
        ] {
            let ClientCertificate::Refused(reason) = judged(chain, now) else {
                panic!("{now}");
            };
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn an_authority_that_ends_is_told() {
        let ends = |end: &str| Clients {
            verifier: WebPkiClientVerifier::no_client_auth(),
            is_required: false,
            user: ClientUser::None,
            authority_ends: Some((end.parse().unwrap(), "CN=Company".to_owned())),
            revocations: None,
        };
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        for (end, expected) in [
            ("2026-11-05T00:00:00Z", Some("expires in 4 days")),
            ("2026-10-05T00:00:00Z", Some("has expired")),
            ("2027-10-05T00:00:00Z", None),
        ] {
            let told = ends(end).end_in_sight(now);
            assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
            if let (Some(told), Some(expected)) = (told, expected) {
                assert!(told.ends_with(expected), "{told}");
            }
        }
    }
}
