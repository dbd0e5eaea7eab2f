//! The one builder of HTTP clients: trust, proxy, user agent and connection limits.
//!
//! Redirects are not followed here, and bodies are not unpacked: who asks decides which
//! credentials may go to which host and how many bytes to take, see [`crate::mirror`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::Error;
use crate::mirror::{MirrorSettings, ProxySetting};

/// Connections to one host that stay open between requests.
const IDLE_PER_HOST: usize = 32;

/// How long an unused connection stays open.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Why no HTTP client could be made. The texts are for operators and name the setting.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The file of certificate authorities cannot be read.
    #[error("cannot read the CA bundle `{}`", path.display())]
    CaBundle {
        /// The file as configured.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file has no usable PEM certificate.
    #[error("the CA bundle `{}` holds no PEM certificate", path.display())]
    NoCertificate {
        /// The file as configured.
        path: PathBuf,
    },
    /// The proxy setting is not an URL. The value may hold a password, so it is not shown.
    #[error("the proxy setting is neither an URL nor `none` or `environment`")]
    Proxy,
    /// The TLS library refuses the set-up.
    #[error("cannot set up HTTP requests to upstreams")]
    Client(#[source] reqwest::Error),
}

impl From<OutboundError> for Error {
    fn from(error: OutboundError) -> Self {
        Self::internal(error)
    }
}

/// A client as the settings say. It follows no redirects and unpacks nothing.
///
/// # Errors
/// [`OutboundError`], one for each setting that can be wrong.
pub fn client(settings: &MirrorSettings) -> Result<reqwest::Client, OutboundError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_zstd()
        .referer(false)
        .connect_timeout(settings.request_timeout)
        .read_timeout(settings.request_timeout.max(settings.list_timeout))
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_adaptive_window(true)
        .tcp_nodelay(true);
    if let Some(path) = &settings.ca_bundle {
        builder = builder.tls_certs_only(certificates(path)?);
    }
    builder = match &settings.proxy {
        ProxySetting::Environment => builder,
        ProxySetting::None => builder.no_proxy(),
        ProxySetting::Url(url) => builder.proxy(
            // Only an URL with a scheme: `reqwest` would take any word for a host.
            url::Url::parse(url.expose_secret())
                .ok()
                .filter(url::Url::has_host)
                .and_then(|url| reqwest::Proxy::all(url).ok())
                .ok_or(OutboundError::Proxy)?,
        ),
    };
    builder.build().map_err(OutboundError::Client)
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, OutboundError> {
    let pem = std::fs::read(path).map_err(|source| OutboundError::CaBundle {
        path: path.to_owned(),
        source,
    })?;
    reqwest::Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| OutboundError::NoCertificate {
            path: path.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_ca_bundle_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "no certificate here").unwrap();
        for (path, expected) in [(missing, "cannot read"), (empty, "holds no PEM")] {
            let settings = MirrorSettings {
                ca_bundle: Some(path.clone()),
                ..MirrorSettings::default()
            };
            let message = client(&settings).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains(path.to_str().unwrap()), "{message}");
        }
    }

    #[test]
    fn a_wrong_proxy_is_refused_without_showing_it() {
        let settings = MirrorSettings {
            proxy: "me:hunter2".into(),
            ..MirrorSettings::default()
        };
        let error = client(&settings).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
