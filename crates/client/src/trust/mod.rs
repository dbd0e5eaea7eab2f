//! How a server proves itself, and how we prove ourselves to it.
//!
//! The system's certificates are trusted unless others are named, by option or by one of the
//! variables that other tools know ([`Trust::of`]). A refusal says which certificate it is about and
//! what to do ([`Rejection`]).

mod bundle;
mod certificate;
mod explain;
mod identity;
mod roots;
mod verifier;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::{Environment, Error};

pub(crate) use self::bundle::{Bundle, Exports};
pub use self::certificate::Certificate;
pub(crate) use self::certificate::day;
pub use self::explain::Rejection;
pub(crate) use self::explain::{answered_in_plain_text, connection_trouble, facts, rejection};
pub(crate) use self::roots::{Found, read, read_bytes, system_certificates, system_places};
pub use self::roots::{Place, Roots};
pub(crate) use self::verifier::Notes;
use self::verifier::{Believer, Identity, Verifier};

/// What a connection trusts.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Roots,
    client_certificate: Option<PathBuf>,
    is_verified: bool,
    is_direct: bool,
}

impl Trust {
    /// The system's certificates.
    pub fn system() -> Self {
        Self {
            roots: Roots::System,
            client_certificate: None,
            is_verified: true,
            is_direct: false,
        }
    }

    /// What the option `--ca-bundle` or else the surroundings say: `PIP_CERT`, `REQUESTS_CA_BUNDLE`,
    /// `SSL_CERT_FILE` with `SSL_CERT_DIR`, `CURL_CA_BUNDLE`, the first that is set. Each may name a file
    /// or a directory.
    pub fn of(environment: &Environment, ca_bundle: Option<&Path>) -> Self {
        Self {
            roots: Roots::of(environment, ca_bundle),
            ..Self::system()
        }
    }

    /// Where the trusted certificates come from.
    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The same, with a certificate and key (one PEM file) that prove who we are.
    #[must_use]
    pub fn with_client_certificate(mut self, path: Option<PathBuf>) -> Self {
        self.client_certificate = path;
        self
    }

    /// The same, believing every server. Nothing secret may be sent over such a connection.
    #[must_use]
    pub fn unverified(mut self) -> Self {
        self.is_verified = false;
        self
    }

    /// The same, over a connection of its own whatever proxy the machine has: for a server on this machine.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.is_direct = true;
        self
    }

    /// The beginning of an HTTP client with this trust, and what its connections will note.
    ///
    /// `is_used`: TLS will be spoken, so certificates that were named have to be there. Else that is
    /// found out when it is spoken after all.
    pub(crate) fn client(
        &self,
        is_used: bool,
    ) -> Result<(reqwest::ClientBuilder, Arc<Notes>), Error> {
        let provider = CryptoProvider::get_default()
            .cloned()
            .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let key = match &self.client_certificate {
            Some(path) if is_used => {
                let key =
                    identity::read(path, &provider).map_err(|reason| Error::Certificates {
                        path: path.clone(),
                        named_by: "--client-cert",
                        reason,
                    })?;
                Some(key)
            }
            _ => None,
        };
        let identity = Identity::new(key);
        let notes = identity.notes();
        let config = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Handshake(error.to_string()))?
            .dangerous();
        let config = if self.is_verified {
            let verifier = Verifier::new(self.roots.clone(), provider, notes.clone());
            let verifier = match &self.roots {
                Roots::Named(_) if is_used => verifier.with_certificates(&self.roots.read()?),
                _ => verifier,
            };
            config.with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            let notes = notes.clone();
            config.with_custom_certificate_verifier(Arc::new(Believer { provider, notes }))
        };
        let mut config = config.with_client_cert_resolver(Arc::new(identity));
        // HTTP/2 has no reason phrases, and by these a server says why it refuses an upload.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut client = reqwest::Client::builder().tls_backend_preconfigured(config);
        if self.is_direct {
            client = client.no_proxy();
        }
        Ok((client, notes))
    }
}
