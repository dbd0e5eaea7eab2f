//! The certificates and keys by which the server proves who it is, read and looked through.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cheeseshop_client::Certificate;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::TlsSettings;
use super::trouble::Trouble;

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";

/// Below so many days the log warns.
pub(super) const DAYS_OF_WARNING: i64 = 14;

/// Anybody on the machine may read it.
const WORLD_READABLE: u32 = 0o004;

const IS_DER: &str = "turn it into PEM: `openssl x509 -inform der -in FILE -out FILE.pem` for a \
                      certificate, `openssl pkcs12 -in FILE -nodes -out FILE.pem` for a .p12 or .pfx";

/// A certificate with its chain and key.
#[derive(Debug)]
pub(super) struct Identity {
    file: PathBuf,
    pub(super) key: Arc<CertifiedKey>,
    /// The server's own first.
    pub(super) certificates: Vec<Certificate>,
    /// What does not stop us, and may well stop clients.
    pub(super) warnings: Vec<String>,
}

/// Reads all that the settings name.
pub(super) fn read_all(
    settings: &TlsSettings,
    provider: &CryptoProvider,
) -> Result<Vec<Identity>, Vec<Trouble>> {
    let mut identities = Vec::new();
    let mut troubles = Vec::new();
    for (certificate, key) in settings.pairs() {
        match read(certificate, key, provider) {
            Ok(identity) => identities.push(identity),
            Err(trouble) => troubles.push(trouble),
        }
    }
    if troubles.is_empty() {
        Ok(identities)
    } else {
        Err(troubles)
    }
}

fn read(file: &Path, key_file: &Path, provider: &CryptoProvider) -> Result<Identity, Trouble> {
    let chain = read_chain(file)?;
    let certificates = chain
        .iter()
        .map(|der| Certificate::read(der))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| {
            let hint = "write the file again, from what the authority has sent";
            Trouble::of(CERTIFICATE, file, format!("is damaged: {why}"), hint)
        })?;
    let key = read_key(key_file)?;
    let certified = CertifiedKey::from_der(chain.clone(), key.clone_key(), provider);
    let certified = certified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => mismatch(file, key_file, &chain, &key, provider),
        other => Trouble::of(
            KEY,
            key_file,
            format!("cannot be used: {other}"),
            "RSA of 2048 bits and more, ECDSA (P-256, P-384) and Ed25519 can",
        ),
    })?;
    let mut warnings = oddities(file, &certificates);
    if is_world_readable(key_file) {
        warnings.push(format!(
            "the private key {} can be read by everybody on this machine: `chmod o= FILE`, and \
             replace key and certificate if somebody may have",
            key_file.display()
        ));
    }
    Ok(Identity {
        file: file.to_owned(),
        key: Arc::new(certified),
        certificates,
        warnings,
    })
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let bytes =
        std::fs::read(file).map_err(|error| Trouble::unreadable(CERTIFICATE, file, &error))?;
    let trouble = |what: &str, hint: &str| Trouble::of(CERTIFICATE, file, what, hint);
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| {
            trouble(
                "is damaged PEM",
                "copy it again, with its BEGIN and END lines",
            )
        })?;
    if !chain.is_empty() {
        return Ok(chain);
    }
    Err(if is_der(&bytes) {
        trouble("is not PEM", IS_DER)
    } else if contains(&bytes, b"CERTIFICATE REQUEST-----") {
        let hint = "the authority answers a request with a certificate; name the file of that";
        trouble("holds a request and no certificate", hint)
    } else if contains(&bytes, b"PRIVATE KEY-----") {
        let hint = "perhaps `tls.certificate` and `tls.key` are exchanged";
        trouble("holds a private key and no certificate", hint)
    } else {
        let hint = "a PEM file has a line `-----BEGIN CERTIFICATE-----`";
        trouble("holds no certificate", hint)
    })
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, Trouble> {
    let bytes = std::fs::read(file).map_err(|error| Trouble::unreadable(KEY, file, &error))?;
    let trouble = |what: &str, hint: &str| Trouble::of(KEY, file, what, hint);
    let is_encrypted = contains(&bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(&bytes, b"Proc-Type: 4,ENCRYPTED");
    if is_encrypted {
        return Err(trouble(
            "is encrypted, and nobody is there to be asked for the password",
            "`openssl pkey -in FILE -out PLAIN` writes it in the clear; let only the server read that",
        ));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        if is_der(&bytes) {
            trouble(
                "is not PEM",
                "`openssl pkey -inform der -in FILE -out FILE.pem`",
            )
        } else if contains(&bytes, b"PRIVATE KEY-----") {
            let hint = "copy it again, with its BEGIN and END lines";
            trouble("is a damaged private key", hint)
        } else {
            let hint = "name its file as `tls.key`, or put it into the file of the certificate";
            trouble("holds no private key", hint)
        }
    })
}

/// Says which of the ways there are to get two files wrong it was.
fn mismatch(
    file: &Path,
    key_file: &Path,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Trouble {
    let belongs = |der: &CertificateDer<'static>| {
        CertifiedKey::from_der(vec![der.clone()], key.clone_key(), provider).is_ok()
    };
    if chain.iter().skip(1).any(belongs) {
        return Trouble::of(
            CERTIFICATE,
            file,
            "has the certificates in the wrong order",
            "the server's own comes first, then the one that has signed it, and so on",
        );
    }
    Trouble::of(
        KEY,
        key_file,
        format!("does not belong to the certificate in {}", file.display()),
        "both commands have to print the same: `openssl x509 -noout -pubkey -in CERTIFICATE`, \
         `openssl pkey -pubout -in KEY`",
    )
}

/// What clients may not take, although it can be sent to them.
fn oddities(file: &Path, certificates: &[Certificate]) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(own) = certificates.first() else {
        return warnings;
    };
    let subject = &own.subject;
    let file = file.display();
    if own.names.is_empty() {
        warnings.push(format!(
            "the certificate {subject} in {file} is for no host name (subjectAltName): no client \
             takes it for a server"
        ));
    }
    if own.is_authority {
        warnings.push(format!(
            "the certificate {subject} in {file} is that of an authority, which uv and other clients \
             do not take for a server: have it sign one for the server"
        ));
    }
    if certificates.len() == 1 && own.names_issuers_address && !own.is_self_issued {
        warnings.push(format!(
            "{file} holds the certificate {subject} alone, and clients do not fetch the one of its \
             issuer, {}: put that behind it (often called fullchain.pem)",
            own.issuer
        ));
    }
    warnings
}

impl Identity {
    /// The first moment at which a certificate of these is not valid any more.
    pub(super) fn not_after(&self) -> Timestamp {
        let ends = self.certificates.iter().map(|one| one.not_after);
        ends.min().unwrap_or(Timestamp::MAX)
    }

    /// What is wrong with its time.
    pub(super) fn outdated(&self, now: Timestamp) -> Option<Trouble> {
        let certificate = self.certificates.iter().find(|one| !one.is_current(now))?;
        let subject = &certificate.subject;
        let trouble = |what: String, hint: &str| Trouble::of(CERTIFICATE, &self.file, what, hint);
        Some(if certificate.not_after < now {
            trouble(
                format!(
                    "holds {subject}, which has expired on {}",
                    day(certificate.not_after)
                ),
                "have the authority issue a new one, put it in place and reload the server",
            )
        } else {
            trouble(
                format!(
                    "holds {subject}, which is not valid before {}",
                    day(certificate.not_before)
                ),
                "is the clock of this machine right?",
            )
        })
    }

    /// What the log says of its time, when that is a matter of days or over.
    pub(super) fn end_in_sight(&self, now: Timestamp) -> Option<String> {
        let certificate = self.certificates.iter().min_by_key(|one| one.not_after)?;
        let days = certificate.days_left(now);
        (days < DAYS_OF_WARNING).then(|| {
            let what = if days < 0 {
                "has expired".to_owned()
            } else {
                format!("expires in {days} days,")
            };
            format!(
                "the certificate {} in {} {what} on {}",
                certificate.subject,
                self.file.display(),
                day(certificate.not_after)
            )
        })
    }

    /// The host names and addresses that it is for.
    pub(super) fn names(&self) -> &[String] {
        self.certificates.first().map_or(&[], |own| &own.names)
    }

    /// Tells the log what is sent to clients from now on.
    pub(super) fn log(&self) {
        let Some(own) = self.certificates.first() else {
            return;
        };
        tracing::info!(
            file = %self.file.display(),
            subject = own.subject,
            names = own.names.join(", "),
            not_after = %own.not_after,
            sha256 = own.fingerprint,
            "the certificate of this server"
        );
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

fn is_world_readable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.mode() & WORLD_READABLE != 0)
}

/// A DER structure begins with the tag of a sequence, no text does.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30) && bytes.get(1).is_some_and(|byte| *byte >= 0x80)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use cheeseshop_test_support::CertificateAuthority;
    use tempfile::TempDir;

    use super::*;

    fn settings(certificate: &Path, key: &Path) -> TlsSettings {
        TlsSettings {
            certificate: vec![certificate.to_owned()],
            key: vec![key.to_owned()],
            ..TlsSettings::default()
        }
    }

    fn written(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn read_pair(certificate: &Path, key: &Path) -> Result<Identity, Vec<Trouble>> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut found = read_all(&settings(certificate, key), &provider)?;
        Ok(found.remove(0))
    }

    #[test]
    fn what_is_wrong_with_two_files_is_told_with_a_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::new();
        let (certificate, key) = authority.issue(&["shop.test"]);
        let (other, other_key) = authority.issue(&["other.test"]);
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let good_key = written(&folder, "good.key", &key);
        let good = written(&folder, "good.crt", &certificate);
        let chain = format!("{}{certificate}", authority.pem());
        let damaged = certificate.replacen('M', "*", 3);
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let request =
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
        for (file, bytes, expected) in [
            (
                "mismatch.crt",
                other.as_bytes(),
                "does not belong to the certificate",
            ),
            ("order.crt", chain.as_bytes(), "in the wrong order"),
            ("der.crt", &der[..], "is not PEM"),
            (
                "key.crt",
                other_key.as_bytes(),
                "holds a private key and no",
            ),
            ("damaged.crt", damaged.as_bytes(), "is damaged"),
            ("request.crt", request.as_bytes(), "holds a request"),
            ("empty.crt", b"", "holds no certificate"),
        ] {
            let path = written(&folder, file, bytes);
            let troubles = read_pair(&path, &good_key).unwrap_err();
            assert!(troubles[0].what().contains(expected), "{troubles:?}");
        }
        for (file, text, expected) in [
            (
                "mismatch.key",
                other_key.as_str(),
                "does not belong to the certificate",
            ),
            ("encrypted.key", encrypted, "is encrypted"),
            ("certificate.key", &certificate, "holds no private key"),
            (
                "damaged.key",
                &key.replace("MI", "*"),
                "is a damaged private key",
            ),
        ] {
            let path = written(&folder, file, text);
            let troubles = read_pair(&good, &path).unwrap_err();
            assert!(troubles[0].what().contains(expected), "{troubles:?}");
        }
        let troubles = read_pair(&folder.path().join("none"), &good_key).unwrap_err();
        assert!(troubles[0].what().contains("No such file"), "{troubles:?}");
        assert!(read_pair(&good, &good_key).unwrap().warnings.is_empty());
    }

    #[test]
    fn several_certificates_are_read_each_with_its_key_or_from_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::new();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let both = ["one.test", "two.test"].map(|name| {
            let (certificate, key) = authority.issue(&[name]);
            written(&folder, name, format!("{certificate}{key}"))
        });
        let together = TlsSettings {
            certificate: both.to_vec(),
            ..TlsSettings::default()
        };
        let found = read_all(&together, &provider).unwrap();
        assert_eq!(found[1].names(), ["two.test"]);
        let exchanged = TlsSettings {
            key: both.iter().rev().cloned().collect(),
            ..together
        };
        let troubles = read_all(&exchanged, &provider).unwrap_err();
        assert_eq!(troubles.len(), 2, "both are told: {troubles:?}");
    }

    #[test]
    fn what_clients_may_not_take_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::new();
        let (nameless, nameless_key) = authority.issue(&[]);
        let serving = CertificateAuthority::serving(&["shop.test"]);
        let (own, own_key) = serving.itself();
        for (pem, key, expected) in [
            (&nameless, &nameless_key, "is for no host name"),
            (&own, &own_key, "is that of an authority"),
        ] {
            let file = written(&folder, "x.crt", pem);
            let key = written(&folder, "x.key", key);
            let warnings = read_pair(&file, &key).unwrap().warnings;
            assert!(warnings[0].contains(expected), "{warnings:?}");
        }
        let (certificate, key) = authority.issue(&["shop.test"]);
        let file = written(&folder, "x.crt", certificate);
        let key = written(&folder, "x.key", key);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let warnings = read_pair(&file, &key).unwrap().warnings;
        assert!(
            warnings[0].contains("can be read by everybody"),
            "{warnings:?}"
        );
    }

    #[test]
    fn time_is_told_before_and_after_it_has_run_out() {
        let folder = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::new();
        let (certificate, key) = authority.issue_for(&["shop.test"], 2026..2027);
        let file = written(&folder, "x.crt", format!("{certificate}{key}"));
        let identity = read_pair(&file, &file).unwrap();
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let outdated = |text| {
            identity
                .outdated(at(text))
                .map(|trouble| trouble.what().to_owned())
        };
        assert_eq!(identity.not_after(), at("2027-01-01T00:00:00Z"));
        assert_eq!(outdated("2026-07-01T00:00:00Z"), None);
        let early = outdated("2025-07-01T00:00:00Z").unwrap();
        assert!(early.contains("not valid before 2026-01-01"), "{early}");
        let late = outdated("2027-07-01T00:00:00Z").unwrap();
        assert!(late.contains("has expired on 2027-01-01"), "{late}");
        for (now, days) in [
            ("2026-12-18T12:00:00Z", Some("in 13 days")),
            ("2026-12-31T12:00:00Z", Some("in 0 days")),
            ("2026-12-17T23:00:00Z", None),
            ("2027-01-02T00:00:00Z", Some("has expired on 2027-01-01")),
        ] {
            let told = identity.end_in_sight(at(now));
            let is_told = told
                .as_ref()
                .map(|text| days.is_some_and(|days| text.contains(days)));
            assert_eq!(is_told, days.map(|_| true), "{now}: {told:?}");
        }
    }
}
