//! Indexes of a server.

use reqwest::Method;
use serde_json::{Map, Value};
use url::Url;

use crate::{Error, Server};

impl Server {
    /// The URL of an index.
    ///
    /// # Errors
    /// [`Error::Address`] when it is no `user/index`.
    pub fn index_url(&self, index: &str) -> Result<Url, Error> {
        let (user, index) = index.split_once('/').ok_or_else(|| Error::Address {
            url: index.to_owned(),
            reason: "an index is USER/INDEX",
        })?;
        self.below(&[user, index])
    }

    /// The settings of an index, without its projects.
    ///
    /// # Errors
    /// No answer, or the server's refusal; [`Error::Refused`] with 404 for an index that is not there.
    pub async fn index(&self, index: &str) -> Result<Map<String, Value>, Error> {
        let mut url = self.index_url(index)?;
        url.set_query(Some("no_projects="));
        let request = self.request_url(Method::GET, url);
        request.send().await?.read("indexconfig")
    }

    /// Makes an index: `bases`, `volatile` and whatever else the server knows.
    ///
    /// # Errors
    /// As [`Server::index`]; [`Error::Refused`] with 409 for an index that is there.
    pub async fn create_index(&self, index: &str, settings: &Value) -> Result<(), Error> {
        let request = self.request_url(Method::PUT, self.index_url(index)?);
        request.json(settings).send().await?.accepted().map(drop)
    }

    /// Changes an index by a list of `name=value`, `name+=value`, `name-=value` and `name-`.
    ///
    /// # Errors
    /// As [`Server::index`].
    pub async fn change_index(&self, index: &str, changes: &[String]) -> Result<(), Error> {
        let request = self.request_url(Method::PATCH, self.index_url(index)?);
        request
            .json(&serde_json::json!(changes))
            .send()
            .await?
            .accepted()
            .map(drop)
    }

    /// Changes the settings of an index that are named in a JSON object; the others stay.
    ///
    /// # Errors
    /// As [`Server::index`].
    pub async fn merge_index(&self, index: &str, settings: &Value) -> Result<(), Error> {
        let request = self.request_url(Method::PATCH, self.index_url(index)?);
        request.json(settings).send().await?.accepted().map(drop)
    }

    /// Removes an index with all that it holds.
    ///
    /// # Errors
    /// As [`Server::index`].
    pub async fn remove_index(&self, index: &str) -> Result<(), Error> {
        let request = self.request_url(Method::DELETE, self.index_url(index)?);
        request.send().await?.accepted().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_two_names() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = Server::new("http://shop.test".parse().unwrap()).unwrap();
        let url = |index: &str| server.index_url(index).map(String::from);
        assert_eq!(url("bob/dev").unwrap(), "http://shop.test/bob/dev");
        for odd in ["bob", "bob/", "/dev", "bob/dev/x"] {
            assert!(url(odd).is_err(), "{odd}");
        }
    }
}
