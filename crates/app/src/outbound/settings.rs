//! What may be sent to other servers, and how patiently.

use std::time::Duration;

use serde::Deserialize;

use super::AllowedHosts;
use crate::mirror::seconds;

/// Pushes to other servers. Trust, proxy, and how long a connection may take to be made are those of
/// [`crate::mirror::MirrorSettings`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PushSettings {
    /// The servers that releases may be pushed to. Default: any, as in devpi.
    pub allowed_hosts: AllowedHosts,
    /// Seconds that the other server may neither take nor send anything. Default 120.
    #[serde(deserialize_with = "seconds")]
    pub timeout: Duration,
    /// Pushes to other servers at the same time; more are turned away as busy. Default 8.
    pub concurrent: usize,
}

impl Default for PushSettings {
    fn default() -> Self {
        Self {
            allowed_hosts: AllowedHosts::default(),
            timeout: Duration::from_mins(2),
            concurrent: 8,
        }
    }
}

/// Calls after an upload. Trust, proxy and the time for a connection are those of pushes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriggerSettings {
    /// The servers that may be called. Default: any, as in devpi.
    pub allowed_hosts: AllowedHosts,
    /// Seconds that a call may take as a whole; the upload waits for it. Default 10.
    #[serde(deserialize_with = "seconds")]
    pub timeout: Duration,
    /// Calls at the same time; more are not made, which the uploader is told. Default 32.
    pub concurrent: usize,
}

impl Default for TriggerSettings {
    fn default() -> Self {
        Self {
            allowed_hosts: AllowedHosts::default(),
            timeout: Duration::from_secs(10),
            concurrent: 32,
        }
    }
}
