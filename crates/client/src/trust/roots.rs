//! Where trusted certificates come from, and reading them.

use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Certificate;
use crate::{Environment, Error};

/// The variables that name a bundle or a directory of certificates, the first that is set wins: pip's
/// before requests', before those of OpenSSL and curl.
const VARIABLES: &[&str] = &[
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
];

/// No bundle is larger: that of the whole web has a quarter of a megabyte.
const LARGEST_FILE_BYTES: u64 = 16 << 20;

/// More files are not looked at in a directory.
const MOST_FILES: usize = 5_000;

/// Where Linux distributions and BSDs keep all trusted certificates in one file. The first that is there
/// counts, as with OpenSSL.
const SYSTEM_FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// Where they keep them one by one.
const SYSTEM_FOLDERS: &[&str] = &["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Where the trusted certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The system's store.
    System,
    /// Files or directories, in place of the system's.
    Named(Vec<Place>),
}

/// A file or directory of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// The option or variable that names it.
    pub named_by: &'static str,
}

/// Certificates that were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// In the order of the file.
    pub(crate) certificates: Vec<Certificate>,
    /// How many parts were no certificates although they said so.
    pub(crate) broken: usize,
    /// Whether a private key stood beside them.
    pub(crate) has_key: bool,
}

impl Roots {
    /// What the option `--ca-bundle` or else the surroundings say.
    pub(super) fn of(environment: &Environment, ca_bundle: Option<&Path>) -> Self {
        if let Some(path) = ca_bundle {
            return Self::Named(vec![Place {
                path: environment.expand(&path.to_string_lossy()),
                named_by: "--ca-bundle",
            }]);
        }
        let Some(first) = VARIABLES
            .iter()
            .position(|name| environment.get(name).is_some())
        else {
            return Self::System;
        };
        let places: Vec<_> = match VARIABLES[first] {
            // OpenSSL takes both together.
            "SSL_CERT_FILE" | "SSL_CERT_DIR" => ["SSL_CERT_FILE", "SSL_CERT_DIR"]
                .into_iter()
                .flat_map(|name| places(environment, name))
                .collect(),
            name => places(environment, name),
        };
        Self::Named(places)
    }

    /// Reads the certificates that are named. For the system's there is `system_certificates`.
    ///
    /// # Errors
    /// [`Error::Certificates`] with the option or variable whose value names none.
    pub fn read(&self) -> Result<Vec<Certificate>, Error> {
        let Self::Named(places) = self else {
            return Ok(system_certificates().certificates);
        };
        let mut all = Vec::new();
        for place in places {
            let found = read(&place.path).map_err(|reason| Error::Certificates {
                path: place.path.clone(),
                named_by: place.named_by,
                reason,
            })?;
            all.extend(found.certificates);
        }
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|certificate: &Certificate| seen.insert(certificate.der().to_vec()));
        Ok(all)
    }

    /// The source in words, as in "not among the certificates of …".
    pub fn described(&self) -> String {
        match self {
            Self::System => "the system".to_owned(),
            Self::Named(places) => places
                .iter()
                .map(|place| format!("{} ({})", place.path.display(), place.named_by))
                .collect::<Vec<_>>()
                .join(" and "),
        }
    }
}

fn places(environment: &Environment, name: &'static str) -> Vec<Place> {
    let place = |path: &str| Place {
        path: environment.expand(path),
        named_by: name,
    };
    let Some(value) = environment.get(name) else {
        return Vec::new();
    };
    if name == "SSL_CERT_DIR" {
        return value
            .split(':')
            .filter(|part| !part.is_empty())
            .map(place)
            .collect();
    }
    vec![place(value)]
}

/// Where the system keeps its trusted certificates, whatever the surroundings say.
pub(crate) fn system_places() -> Vec<PathBuf> {
    let is_there = |path: &&&str| Path::new(path).exists();
    let file = SYSTEM_FILES.iter().find(is_there);
    let folders = SYSTEM_FOLDERS
        .iter()
        .filter(|path| Path::new(path).is_dir());
    file.into_iter().chain(folders).map(PathBuf::from).collect()
}

/// The certificates that the system trusts, whatever the surroundings say, sorted.
pub(crate) fn system_certificates() -> Found {
    let mut ders: Vec<CertificateDer<'static>> = Vec::new();
    if cfg!(target_os = "macos") {
        // They are in the keychain.
        ders = rustls_native_certs::load_native_certs().certs;
    } else {
        for place in system_places() {
            let found = if place.is_dir() {
                rustls_native_certs::load_certs_from_paths(None, Some(&place))
            } else {
                rustls_native_certs::load_certs_from_paths(Some(&place), None)
            };
            ders.extend(found.certs);
        }
    }
    ders.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    ders.dedup();
    let mut found = Found::default();
    for der in ders {
        match Certificate::read(&der) {
            Ok(certificate) => found.certificates.push(certificate),
            Err(_) => found.broken += 1,
        }
    }
    found
}

/// Reads a file in PEM or DER, or the files of a directory.
///
/// # Errors
/// Why it cannot be read, or that it holds none.
pub(crate) fn read(path: &Path) -> Result<Found, String> {
    let metadata = path.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_dir() {
        if metadata.len() > LARGEST_FILE_BYTES {
            return Err("it is too large to be a file of certificates".to_owned());
        }
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        return read_bytes(&bytes);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(|error| error.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .take(MOST_FILES)
        .collect();
    files.sort();
    let mut all = Found::default();
    for file in files {
        let is_small = file
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST_FILE_BYTES);
        // Other files in a directory are nobody's mistake.
        if is_small && let Ok(Ok(found)) = std::fs::read(&file).map(|bytes| read_bytes(&bytes)) {
            all.certificates.extend(found.certificates);
            all.broken += found.broken;
            all.has_key |= found.has_key;
        }
    }
    if all.certificates.is_empty() {
        return Err("no file in this directory holds a certificate".to_owned());
    }
    Ok(all)
}

/// Reads certificates in PEM or DER.
///
/// # Errors
/// That there are none.
pub(crate) fn read_bytes(bytes: &[u8]) -> Result<Found, String> {
    let mut found = Found::default();
    if !contains(bytes, b"-----BEGIN ") {
        return match Certificate::read(bytes) {
            Ok(certificate) => {
                found.certificates.push(certificate);
                Ok(found)
            }
            Err(_) => Err("it holds no certificate in PEM or DER".to_owned()),
        };
    }
    for der in CertificateDer::pem_slice_iter(bytes) {
        match der
            .map_err(|error| error.to_string())
            .and_then(|der| Certificate::read(&der))
        {
            Ok(certificate) => found.certificates.push(certificate),
            Err(_) => found.broken += 1,
        }
    }
    found.has_key = contains(bytes, b"PRIVATE KEY-----");
    if found.certificates.is_empty() {
        let what = if contains(bytes, b"-----BEGIN PKCS7-----") {
            "it is a PKCS #7 file: `openssl pkcs7 -print_certs` turns it into PEM"
        } else if contains(bytes, b"-----BEGIN TRUSTED CERTIFICATE-----") {
            "it is in OpenSSL's own format: `openssl x509` turns it into PEM"
        } else if found.has_key {
            "it holds a private key and no certificate"
        } else if found.broken > 0 {
            "its certificates are damaged"
        } else {
            "it holds no certificate"
        };
        return Err(what.to_owned());
    }
    Ok(found)
}

pub(super) fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use cheeseshop_test_support::CertificateAuthority;

    use super::*;

    fn named(variables: &[(&str, &str)], option: Option<&str>) -> Vec<(String, &'static str)> {
        let environment = Environment::of(variables, Path::new("/w"));
        match Roots::of(&environment, option.map(Path::new)) {
            Roots::System => Vec::new(),
            Roots::Named(places) => places
                .into_iter()
                .map(|place| (place.path.display().to_string(), place.named_by))
                .collect(),
        }
    }

    #[test]
    fn the_option_wins_then_the_variables_in_their_order() {
        let all = [
            ("HOME", "/h"),
            ("CURL_CA_BUNDLE", "/curl.pem"),
            ("SSL_CERT_DIR", "/a:/b"),
            ("SSL_CERT_FILE", "ssl.pem"),
            ("REQUESTS_CA_BUNDLE", "~/requests.pem"),
            ("PIP_CERT", "/pip.pem"),
        ];
        let expect = |count: usize, option: Option<&str>, expected: &[(&str, &'static str)]| {
            let found = named(&all[..count], option);
            let found: Vec<_> = found
                .iter()
                .map(|(path, by)| (path.as_str(), *by))
                .collect();
            assert_eq!(found, expected, "{count}");
        };
        expect(6, Some("own.pem"), &[("/w/own.pem", "--ca-bundle")]);
        expect(6, None, &[("/pip.pem", "PIP_CERT")]);
        expect(5, None, &[("/h/requests.pem", "REQUESTS_CA_BUNDLE")]);
        expect(
            4,
            None,
            &[
                ("/w/ssl.pem", "SSL_CERT_FILE"),
                ("/a", "SSL_CERT_DIR"),
                ("/b", "SSL_CERT_DIR"),
            ],
        );
        expect(3, None, &[("/a", "SSL_CERT_DIR"), ("/b", "SSL_CERT_DIR")]);
        expect(2, None, &[("/curl.pem", "CURL_CA_BUNDLE")]);
        expect(1, None, &[]);
    }

    #[test]
    fn pem_der_and_directories_are_read_and_other_things_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::new();
        let pem = authority.pem();
        let found = read_bytes(pem.as_bytes()).unwrap();
        let der = found.certificates[0].der().to_vec();
        assert_eq!(read_bytes(&der).unwrap().certificates, found.certificates);
        std::fs::write(folder.path().join("a.crt"), &der).unwrap();
        std::fs::write(folder.path().join("README"), "nothing").unwrap();
        assert_eq!(
            read(folder.path()).unwrap().certificates,
            found.certificates
        );
        let (_, key) = authority.issue(&["shop.test"]);
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, reason) in [
            ("", "it holds no certificate in PEM or DER"),
            (key.as_str(), "it holds a private key and no certificate"),
            (damaged, "its certificates are damaged"),
            (
                "-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n",
                "it is a PKCS #7 file: `openssl pkcs7 -print_certs` turns it into PEM",
            ),
        ] {
            assert_eq!(read_bytes(text.as_bytes()).unwrap_err(), reason);
        }
        let found = read_bytes(format!("{damaged}{pem}{key}").as_bytes()).unwrap();
        assert_eq!(
            (found.certificates.len(), found.broken, found.has_key),
            (1, 1, true)
        );
    }

    #[test]
    fn a_value_that_names_no_file_is_told_with_its_variable() {
        let environment = Environment::of(&[("SSL_CERT_FILE", "/no/such.pem")], Path::new("/"));
        let error = Roots::of(&environment, None).read().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/no/such.pem"), "{text}");
        assert!(text.contains("SSL_CERT_FILE"), "{text}");
    }
}
