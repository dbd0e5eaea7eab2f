//! Where a mirror reads from, and with which credentials.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cheeseshop_domain::{Index, MirrorConfig};
use cheeseshop_packaging::ProjectName;
use http::HeaderValue;
use secrecy::ExposeSecret;
use url::{Origin, Url};

/// The upstream of one mirror. The only holder of its credentials outside of configuration;
/// `Debug` does not show them.
#[derive(Clone)]
pub(super) struct Source {
    config: MirrorConfig,
    base: Url,
    /// `base` as text: the identity of what is stored from it. Other text, other upstream.
    identity: Arc<str>,
    authorization: Option<HeaderValue>,
}

impl Source {
    /// The upstream of an index; `None` when it is no mirror or has no `mirror_url`.
    pub(super) fn of(index: &Index) -> Option<Self> {
        let config = index.mirror()?;
        let base = config.project_list_url()?;
        let credentials = config.mirror_url.as_ref()?.credentials();
        let authorization = credentials.and_then(|credentials| {
            let pair = format!(
                "{}:{}",
                credentials.username.expose_secret(),
                credentials.password.expose_secret()
            );
            let mut value =
                HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Some(Self {
            config: config.clone(),
            identity: base.as_str().into(),
            base,
            authorization,
        })
    }

    /// The mirror keys of the index.
    pub(super) fn config(&self) -> &MirrorConfig {
        &self.config
    }

    /// What listings of this upstream are marked with; holds no credentials.
    pub(super) fn identity(&self) -> &Arc<str> {
        &self.identity
    }

    /// The address of the list of all projects.
    pub(super) fn list_url(&self) -> Url {
        self.base.clone()
    }

    /// The address of a project's page.
    pub(super) fn project_url(&self, project: &ProjectName) -> Url {
        self.config
            .project_url(project)
            .unwrap_or_else(|| self.base.clone())
    }

    /// The credentials, if this URL may see them: same scheme, host and port as `mirror_url`.
    pub(super) fn authorization_for(&self, url: &Url) -> Option<&HeaderValue> {
        let own: Origin = self.base.origin();
        self.authorization
            .as_ref()
            .filter(|_| own.is_tuple() && own == url.origin())
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Source").field(&self.identity).finish()
    }
}

/// A link without credentials, as it may be stored, shown and redirected to.
pub(super) fn without_userinfo(mut url: Url) -> Url {
    // Both fail only for URLs without a host, which have no user information either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// A link as it may stand in logs: no credentials, no query (it may be signed).
pub(super) fn for_logs(url: &Url) -> String {
    let mut url = without_userinfo(url.clone());
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}
