//! `+status`: the state of the server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Number;

/// The result of `+status` of a server that is no replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Where the data are.
    pub serverdir: Option<String>,
    /// Where the program is.
    pub server_code: Option<String>,
    /// The address listened on.
    pub host: Option<String>,
    /// The port listened on.
    pub port: Option<u16>,
    /// The address from outside.
    pub outside_url: Option<String>,
    /// The identity of the node.
    pub uuid: String,
    /// `MASTER` for a server that stands alone.
    pub role: String,
    /// Parts of the program and their versions.
    pub versioninfo: BTreeMap<String, String>,
    /// The newest serial.
    pub serial: i64,
    /// When it was committed, in seconds of Unix time.
    pub last_commit_timestamp: f64,
    /// The serial up to which derived data are made.
    pub event_serial: i64,
    /// When that was reached.
    pub event_serial_timestamp: f64,
    /// When nothing was left to derive.
    pub event_serial_in_sync_at: f64,
    /// Figures.
    pub metrics: Vec<StatusMetric>,
    /// Who follows this server.
    #[serde(rename = "polling_replicas")]
    pub polling_replicas: BTreeMap<String, PollingReplica>,
}

/// One figure: a list of name, kind and value on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusMetric(
    /// The name.
    pub String,
    /// How to read it.
    pub MetricKind,
    /// The value.
    pub Number,
);

/// How to read a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A replica that follows this server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PollingReplica {
    /// Where it asks from.
    pub remote_ip: Option<String>,
    /// The serial it waits for.
    pub serial: i64,
    /// Whether it asks just now.
    pub in_request: bool,
    /// Whether it is being sent a stream.
    pub is_streaming: bool,
    /// When it last asked, in seconds of Unix time.
    pub last_request: f64,
    /// Its address from outside.
    pub outside_url: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_devpis() {
        let status = Status {
            serverdir: Some("/data".to_owned()),
            server_code: None,
            host: Some("127.0.0.1".to_owned()),
            port: Some(3141),
            outside_url: None,
            uuid: "0".repeat(32),
            role: "MASTER".to_owned(),
            versioninfo: BTreeMap::from([("cheeseshop".to_owned(), "0.1.0".to_owned())]),
            serial: 7,
            last_commit_timestamp: 1.5,
            event_serial: 7,
            event_serial_timestamp: 1.5,
            event_serial_in_sync_at: 1.5,
            metrics: vec![StatusMetric("n".to_owned(), MetricKind::Gauge, 1.into())],
            polling_replicas: BTreeMap::new(),
        };
        let value = serde_json::to_value(&status).unwrap();
        assert_eq!(
            value,
            json!({
                "serverdir": "/data", "server-code": null, "host": "127.0.0.1", "port": 3141,
                "outside-url": null, "uuid": "0".repeat(32), "role": "MASTER",
                "versioninfo": {"cheeseshop": "0.1.0"}, "serial": 7, "last-commit-timestamp": 1.5,
                "event-serial": 7, "event-serial-timestamp": 1.5, "event-serial-in-sync-at": 1.5,
                "metrics": [["n", "gauge", 1]], "polling_replicas": {},
            })
        );
        assert_eq!(serde_json::from_value::<Status>(value).unwrap(), status);
    }
}
