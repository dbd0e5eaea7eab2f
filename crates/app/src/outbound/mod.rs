//! The one builder of HTTP clients: trust, proxy, user agent and connection limits; and what users make us send.
//!
//! Redirects are not followed here, and bodies are not unpacked: who asks decides which
//! credentials may go to which host and how many bytes to take, see [`crate::mirror`].
//!
//! [`Outgoing`] is for requests whose address a user of an index has chosen: pushes and calls after uploads.

mod hosts;
mod post;
mod settings;
pub(crate) mod telemetry;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::mirror::{MirrorSettings, ProxySetting};

pub use self::hosts::{AllowedHosts, BadPattern};
pub use self::settings::{PushSettings, TriggerSettings};

pub(crate) use self::post::{Post, PostError, Reply, boundary, host_of};

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
    #[error("the proxy setting is neither a URL nor `none` or `environment`")]
    Proxy,
    /// The user agent cannot be sent in a header.
    #[error("the user agent holds letters that no header may hold")]
    UserAgent,
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
    builder(settings)?
        .read_timeout(settings.request_timeout.max(settings.list_timeout))
        .build()
        .map_err(OutboundError::Client)
}

fn builder(settings: &MirrorSettings) -> Result<reqwest::ClientBuilder, OutboundError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(user_agent(settings)?)
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_zstd()
        .referer(false)
        .connect_timeout(settings.request_timeout)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_adaptive_window(true)
        .tcp_nodelay(true);
    if let Some(path) = &settings.ca_bundle {
        builder = builder.tls_certs_only(certificates(path)?);
    }
    Ok(match proxy(settings)? {
        Some(proxy) => builder.proxy(proxy),
        None if matches!(settings.proxy, ProxySetting::None) => builder.no_proxy(),
        None => builder,
    })
}

/// The live parts of what users make us send.
pub(crate) struct Outgoing {
    /// Without a limit between bytes received: while a large file is sent there are none.
    client: reqwest::Client,
    pushes: Arc<Semaphore>,
    calls: Arc<Semaphore>,
    /// What has begun goes on when whoever asked for it goes away.
    tasks: TaskTracker,
    /// Nothing more is to begin.
    stopping: CancellationToken,
    /// Nor is anything to go on.
    stopped: CancellationToken,
}

impl Outgoing {
    pub(crate) fn new(settings: &crate::Settings) -> Result<Self, OutboundError> {
        let slots =
            |number: usize| Arc::new(Semaphore::new(number.clamp(1, Semaphore::MAX_PERMITS)));
        let tasks = TaskTracker::new();
        tasks.close();
        Ok(Self {
            client: builder(&settings.mirror)?
                .build()
                .map_err(OutboundError::Client)?,
            pushes: slots(settings.push.concurrent),
            calls: slots(settings.trigger.concurrent),
            tasks,
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
        })
    }

    /// The right to push now, if not too many do.
    pub(crate) fn push_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.pushes).try_acquire_owned().ok()
    }

    /// The right to call now, if not too many do.
    pub(crate) fn call_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.calls).try_acquire_owned().ok()
    }

    /// Sends a form, see [`Post::send`].
    ///
    /// # Errors
    /// [`PostError`], also when the server stops meanwhile.
    pub(crate) async fn send(&self, post: Post, patience: Duration) -> Result<Reply, PostError> {
        post.send(&self.client, patience, &self.stopped).await
    }

    /// Whether the server stops, so that whoever sends several forms begins no further one.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Lets no further form begin, gives up after this time those that are under way, and waits until whoever sent
    /// them has noted what came of it.
    pub(crate) async fn stop(&self, patience: Duration) {
        self.stopping.cancel();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            self.stopped.cancel();
            self.tasks.wait().await;
        }
    }

    /// Runs to the end whatever becomes of the caller.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        self.tasks.spawn(task).await.map_err(Error::internal)
    }

    /// Waits until all that has begun has ended.
    pub(crate) async fn settle(&self) {
        self.tasks.wait().await;
    }
}

/// All that would keep [`client`] from making one, a sentence each that begins with the key.
pub(crate) fn problems(settings: &MirrorSettings) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(Err(error)) = settings.ca_bundle.as_deref().map(certificates) {
        let cause = std::error::Error::source(&error)
            .map_or_else(String::new, |cause| format!(": {cause}"));
        problems.push(format!(
            "`ca_bundle`: {error}{cause}; name a readable PEM file, or leave the setting out to \
             trust the system's authorities"
        ));
    }
    if let Err(error) = proxy(settings) {
        problems.push(format!(
            "`proxy`: {error}; write it as `http://HOST:PORT` or `socks5://HOST:PORT`"
        ));
    }
    if let Err(error) = user_agent(settings) {
        problems.push(format!("`user_agent`: {error}; write it in one line"));
    }
    problems
}

fn user_agent(settings: &MirrorSettings) -> Result<HeaderValue, OutboundError> {
    HeaderValue::from_str(&settings.user_agent).map_err(|_| OutboundError::UserAgent)
}

/// The proxy for everything, if the settings name one.
fn proxy(settings: &MirrorSettings) -> Result<Option<reqwest::Proxy>, OutboundError> {
    let ProxySetting::Url(url) = &settings.proxy else {
        return Ok(None);
    };
    // Only a URL with a scheme: `reqwest` would take any word for a host.
    url::Url::parse(url.expose_secret())
        .ok()
        .filter(url::Url::has_host)
        .and_then(|url| reqwest::Proxy::all(url).ok())
        .map(Some)
        .ok_or(OutboundError::Proxy)
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
