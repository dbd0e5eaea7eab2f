//! Users of a server.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value};
use url::Url;

use crate::answer::read;
use crate::{Error, Server};

impl Server {
    /// The URL of a user.
    ///
    /// # Errors
    /// [`Error::Address`] when it is no name of a user.
    pub fn user_url(&self, user: &str) -> Result<Url, Error> {
        self.below(&[user])
    }

    /// The users and what the caller may see of them, without passwords.
    ///
    /// # Errors
    /// No answer, or the server's refusal.
    pub async fn users(&self) -> Result<BTreeMap<String, Map<String, Value>>, Error> {
        read(&self.fetch("", "list:userconfig").await?)
    }

    /// The settings and indexes of a user.
    ///
    /// # Errors
    /// As [`Server::users`]; [`Error::Refused`] with 404 for a user that is not there.
    pub async fn user(&self, user: &str) -> Result<Map<String, Value>, Error> {
        let request = self.request_url(Method::GET, self.user_url(user)?);
        request.send().await?.read("userconfig")
    }

    /// Makes a user: `password`, `email` and whatever else the server knows.
    ///
    /// # Errors
    /// As [`Server::users`]; [`Error::Refused`] with 409 for a user that is there.
    pub async fn create_user(&self, user: &str, settings: &Value) -> Result<(), Error> {
        let request = self.request_url(Method::PUT, self.user_url(user)?);
        request.json(settings).send().await?.accepted().map(drop)
    }

    /// Changes the settings of a user that are named; the others stay.
    ///
    /// # Errors
    /// As [`Server::user`].
    pub async fn change_user(&self, user: &str, settings: &Value) -> Result<(), Error> {
        let request = self.request_url(Method::PATCH, self.user_url(user)?);
        request.json(settings).send().await?.accepted().map(drop)
    }

    /// Removes a user with all indexes.
    ///
    /// # Errors
    /// As [`Server::user`].
    pub async fn remove_user(&self, user: &str) -> Result<(), Error> {
        let request = self.request_url(Method::DELETE, self.user_url(user)?);
        request.send().await?.accepted().map(drop)
    }

    /// The URL of names below the server's address. A name cannot lead elsewhere.
    pub(crate) fn below(&self, names: &[&str]) -> Result<Url, Error> {
        let refused = || Error::Address {
            url: names.join("/"),
            reason: "these are no names",
        };
        if names
            .iter()
            .any(|name| matches!(*name, "" | "." | "..") || name.contains('/'))
        {
            return Err(refused());
        }
        let mut url = self.url();
        url.path_segments_mut()
            .map_err(|()| refused())?
            .pop_if_empty()
            .extend(names);
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_below_the_server() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = Server::new("http://shop.test/devpi".parse().unwrap()).unwrap();
        let url = |user: &str| server.user_url(user).map(String::from);
        assert_eq!(url("bob").unwrap(), "http://shop.test/devpi/bob");
        assert_eq!(url("a?b#c").unwrap(), "http://shop.test/devpi/a%3Fb%23c");
        for odd in ["", "..", "a/b"] {
            assert!(url(odd).is_err(), "{odd}");
        }
    }
}
