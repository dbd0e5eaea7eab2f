//! The settings read in this crate, as plain data.

use serde::Deserialize;

pub use crate::auth::AuthSettings;
pub use crate::mirror::MirrorSettings;
pub use crate::outbound::{AllowedHosts, PushSettings, TriggerSettings};
pub use crate::publish::PublishLimits;

/// All settings of the app. Live things are built from them in [`crate::App::open`] only.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Passwords, logins and who may create users.
    pub auth: AuthSettings,
    /// Limits of uploads.
    pub publish: PublishLimits,
    /// How upstreams are asked.
    pub mirror: MirrorSettings,
    /// Pushes to other servers.
    pub push: PushSettings,
    /// Calls after an upload.
    pub trigger: TriggerSettings,
    /// How much memory hot pages may take.
    pub cache: CacheSettings,
}

/// How much memory hot pages may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// Bytes of rendered pages that are kept, all encodings together. Default 128 MiB.
    pub page_bytes: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            page_bytes: 128 * 1024 * 1024,
        }
    }
}
