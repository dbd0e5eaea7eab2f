//! Where blobs are kept: what an operator may set.

use std::path::{Path, PathBuf};
use std::time::Duration;

use object_store::Certificate;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::BlobError;

/// The directory in which uploads are collected, when none is chosen.
const SPOOL: &str = "cheeseshop-spool";

/// Where blobs are kept.
///
/// In a configuration file this is a table whose `kind` is `local` or `s3`; unknown keys are
/// refused. Secrets do not appear in `Debug`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum BlobConfig {
    /// A directory of this machine, or one that is mounted here.
    Local {
        /// The directory; made when it does not exist, in a parent that does. The temporary
        /// files of uploads live below it as well, because only a rename inside one file system
        /// is atomic.
        path: PathBuf,
    },
    /// A bucket of an S3-compatible store.
    S3(Box<S3BlobConfig>),
}

impl BlobConfig {
    /// Blobs in a local directory.
    pub fn local(path: impl Into<PathBuf>) -> Self {
        Self::Local { path: path.into() }
    }

    /// A blob of a local store, if it has any: whatever comes first. Of an object store nothing is known.
    pub fn any_local_blob(&self) -> Option<PathBuf> {
        let Self::Local { path } = self else {
            return None;
        };
        let below = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
        below(path)
            .filter(|shard| shard.file_name().len() == 2)
            .flat_map(|shard| below(&shard.path()))
            .find(|entry| {
                entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| super::key::parse(name).is_some())
            })
            .map(|entry| entry.path())
    }

    /// What there is of the store on this machine: its directory, or the one in which uploads are collected.
    pub fn directory(&self) -> PathBuf {
        match self {
            Self::Local { path } => path.clone(),
            Self::S3(config) => config.spool(),
        }
    }
}

impl Default for BlobConfig {
    /// `blobs` below the working directory. The binary puts its data directory in front.
    fn default() -> Self {
        Self::local("blobs")
    }
}

/// A bucket of an S3-compatible store, and how patient to be with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct S3BlobConfig {
    /// The bucket; it must exist.
    pub bucket: String,
    /// URL of the store, without the bucket. None: AWS itself, in `region`.
    pub endpoint: Option<String>,
    /// Region used for signing.
    pub region: String,
    /// Access key; needed unless `machine_role` is set.
    pub access_key: Option<String>,
    /// Use the machine's role (web identity, container or instance credentials) in place of a
    /// key. Only then is the address asked where clouds hand out credentials.
    pub machine_role: bool,
    /// Secret key, in the configuration itself.
    #[serde(deserialize_with = "secret")]
    pub secret_key: Option<SecretString>,
    /// File that holds the secret key; white space around it is dropped.
    pub secret_key_file: Option<PathBuf>,
    /// Put in front of every key, for instance `cheeseshop/`. Slashes at the ends do not matter.
    pub prefix: String,
    /// Permits an `http:` endpoint.
    pub allow_http: bool,
    /// The bucket is part of the host name (`bucket.host`) and not of the path.
    pub virtual_hosted: bool,
    /// PEM file with the certificate authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Directory in which uploads are collected before they are sent. None: a directory named
    /// `cheeseshop-spool` in the system's temporary directory.
    pub spool_dir: Option<PathBuf>,
    /// Longest time to establish a connection, in seconds.
    pub connect_timeout_seconds: u32,
    /// Longest silence of the store within one request, in seconds. A part of an upload is at
    /// most 8 MiB and has to be through in this time.
    pub read_timeout_seconds: u32,
    /// How often one request is repeated after the store failed or was silent.
    pub retries: u32,
    /// Read every blob back after writing it and compare its digest before the upload is
    /// acknowledged. Off: only its size is compared (the SHA-256 is sent along either way, but
    /// not every store checks it).
    pub verify_uploads: bool,
}

impl Default for S3BlobConfig {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            endpoint: None,
            region: "us-east-1".to_owned(),
            access_key: None,
            machine_role: false,
            secret_key: None,
            secret_key_file: None,
            prefix: String::new(),
            allow_http: false,
            virtual_hosted: false,
            ca_file: None,
            spool_dir: None,
            connect_timeout_seconds: 5,
            read_timeout_seconds: 20,
            retries: 3,
            verify_uploads: true,
        }
    }
}

impl S3BlobConfig {
    /// What is wrong with the settings, a sentence each that begins with the key; empty when the
    /// store can be asked. Reads the files that the settings name, and asks nobody.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.bucket.is_empty() {
            problems.push("`bucket` is needed for `blobs.kind = \"s3\"`".to_owned());
        }
        if let Some(endpoint) = &self.endpoint {
            match url::Url::parse(endpoint) {
                Ok(url) if url.scheme() == "https" && url.has_host() => {}
                Ok(url) if url.scheme() == "http" && url.has_host() => {
                    if !self.allow_http {
                        problems.push(
                            "`endpoint` is without TLS; use an https URL, or permit it with \
                             `allow_http = true`"
                                .to_owned(),
                        );
                    }
                }
                _ => problems.push("`endpoint` must be an https or http URL".to_owned()),
            }
        }
        problems.extend(self.problem_of_credentials().map(str::to_owned));
        if let Some(Err(error)) = self.ca_file.as_deref().map(certificates) {
            let cause = std::error::Error::source(&error)
                .map_or_else(String::new, |cause| format!(": {cause}"));
            problems.push(format!(
                "`ca_file`: {error}{cause}; name a readable PEM file"
            ));
        }
        for (key, seconds) in [
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("read_timeout_seconds", self.read_timeout_seconds),
        ] {
            if seconds == 0 {
                problems.push(format!(
                    "`{key}`: a time-out of 0 seconds would refuse every request; write `5s`, say"
                ));
            }
        }
        problems
    }

    fn problem_of_credentials(&self) -> Option<&'static str> {
        if self.secret_key.is_some() && self.secret_key_file.is_some() {
            return Some("`secret_key` and `secret_key_file` exclude each other; keep one");
        }
        let key = (self.access_key.is_some(), self.has_secret());
        if self.machine_role {
            return (key != (false, false))
                .then_some("`machine_role` and a key exclude each other; keep one");
        }
        match key {
            (true, true) => None,
            (false, false) => Some(
                "`access_key` is missing; give it together with `secret_key`, or set \
                 `machine_role = true` to use the role of this machine",
            ),
            (true, false) | (false, true) => Some(
                "`access_key`: it and `secret_key` (or `secret_key_file`) belong together; give \
                 both",
            ),
        }
    }

    /// The directory in which uploads are collected.
    pub(super) fn spool(&self) -> PathBuf {
        let chosen = self.spool_dir.clone();
        chosen.unwrap_or_else(|| std::env::temp_dir().join(SPOOL))
    }

    /// Checks what can be checked without asking the store.
    pub(super) fn check(&self) -> Result<(), BlobError> {
        let problems = self.problems();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(BlobError::Config(problems.join("; ")))
        }
    }

    /// The key pair, its secret half read from its file if need be.
    pub(super) fn credentials(&self) -> Result<Option<(String, SecretString)>, BlobError> {
        let Some(access_key) = self.access_key.clone() else {
            return Ok(None);
        };
        if let Some(secret) = &self.secret_key {
            return Ok(Some((access_key, secret.clone())));
        }
        let Some(path) = &self.secret_key_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| BlobError::io("read", path.display(), source))?;
        Ok(Some((access_key, text.trim().into())))
    }

    /// The time after which no request is alive any more: all attempts and the pauses between.
    pub(super) fn patience(&self) -> Duration {
        let attempt =
            u64::from(self.connect_timeout_seconds) + u64::from(self.read_timeout_seconds);
        Duration::from_secs((attempt + 2) * (u64::from(self.retries) + 1))
    }

    fn has_secret(&self) -> bool {
        self.secret_key.is_some() || self.secret_key_file.is_some()
    }
}

/// The certificates of a PEM file. Blocks.
pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>, BlobError> {
    let pem =
        std::fs::read(path).map_err(|source| BlobError::io("read", path.display(), source))?;
    Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| BlobError::Config(format!("`{}` holds no PEM certificate", path.display())))
}

/// Two configurations are equal when they name the same place with the same secret.
impl PartialEq for S3BlobConfig {
    fn eq(&self, other: &Self) -> bool {
        let secret = |config: &Self| {
            config
                .secret_key
                .as_ref()
                .map(|secret| secret.expose_secret().to_owned())
        };
        let rest = |config: &Self| {
            format!(
                "{:?}",
                Self {
                    secret_key: None,
                    ..config.clone()
                }
            )
        };
        secret(self) == secret(other) && rest(self) == rest(other)
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_in_debug() {
        let config: BlobConfig = serde_json::from_str(
            r#"{"kind": "s3", "bucket": "b", "access_key": "a", "secret_key": "hush"}"#,
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn unknown_keys_are_refused() {
        for text in [
            r#"{"kind": "local", "path": "/x", "bucket": "b"}"#,
            r#"{"kind": "s3", "bucket": "b", "buckt": "b"}"#,
            r#"{"kind": "ftp"}"#,
        ] {
            assert!(serde_json::from_str::<BlobConfig>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_without_tls_must_be_permitted() {
        for (endpoint, allow_http, expected) in [
            ("https://s3.test/", false, ""),
            ("http://s3.test/", true, ""),
            ("http://s3.test/", false, "`endpoint` is without TLS"),
            ("ftp://s3.test/", true, "`endpoint` must be"),
            ("s3.test", true, "`endpoint` must be"),
        ] {
            let problems = S3BlobConfig {
                bucket: "b".to_owned(),
                endpoint: Some(endpoint.to_owned()),
                machine_role: true,
                allow_http,
                ..S3BlobConfig::default()
            }
            .problems();
            assert_eq!(problems.is_empty(), expected.is_empty(), "{problems:?}");
            assert!(problems.join("").starts_with(expected), "{problems:?}");
        }
    }

    #[test]
    fn half_a_key_pair_is_refused() {
        let refused = |config: S3BlobConfig| config.check().is_err();
        let named = S3BlobConfig {
            bucket: "b".to_owned(),
            ..S3BlobConfig::default()
        };
        assert!(refused(named.clone()), "the machine's role is not guessed");
        assert!(!refused(S3BlobConfig {
            machine_role: true,
            ..named.clone()
        }));
        let keys = S3BlobConfig {
            access_key: Some("a".to_owned()),
            secret_key: Some("s".into()),
            ..named.clone()
        };
        assert!(!refused(keys.clone()));
        assert!(refused(S3BlobConfig {
            machine_role: true,
            ..keys
        }));
        assert!(refused(S3BlobConfig::default()));
        assert!(refused(S3BlobConfig {
            access_key: Some("a".to_owned()),
            ..named.clone()
        }));
        assert!(refused(S3BlobConfig {
            secret_key: Some("s".into()),
            ..named.clone()
        }));
        assert!(refused(S3BlobConfig {
            access_key: Some("a".to_owned()),
            secret_key: Some("s".into()),
            secret_key_file: Some("f".into()),
            ..named
        }));
    }
}
