//! A certificate authority for one test, and certificates for loopback names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority that nobody trusts until told to. Cheap to clone.
#[derive(Clone)]
pub struct CertificateAuthority(Arc<Inner>);

/// What the certificate of a client says.
#[derive(Debug, Clone, Default)]
pub struct ClientSays<'a> {
    /// The common name of the subject, if it has one.
    pub common_name: Option<&'a str>,
    /// Alternative names that are e-mail addresses.
    pub emails: &'a [&'a str],
    /// Alternative names that are those of hosts.
    pub dns: &'a [&'a str],
    /// From the first day of one year to that of another; otherwise for long.
    pub years: Option<std::ops::Range<i32>>,
    /// The serial number, by which it can be taken back.
    pub serial: Option<u64>,
}

struct Inner {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Makes a new authority with a key of its own.
    #[expect(clippy::new_without_default, reason = "every one is another")]
    pub fn new() -> Self {
        Self::serving(&[])
    }

    /// An authority whose own certificate is for these names, too: what `openssl req -x509` makes.
    pub fn serving(names: &[&str]) -> Self {
        let (mut params, key) = authority("Cheeseshop test authority");
        params.subject_alt_names = leaf(names).0.subject_alt_names;
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self(Arc::new(Inner { pem, issuer }))
    }

    /// An authority that this one vouches for.
    #[must_use]
    pub fn intermediate(&self) -> Self {
        let (params, key) = authority("Cheeseshop test intermediate");
        let pem = params.signed_by(&key, &self.0.issuer).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self(Arc::new(Inner { pem, issuer }))
    }

    /// The authority's own certificate.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// The authority's own certificate and its key, both as PEM: for a server that has no other.
    pub fn itself(&self) -> (String, String) {
        (self.0.pem.clone(), self.0.issuer.key().serialize_pem())
    }

    /// Writes the authority's certificate to `ca.pem` in a directory.
    pub fn write_pem(&self, directory: &Path) -> PathBuf {
        let path = directory.join("ca.pem");
        std::fs::write(&path, self.pem()).expect("the test directory is writable");
        path
    }

    /// A server certificate for these names and its key, both as PEM. Addresses are told from
    /// names by their form.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        let (certificate, key) = self.leaf(names);
        (certificate.pem(), key.serialize_pem())
    }

    /// A certificate as of [`CertificateAuthority::issue`], valid from the first day of one year to
    /// that of another.
    pub fn issue_for(&self, names: &[&str], years: std::ops::Range<i32>) -> (String, String) {
        let (mut params, key) = leaf(names);
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let certificate = params.signed_by(&key, &self.0.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A certificate as of [`CertificateAuthority::issue`] that ends with the beginning of a day: year,
    /// month, day.
    pub fn issue_until(&self, names: &[&str], end: (i32, i8, i8)) -> (String, String) {
        let (mut params, key) = leaf(names);
        let (year, month, day) = end;
        let part = |number: i8| u8::try_from(number).unwrap();
        params.not_after = rcgen::date_time_ymd(year, part(month), part(day));
        let certificate = params.signed_by(&key, &self.0.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A certificate for a client, and its key, both as PEM.
    pub fn issue_client(&self, name: &str) -> (String, String) {
        let (mut params, key) = leaf(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.0.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A certificate for a client that says this, and its key, both as PEM.
    pub fn issue_client_as(&self, says: &ClientSays<'_>) -> (String, String) {
        let (mut params, key) = leaf(says.dns);
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = says.common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        for address in says.emails {
            let address = SanType::Rfc822Name((*address).try_into().unwrap());
            params.subject_alt_names.push(address);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if let Some(years) = &says.years {
            params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
            params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        }
        params.serial_number = says.serial.map(SerialNumber::from);
        let certificate = params.signed_by(&key, &self.0.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// The list of the certificates that this authority has taken back, by their serial numbers, as PEM.
    pub fn revocations(&self, serials: &[u64]) -> String {
        self.revocations_for(serials, [(2026, 1, 1), (2090, 1, 1)])
    }

    /// As [`Self::revocations`], from one day (year, month, day) to another.
    pub fn revocations_for(&self, serials: &[u64], days: [(i32, u8, u8); 2]) -> String {
        let [this_update, next_update] =
            days.map(|(year, month, day)| rcgen::date_time_ymd(year, month, day));
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.0.issuer).unwrap();
        list.pem().unwrap()
    }

    /// A server configuration for these names.
    pub(crate) fn server_config(&self, names: &[&str]) -> Arc<rustls::ServerConfig> {
        let (certificate, key) = self.leaf(names);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // Named here, so that it does not matter which provider the process prefers.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }

    fn leaf(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let (params, key) = leaf(names);
        let certificate = params.signed_by(&key, &self.0.issuer).unwrap();
        (certificate, key)
    }
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params, key)
}

fn leaf(names: &[&str]) -> (CertificateParams, KeyPair) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "Cheeseshop test server");
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ServerAuth);
    (params, key)
}
