//! The section `[tls]`.

use std::path::PathBuf;
use std::time::Duration;

use cheeseshop_http::PlainPolicy;
use serde::Deserialize;

/// In seconds: who looks once a day might as well not.
const LONGEST_WATCH_INTERVAL: u64 = 86_400;

/// How TLS is spoken, and what is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsSettings {
    /// PEM files with a certificate each, and the chain behind it.
    pub(crate) certificate: Vec<PathBuf>,
    /// The files of their keys, in the same order; empty: each is in the file of its certificate.
    pub(crate) key: Vec<PathBuf>,
    /// The oldest version that is spoken.
    pub(crate) minimum_version: MinimumVersion,
    /// How long a client may take until requests can be sent.
    pub(crate) handshake_timeout_seconds: u64,
    /// What plain addresses do beside those that speak TLS.
    pub(crate) plain_http: PlainHttp,
    /// For how long browsers are to insist on TLS; 0: nothing is said.
    pub(crate) hsts_seconds: u64,
    /// Whether clients show certificates.
    pub(crate) client_certificates: ClientCertificates,
    /// PEM file of the authorities that vouch for clients.
    pub(crate) client_ca: Option<PathBuf>,
    /// PEM file of the lists of certificates that these have taken back.
    pub(crate) client_revoked: Option<PathBuf>,
    /// What becomes of certificates when such a list is out of date.
    pub(crate) client_revoked_expired: RevokedExpired,
    /// What of a certificate names the user.
    pub(crate) client_user: ClientUser,
    /// How often it is looked whether the files have changed; 0: never.
    pub(crate) watch_interval_seconds: u64,
}

/// What becomes of certificates whose issuer's list of revoked ones is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RevokedExpired {
    /// They are refused: nobody knows which of them were taken back since.
    #[default]
    Refuse,
    /// Those that it does not name are taken.
    Accept,
}

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum MinimumVersion {
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

/// What plain addresses do beside those that speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PlainHttp {
    Serve,
    ReadOnly,
    #[default]
    Redirect,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientCertificates {
    #[default]
    None,
    Optional,
    Required,
}

/// What of a certificate names the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientUser {
    /// Nothing: a certificate opens the door, and users log in behind it.
    #[default]
    None,
    CommonName,
    Email,
    Dns,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            certificate: Vec::new(),
            key: Vec::new(),
            minimum_version: MinimumVersion::default(),
            handshake_timeout_seconds: 10,
            plain_http: PlainHttp::default(),
            hsts_seconds: 0,
            client_certificates: ClientCertificates::default(),
            client_ca: None,
            client_revoked: None,
            client_revoked_expired: RevokedExpired::default(),
            client_user: ClientUser::default(),
            watch_interval_seconds: 60,
        }
    }
}

impl TlsSettings {
    /// Whether TLS can be spoken.
    pub(crate) fn is_on(&self) -> bool {
        !self.certificate.is_empty()
    }

    /// Whether whoever logs in without TLS is refused.
    pub(crate) fn refuses_plain_logins(&self) -> bool {
        self.plain_http != PlainHttp::Serve
    }

    /// Everything that is wrong with these settings, without a look at the files; one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.certificate.is_empty() && !self.key.is_empty() {
            problems.push("`certificate` is needed for `tls.key`".to_owned());
        } else if !self.key.is_empty() && self.key.len() != self.certificate.len() {
            problems.push(format!(
                "`key` has {} files for {} of `tls.certificate`: name one for each, in the same order",
                self.key.len(),
                self.certificate.len()
            ));
        }
        if self.handshake_timeout_seconds == 0 {
            problems.push("`handshake_timeout_seconds` must be at least 1s".to_owned());
        }
        if self.watch_interval_seconds > LONGEST_WATCH_INTERVAL {
            problems.push("`watch_interval_seconds` must be at most 1d; 0 is off".to_owned());
        }
        let is_set = self.client_revoked_expired != RevokedExpired::default();
        if is_set && self.client_revoked.is_none() {
            problems.push(
                "`client_revoked_expired` does nothing without `tls.client_revoked`".to_owned(),
            );
        }
        if self.client_certificates != ClientCertificates::None {
            if self.client_ca.is_none() {
                problems.push(
                    "`client_ca` is needed to know whose certificates to take from clients"
                        .to_owned(),
                );
            }
            return problems;
        }
        // Whoever writes one of these thinks that clients are asked for something.
        for (field, is_set) in [
            ("client_ca", self.client_ca.is_some()),
            ("client_revoked", self.client_revoked.is_some()),
            ("client_user", self.client_user != ClientUser::None),
        ] {
            if is_set {
                problems.push(format!(
                    "`{field}` does nothing while `tls.client_certificates` is \"none\": \
                     set that to \"optional\" or \"required\""
                ));
            }
        }
        problems
    }

    /// How often to look at the files, if at all.
    pub(super) fn watch_interval(&self) -> Option<Duration> {
        let seconds = self.watch_interval_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    pub(super) fn handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.handshake_timeout_seconds)
    }

    /// Each file of a certificate with that of its key.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&PathBuf, &PathBuf)> {
        let keys = if self.key.is_empty() {
            &self.certificate
        } else {
            &self.key
        };
        self.certificate.iter().zip(keys)
    }
}

impl From<PlainHttp> for PlainPolicy {
    fn from(setting: PlainHttp) -> Self {
        match setting {
            PlainHttp::Serve => Self::Serve,
            PlainHttp::ReadOnly => Self::ReadOnly,
            PlainHttp::Redirect => Self::Redirect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        toml::from_str::<TlsSettings>(text).unwrap().problems()
    }

    #[test]
    fn what_would_do_nothing_or_cannot_work_is_found() {
        for (text, expected) in [
            ("", None),
            ("certificate = ['a']", None),
            ("certificate = ['a', 'b']\nkey = ['c', 'd']", None),
            ("key = ['c']", Some("`certificate` is needed")),
            ("certificate = ['a', 'b']\nkey = ['c']", Some("`key` has 1")),
            (
                "handshake_timeout_seconds = 0",
                Some("`handshake_timeout_seconds`"),
            ),
            (
                "client_certificates = 'optional'",
                Some("`client_ca` is needed"),
            ),
            (
                "client_certificates = 'required'\nclient_ca = 'x'\nclient_user = 'dns'",
                None,
            ),
            ("client_ca = 'x'", Some("`client_ca` does nothing")),
            ("client_revoked = 'x'", Some("`client_revoked` does")),
            ("client_user = 'email'", Some("`client_user` does nothing")),
            ("watch_interval_seconds = 0", None),
            (
                "watch_interval_seconds = 90000",
                Some("`watch_interval_seconds` must be at most 1d"),
            ),
            (
                "client_revoked_expired = 'accept'",
                Some("`client_revoked_expired` does nothing"),
            ),
        ] {
            let found = problems(text);
            assert_eq!(
                found.len(),
                usize::from(expected.is_some()),
                "{text}: {found:?}"
            );
            if let Some(expected) = expected {
                assert!(found[0].starts_with(expected), "{text}: {found:?}");
            }
        }
    }

    #[test]
    fn words_are_those_of_the_manual() {
        let settings: TlsSettings = toml::from_str(
            "minimum_version = '1.3'\nplain_http = 'read-only'\nclient_user = 'common_name'",
        )
        .unwrap();
        assert_eq!(settings.minimum_version, MinimumVersion::Tls13);
        assert_eq!(settings.plain_http, PlainHttp::ReadOnly);
        assert_eq!(settings.client_user, ClientUser::CommonName);
    }
}
