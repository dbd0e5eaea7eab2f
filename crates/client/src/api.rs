//! `+api`: what a server can do, and who it takes us for.

use serde::Deserialize;

use crate::answer::read;
use crate::{Error, Server};

/// What a server can do.
#[derive(Clone, Debug, Deserialize)]
pub struct Api {
    /// Where to log in: a URL.
    pub login: String,
    /// Who the server takes the caller for.
    pub authstatus: AuthStatus,
    /// What this server has beyond the oldest one, sorted by the server.
    #[serde(default)]
    pub features: Vec<String>,
}

/// Who a server takes the caller for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(String, String, Vec<String>)")]
pub struct AuthStatus {
    /// `ok`, `noauth`, `nouser`, `expired` or `fail`.
    pub state: String,
    /// The user's name; empty for none.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
}

impl From<(String, String, Vec<String>)> for AuthStatus {
    fn from((state, user, groups): (String, String, Vec<String>)) -> Self {
        Self {
            state,
            user,
            groups,
        }
    }
}

impl Server {
    /// Asks the server what it can do.
    ///
    /// # Errors
    /// No answer, an error, or an answer of something else than a devpi-compatible server.
    pub async fn api(&self) -> Result<Api, Error> {
        read(&self.fetch("+api", "apiconfig").await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_devpi_is_understood() {
        let api: Api = read(&serde_json::json!({
            "login": "http://shop.test/+login",
            "authstatus": ["ok", "bob", ["qa"]],
            "features": ["push-no-docs", "server-keyvalue-parsing"],
        }))
        .unwrap();
        assert_eq!(api.authstatus.user, "bob");
        assert_eq!(api.authstatus.groups, ["qa"]);
        assert_eq!(api.features.len(), 2);
    }
}
