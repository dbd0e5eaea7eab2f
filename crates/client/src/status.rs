//! `+status`: how a server is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::read;
use crate::{Error, Server};

/// How a server is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Identity of the node.
    pub uuid: String,
    /// `MASTER` (also of a server without replicas) or `REPLICA`.
    pub role: String,
    /// Number of the newest change.
    pub serial: i64,
    /// Versions of the server and its parts by name.
    pub versions: BTreeMap<String, String>,
    /// The whole document, also what is not known here.
    pub document: Value,
}

#[derive(Deserialize)]
struct Document {
    uuid: String,
    role: String,
    serial: i64,
    #[serde(default)]
    versioninfo: BTreeMap<String, String>,
}

impl Server {
    /// Asks the server how it is.
    ///
    /// # Errors
    /// No answer, an error, or an answer of something else than a devpi-compatible server.
    pub async fn status(&self) -> Result<Status, Error> {
        understand(self.fetch("+status", "status").await?)
    }
}

fn understand(document: Value) -> Result<Status, Error> {
    let known: Document = read(&document)?;
    Ok(Status {
        uuid: known.uuid,
        role: known.role,
        serial: known.serial,
        versions: known.versioninfo,
        document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_here_is_kept() {
        let status = understand(serde_json::json!({
            "uuid": "ab", "role": "MASTER", "serial": 7, "extra": true,
            "versioninfo": {"cheeseshop": "0.1.0"},
        }))
        .unwrap();
        assert_eq!(status.serial, 7);
        assert_eq!(status.versions["cheeseshop"], "0.1.0");
        assert_eq!(status.document["extra"], true);
    }

    #[test]
    fn another_document_is_refused() {
        assert!(understand(serde_json::json!({"uuid": "ab"})).is_err());
    }
}
