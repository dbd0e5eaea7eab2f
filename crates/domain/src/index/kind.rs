//! The kinds of index, and which settings belong to which.

use serde_json::Value;

use super::{HostedConfig, MirrorConfig, error::ConfigError};
use crate::{Acl, IndexName, JsonMap, UserName};

/// What an index is, with the settings that only this kind has.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexKind {
    /// It holds what is uploaded to it, and inherits from bases; devpi's `stage`. With constraints it holds nothing and
    /// shows a part of what it inherits; devpi's `constrained`.
    Hosted(HostedConfig),
    /// It follows an upstream.
    Mirror(MirrorConfig),
}

/// What came of setting or removing a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done.
    Done,
    /// This kind has no such key.
    NoSuchKey,
}

impl IndexKind {
    /// A new index of the kind with this devpi name, all settings at their defaults.
    pub(super) fn create(type_name: &str, owner: &UserName) -> Option<Self> {
        match type_name {
            HostedConfig::TYPE => Some(Self::Hosted(HostedConfig::new(owner))),
            HostedConfig::CONSTRAINED_TYPE => Some(Self::Hosted(HostedConfig::constrained(owner))),
            MirrorConfig::TYPE => Some(Self::Mirror(MirrorConfig::default())),
            _ => None,
        }
    }

    /// A new hosted index, all settings at their defaults.
    pub(super) fn hosted(owner: &UserName) -> Self {
        Self::Hosted(HostedConfig::new(owner))
    }

    /// An index of the kind as stored by a server that knew fewer keys.
    pub(super) fn before_stored_keys(type_name: &str, owner: &UserName) -> Option<Self> {
        let mut kind = Self::create(type_name, owner)?;
        if let Self::Hosted(hosted) = &mut kind {
            hosted.set_defaults_of_old_data();
        }
        Some(kind)
    }

    /// devpi's name of the kind: `stage`, `constrained` or `mirror`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Hosted(hosted) => hosted.type_name(),
            Self::Mirror(_) => MirrorConfig::TYPE,
        }
    }

    /// The indexes inherited from, in order.
    pub fn bases(&self) -> &[IndexName] {
        match self {
            Self::Hosted(hosted) => &hosted.bases,
            Self::Mirror(_) => &[],
        }
    }

    /// Who may upload; `None` where nobody ever can.
    pub fn acl_upload(&self) -> Option<&Acl> {
        match self {
            Self::Hosted(hosted) => Some(&hosted.acl_upload),
            Self::Mirror(_) => None,
        }
    }

    /// Who may upload test results; `None` where nobody ever can.
    pub fn acl_test_result_upload(&self) -> Option<&Acl> {
        match self {
            Self::Hosted(hosted) => Some(&hosted.acl_toxresult_upload),
            Self::Mirror(_) => None,
        }
    }

    /// Sets one key from a value as it arrives.
    pub(super) fn set(&mut self, key: &str, value: &Value) -> Result<Outcome, ConfigError> {
        match self {
            Self::Hosted(hosted) => hosted.set(key, value),
            Self::Mirror(mirror) => mirror.set(key, value),
        }
    }

    /// Takes one key away.
    pub(super) fn remove(&mut self, key: &str) -> Result<Outcome, ConfigError> {
        match self {
            Self::Hosted(hosted) => hosted.remove(key),
            Self::Mirror(mirror) => Ok(mirror.remove(key)),
        }
    }

    /// One entry of a list setting, as `set` would keep it; `None` where the key is no list.
    pub(super) fn normalize_entry(
        &self,
        key: &str,
        entry: &str,
    ) -> Option<Result<String, ConfigError>> {
        match self {
            Self::Hosted(hosted) => hosted.normalize_entry(key, entry),
            Self::Mirror(_) => None,
        }
    }

    /// Adds the settings to a document, in devpi's order; credentials only for storage.
    pub(super) fn add_json(&self, map: &mut JsonMap, secrets: Secrets) {
        match self {
            Self::Hosted(hosted) => hosted.add_json(map),
            Self::Mirror(mirror) => mirror.add_json(map, secrets),
        }
    }
}

/// Whether a document of a configuration holds the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// For everybody's eyes.
    Hidden,
    /// For storage.
    Kept,
}
