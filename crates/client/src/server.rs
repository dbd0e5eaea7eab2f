//! A server, and how it is asked.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::answer::Answer;
use crate::request::Request;
use crate::trust::{self, Notes, Trust};
use crate::{Credentials, Error};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may be silent that was asked for something, and amid an answer. What changes
/// something may take longer: see [`Request::open`].
const SILENCE: Duration = Duration::from_mins(5);

/// A server at an address. Cheap to clone; clones share connections.
///
/// Calls of the JSON API are methods of it, each in the module of its noun; what has no method of
/// its own goes by [`Server::request`].
#[derive(Clone, Debug)]
pub struct Server {
    url: Url,
    http: reqwest::Client,
    notes: Arc<Notes>,
    login: Option<Credentials>,
    basic: Option<Credentials>,
    silence: Duration,
}

impl Server {
    /// A server at `url`, trusted by the system's certificates. Credentials in the URL are sent
    /// by Basic authentication. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Address`] when `url` is not an http or https URL.
    pub fn new(url: Url) -> Result<Self, Error> {
        Self::with_trust(url, &Trust::system())
    }

    /// A server at `url` that proves itself by `trust`.
    ///
    /// # Errors
    /// As [`Server::new`]; also when certificates that were named cannot be read.
    pub fn with_trust(mut url: Url, trust: &Trust) -> Result<Self, Error> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Error::Address {
                url: without_credentials(&url).to_string(),
                reason: "it must begin with http:// or https:// and a host",
            });
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        url.set_query(None);
        url.set_fragment(None);
        let basic = credentials_of(&url);
        let (client, notes) = trust.client(url.scheme() == "https")?;
        #[cfg(target_os = "linux")]
        // A busy server does not read on for a while; only a dead one does not say that it is there.
        let client = client.tcp_user_timeout(SILENCE);
        let http = client
            .user_agent(concat!("cheeseshop/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // Followed by hand: credentials stay with the server they are for.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            url: without_credentials(&url),
            http,
            notes,
            login: None,
            basic,
            silence: SILENCE,
        })
    }

    /// The same server, asked by a user with a password, a login's token or a token
    /// (`X-Devpi-Auth`).
    #[must_use]
    pub fn with_login(mut self, login: Option<Credentials>) -> Self {
        self.login = login;
        self
    }

    /// The same server behind a front that wants Basic authentication.
    #[must_use]
    pub fn with_basic(mut self, basic: Option<Credentials>) -> Self {
        self.basic = basic;
        self
    }

    /// The same connections to a server at another address of the same trust.
    #[must_use]
    pub(crate) fn moved_to(mut self, url: Url) -> Self {
        self.url = url;
        self
    }

    /// The address, without credentials.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// Begins a request to a path below the server's address, or to any URL.
    ///
    /// # Errors
    /// [`Error::Address`] when it is no path or URL.
    pub fn request(&self, method: Method, path: &str) -> Result<Request<'_>, Error> {
        let url = self
            .url
            .join(path.trim_start_matches('/'))
            .map_err(|_| Error::Address {
                url: path.to_owned(),
                reason: "it is no path and no URL",
            })?;
        Ok(self.request_url(method, url))
    }

    /// Begins a request to a URL.
    pub fn request_url(&self, method: Method, url: Url) -> Request<'_> {
        Request::new(self, method, url)
    }

    /// Gets a document.
    ///
    /// # Errors
    /// No answer; an error status is an answer.
    pub async fn get(&self, path: &str) -> Result<Answer, Error> {
        self.request(Method::GET, path)?.send().await
    }

    /// Fetches a document and takes it out of its envelope.
    pub(crate) async fn fetch(&self, path: &str, kind: &str) -> Result<Value, Error> {
        self.get(path).await?.expect(kind)
    }

    /// How long the server may be silent.
    pub(crate) fn silence(&self) -> Duration {
        self.silence
    }

    /// The same with less patience.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// What connections to the server have shown of it.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Why a request got no answer.
    pub(crate) fn no_answer(&self, error: reqwest::Error) -> Error {
        match trust::connection_trouble(&error, &self.notes) {
            Some(trouble) => Error::Handshake(trouble),
            None => error.into(),
        }
    }

    pub(crate) fn login(&self) -> Option<&Credentials> {
        self.login.as_ref()
    }

    pub(crate) fn basic(&self) -> Option<&Credentials> {
        self.basic.as_ref()
    }

    /// Whether a URL is of this very server: only there credentials are sent.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.url.origin() && format!("{}/", url.path()).starts_with(self.url.path())
    }
}

/// The user and password that a URL carries, decoded.
pub(crate) fn credentials_of(url: &Url) -> Option<Credentials> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    Some(Credentials::new(
        decoded(url.username()),
        decoded(url.password().unwrap_or_default()),
    ))
}

/// The URL as it may be shown.
pub(crate) fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    remove_credentials(&mut url);
    url
}

pub(crate) fn remove_credentials(url: &mut Url) {
    // Both fail only for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_with_a_slash_and_hide_credentials() {
        // Building a client needs a provider; the binary installs it first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = Server::new("http://bob:p%20w@shop.test/devpi?x#y".parse().unwrap()).unwrap();
        assert_eq!(server.url().as_str(), "http://shop.test/devpi/");
        assert_eq!(server.basic().unwrap().secret(), "p w");
        assert!(!format!("{server:?}").contains("p w"));
    }

    #[test]
    fn what_is_no_server_is_refused_without_naming_the_password() {
        let error = Server::new("ftp://bob:pw@shop.test/".parse().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`ftp://shop.test/` is not the address of a server: it must begin with http:// or \
             https:// and a host"
        );
    }

    #[test]
    fn only_its_own_urls_are_the_servers() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = Server::new("http://shop.test/devpi".parse().unwrap()).unwrap();
        for (url, is_own) in [
            ("http://shop.test/devpi/bob/dev", true),
            ("http://shop.test/devpi", true),
            ("http://shop.test/other", false),
            ("https://shop.test/devpi/", false),
            ("http://shop.test:8080/devpi/", false),
            ("http://elsewhere.test/devpi/", false),
        ] {
            assert_eq!(server.is_own(&url.parse().unwrap()), is_own, "{url}");
        }
    }
}
