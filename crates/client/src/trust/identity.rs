//! The certificate and key that prove who we are.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::roots::contains;

/// Reads one PEM file with a private key, its certificate, and the chain behind that.
///
/// # Errors
/// What the file lacks, and what to do.
pub(super) fn read(path: &Path, provider: &Arc<CryptoProvider>) -> Result<CertifiedKey, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let is_encrypted = contains(&pem, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(&pem, b"Proc-Type: 4,ENCRYPTED");
    if is_encrypted {
        return Err(
            "its private key is encrypted, and nobody is there to be asked for the password: \
             `openssl pkey -in FILE` writes it in the clear, into a file of mode 0600"
                .to_owned(),
        );
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| "its certificate is damaged".to_owned())?;
    if chain.is_empty() {
        return Err("it holds no certificate; key and certificate belong into one file".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        "it holds no private key; key and certificate belong into one file".to_owned()
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            "its first certificate does not belong to its private key".to_owned()
        }
        other => format!("its private key cannot be used: {other}"),
    })
}

#[cfg(test)]
mod tests {
    use cheeseshop_test_support::CertificateAuthority;

    use super::*;

    #[test]
    fn key_and_certificate_have_to_belong_together_and_be_readable() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("me.pem");
        let authority = CertificateAuthority::new();
        let (certificate, key) = authority.issue(&["me.test"]);
        let (other, _) = authority.issue(&["other.test"]);
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let chain = authority.pem();
        for text in [
            format!("{certificate}{key}"),
            format!("{key}{certificate}{chain}"),
        ] {
            std::fs::write(&path, text).unwrap();
            let identity = read(&path, &provider).unwrap();
            assert!(!identity.cert.is_empty());
        }
        for (text, reason) in [
            (certificate.clone(), "no private key"),
            (key.clone(), "no certificate"),
            (format!("{other}{key}"), "does not belong"),
            (format!("{certificate}{encrypted}"), "is encrypted"),
            (format!("{certificate}{old}"), "is encrypted"),
        ] {
            std::fs::write(&path, text).unwrap();
            let told = read(&path, &provider).unwrap_err();
            assert!(told.contains(reason), "{told}");
        }
        let told = read(&folder.path().join("none.pem"), &provider).unwrap_err();
        assert!(told.contains("No such file"), "{told}");
    }
}
