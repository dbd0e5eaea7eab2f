//! The verifier of servers: the system's or one of named certificates, whose refusals say which
//! certificate they are about.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
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
    /// How many are trusted, where that is known.
    count: Option<usize>,
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
        let (count, _) =
            store.add_parsable_certificates(certificates.iter().map(|one| one.der().clone()));
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), self.provider.clone())
            .build()
            .map(|verifier| Inner {
                verifier,
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
