//! `+login`: a password turned into a token for the day.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::{Credentials, Error, Server};

/// A login that a server has accepted.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user with the token to send from now on.
    pub credentials: Credentials,
    /// How long the token is valid.
    pub lifetime: Duration,
}

/// The document of `POST /+login`.
#[derive(Deserialize)]
pub(crate) struct LoginDocument {
    pub(crate) password: String,
    /// Seconds.
    pub(crate) expiration: u64,
}

impl Server {
    /// Logs a user in.
    ///
    /// # Errors
    /// No answer, or the server's refusal.
    pub async fn log_in(&self, user: &str, password: &str) -> Result<Login, Error> {
        let document: LoginDocument = self
            .request(Method::POST, "+login")?
            .login(None)
            .json(&json!({"user": user, "password": password}))
            .send()
            .await?
            .read("proxyauth")?;
        Ok(Login {
            credentials: Credentials::new(user, document.password),
            lifetime: Duration::from_secs(document.expiration),
        })
    }
}
