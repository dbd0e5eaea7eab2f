//! devpi's JSON API, which we and devpi-server speak alike.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{Connection, Request};

/// A server as one user sees it.
#[derive(Debug)]
pub(crate) struct Api {
    connection: Connection,
    /// Value of `X-Devpi-Auth`.
    authorization: String,
}

impl Api {
    pub(crate) fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let mut api = Self {
            connection: Connection::open(address)?,
            authorization: String::new(),
        };
        let body = json!({"user": user, "password": password});
        let answer = api.send("POST", "/+login", &body)?;
        let token = answer["result"]["password"]
            .as_str()
            .context("a login without a token")?;
        api.authorization = STANDARD.encode(format!("{user}:{token}"));
        Ok(api)
    }

    pub(crate) fn create_user(&mut self, name: &str, password: &str) -> Result<()> {
        let body = json!({"password": password});
        self.send("PUT", &format!("/{name}"), &body).map(drop)
    }

    pub(crate) fn create_index(&mut self, name: &str, config: &Value) -> Result<()> {
        self.send("PUT", &format!("/{name}"), config).map(drop)
    }

    /// The header that proves who we are, for other requests.
    pub(crate) fn authorization(&self) -> (&'static str, &str) {
        ("X-Devpi-Auth", &self.authorization)
    }

    fn send(&mut self, method: &'static str, path: &str, body: &Value) -> Result<Value> {
        let mut request = Request::with_body(method, path, body.to_string().into_bytes())
            .header("Accept", "application/json")
            .header("Content-Type", "application/json");
        if !self.authorization.is_empty() {
            request = request.header("X-Devpi-Auth", self.authorization.clone());
        }
        let (answer, bytes) = self.connection.fetch(&request)?;
        if answer.status >= 300 {
            bail!(
                "{method} {path}: {} {}",
                answer.status,
                String::from_utf8_lossy(&bytes)
            );
        }
        serde_json::from_slice(&bytes).with_context(|| format!("{method} {path}"))
    }
}
