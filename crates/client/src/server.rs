//! A server, and how it is asked.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::Error;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read. Documents of the JSON API are far smaller.
const LARGEST_ANSWER_BYTES: usize = 64 << 20;

/// A server at an address. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Server {
    url: Url,
    http: reqwest::Client,
}

/// The envelope around every document of the JSON API.
#[derive(serde::Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: Option<String>,
    result: Option<Value>,
    message: Option<String>,
}

impl Server {
    /// A server at `url`, which may carry credentials. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Address`] when `url` is not an http or https URL, [`Error::Transport`] when the
    /// system's certificates cannot be read.
    pub fn new(mut url: Url) -> Result<Self, Error> {
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
        let http = reqwest::Client::builder()
            .user_agent(concat!("cheeseshop-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()?;
        Ok(Self { url, http })
    }

    /// The address, without credentials.
    pub fn url(&self) -> Url {
        without_credentials(&self.url)
    }

    /// Fetches a document and takes it out of its envelope.
    pub(crate) async fn fetch(&self, path: &str, kind: &str) -> Result<Value, Error> {
        let url = self
            .url
            .join(path)
            .map_err(|error| Error::Unexpected(error.to_string()))?;
        let mut response = self
            .http
            .get(url)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .send()
            .await?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LARGEST_ANSWER_BYTES {
                return Err(Error::Unexpected("it is too large".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        let envelope = serde_json::from_slice::<Envelope>(&body);
        if !status.is_success() {
            return Err(Error::Refused {
                status: status.as_u16(),
                message: envelope.ok().and_then(|envelope| envelope.message),
            });
        }
        let envelope = envelope.map_err(|error| Error::Unexpected(error.to_string()))?;
        match (envelope.kind.as_deref(), envelope.result) {
            (Some(found), Some(result)) if found == kind => Ok(result),
            (found, _) => Err(Error::Unexpected(format!(
                "expected type `{kind}`, found `{}`",
                found.unwrap_or("none")
            ))),
        }
    }
}

/// Reads a document's typed part.
pub(crate) fn read<T: DeserializeOwned>(document: &Value) -> Result<T, Error> {
    T::deserialize(document).map_err(|error| Error::Unexpected(error.to_string()))
}

fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_with_a_slash_and_hide_credentials() {
        // Building a client needs a provider; the binary installs it first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = Server::new("http://bob:pw@shop.test/devpi?x#y".parse().unwrap()).unwrap();
        assert_eq!(server.url().as_str(), "http://shop.test/devpi/");
        assert_eq!(server.url.password(), Some("pw"));
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
}
