//! The verifier of servers: the system's or one of named certificates, whose refusals say which
//! certificate they are about.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Certificate, Rejection, Roots};

/// What was seen while connections were made.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    presented: Mutex<Vec<CertificateDer<'static>>>,
    wants_certificate: AtomicBool,
    has_certificate: bool,
}

impl Notes {
    /// The certificates that the server showed last, its own first.
    pub(crate) fn presented(&self) -> Vec<Certificate> {
        self.presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter_map(|der| Certificate::read(der).ok())
            .collect()
    }

    /// Whether the server asked for a certificate of ours, and whether it was sent one.
    pub(crate) fn certificate_asked_and_sent(&self) -> (bool, bool) {
        (
            self.wants_certificate.load(Ordering::Relaxed),
            self.has_certificate,
        )
    }

    fn note(&self, end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
        let chain = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|der| der.clone().into_owned())
            .collect();
        *self
            .presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = chain;
    }
}

/// Verifies servers by the system's certificates or by named ones. These are read when the first
/// server shows its certificate, so that talking to a server without TLS costs nothing.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Roots,
    provider: Arc<CryptoProvider>,
    inner: OnceLock<Result<Inner, String>>,
    notes: Arc<Notes>,
}

#[derive(Debug)]
struct Inner {
    verifier: Arc<dyn ServerCertVerifier>,
    /// Those that are trusted by name.
    named: Vec<CertificateDer<'static>>,
    /// How many are trusted, where that is known.
    count: Option<usize>,
}

impl Inner {
    /// Verifies a server that shows the very certificate that is trusted by name. OpenSSL, and with it
    /// devpi-client and pip, take it though it is an authority's: `openssl req -x509` makes such ones.
    fn verify_named(
        &self,
        end_entity: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<ServerCertVerified, rustls::Error>> {
        if !self.named.iter().any(|named| named == end_entity) {
            return None;
        }
        let certificate = Certificate::read(end_entity).ok()?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let verified = if now < certificate.not_before.as_second() {
            Err(CertificateError::NotValidYet.into())
        } else if now > certificate.not_after.as_second() {
            Err(CertificateError::Expired.into())
        } else {
            ParsedCertificate::try_from(end_entity)
                .and_then(|parsed| verify_server_name(&parsed, server_name))
        };
        Some(verified.map(|()| ServerCertVerified::assertion()))
    }
}

impl Verifier {
    pub(super) fn new(roots: Roots, provider: Arc<CryptoProvider>, notes: Arc<Notes>) -> Self {
        Self {
            roots,
            provider,
            inner: OnceLock::new(),
            notes,
        }
    }

    /// Takes certificates that have been read already.
    pub(super) fn with_certificates(self, certificates: &[Certificate]) -> Self {
        let _ = self.inner.set(self.of_certificates(certificates));
        self
    }

    fn inner(&self) -> Result<&Inner, rustls::Error> {
        self.inner
            .get_or_init(|| match &self.roots {
                Roots::System => rustls_platform_verifier::Verifier::new(self.provider.clone())
                    .map(|verifier| Inner {
                        verifier: Arc::new(verifier),
                        named: Vec::new(),
                        count: None,
                    })
                    .map_err(|error| error.to_string()),
                named @ Roots::Named(_) => named
                    .read()
                    .map_err(|error| error.to_string())
                    .and_then(|certificates| self.of_certificates(&certificates)),
            })
            .as_ref()
            .map_err(|reason| rustls::Error::General(reason.clone()))
    }

    fn of_certificates(&self, certificates: &[Certificate]) -> Result<Inner, String> {
        let mut store = RootCertStore::empty();
        let named: Vec<_> = certificates.iter().map(|one| one.der().clone()).collect();
        let (count, _) = store.add_parsable_certificates(named.iter().cloned());
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), self.provider.clone())
            .build()
            .map(|verifier| Inner {
                verifier,
                named,
                count: Some(count),
            })
            .map_err(|error| error.to_string())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.notes.note(end_entity, intermediates);
        let inner = self.inner()?;
        inner
            .verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .or_else(|error| {
                inner
                    .verify_named(end_entity, server_name, now)
                    .unwrap_or(Err(error))
            })
            .map_err(|error| {
                let rustls::Error::InvalidCertificate(cause) = error else {
                    return error;
                };
                let rejection = Rejection {
                    host: server_name.to_str().into_owned(),
                    presented: self.notes.presented(),
                    cause,
                    roots: self.roots.clone(),
                    trusted: inner.count,
                    now: i64::try_from(now.as_secs())
                        .ok()
                        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
                        .unwrap_or(jiff::Timestamp::UNIX_EPOCH),
                };
                rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(
                    rejection,
                ))))
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner()?
            .verifier
            .verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner()?
            .verifier
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Believes every server, and notes what it showed. Nothing secret goes to such a one.
#[derive(Debug)]
pub(super) struct Believer {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) notes: Arc<Notes>,
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.notes.note(end_entity, intermediates);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Sends our certificate where one is asked for, and notes that it was.
#[derive(Debug)]
pub(super) struct Identity {
    key: Option<Arc<CertifiedKey>>,
    notes: Arc<Notes>,
}

impl Identity {
    /// A certificate to send, or none, and what notes it.
    pub(super) fn new(key: Option<CertifiedKey>) -> Self {
        Self {
            notes: Arc::new(Notes {
                has_certificate: key.is_some(),
                ..Notes::default()
            }),
            key: key.map(Arc::new),
        }
    }

    pub(super) fn notes(&self) -> Arc<Notes> {
        self.notes.clone()
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.notes.wants_certificate.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cheeseshop_test_support::CertificateAuthority;

    use super::*;

    /// What becomes of a server that shows the authority's own certificate.
    fn verify(
        shown: &CertificateAuthority,
        trusted: &CertificateAuthority,
        host: &'static str,
        second: u64,
    ) -> Result<(), String> {
        let read = |authority: &CertificateAuthority| {
            super::super::roots::read_bytes(authority.pem().as_bytes())
                .unwrap()
                .certificates
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Roots::Named(Vec::new());
        let verifier =
            Verifier::new(roots, provider, Arc::default()).with_certificates(&read(trusted));
        let now = UnixTime::since_unix_epoch(Duration::from_secs(second));
        verifier
            .verify_server_cert(
                read(shown)[0].der(),
                &[],
                &host.try_into().unwrap(),
                &[],
                now,
            )
            .map(drop)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_servers_certificate_that_is_trusted_by_name_may_be_an_authoritys() {
        let authority = CertificateAuthority::serving(&["shop.test"]);
        let other = CertificateAuthority::serving(&["shop.test"]);
        let now = 1_800_000_000;
        assert_eq!(verify(&authority, &authority, "shop.test", now), Ok(()));
        for (outcome, told) in [
            (
                verify(&authority, &other, "shop.test", now),
                "CaUsedAsEndEntity",
            ),
            (
                verify(&authority, &authority, "evil.test", now),
                "NotValidForName",
            ),
            (
                verify(&authority, &authority, "shop.test", 1),
                "NotValidYet",
            ),
            (
                verify(&authority, &authority, "shop.test", 1 << 40),
                "Expired",
            ),
        ] {
            let error = outcome.unwrap_err();
            assert!(error.contains(told), "{error} for {told}");
        }
    }
}
