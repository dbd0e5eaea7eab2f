//! An index: its name, what it is, and how it is configured.
//!
//! To add a kind of index: a variant of [`IndexKind`] with its own settings struct in its own file, which
//! knows its keys (`set`, `remove`, `add_json`), and one arm in each `match` of `kind.rs`.

mod config;
mod error;
mod hosted;
mod kind;
mod mirror;
mod value;
mod whitelist;

use jiff::Timestamp;

use crate::{IndexId, IndexName};

pub use self::{
    config::{BaseExists, IndexConfig},
    error::{ConfigError, ConfigErrors},
    hosted::HostedConfig,
    kind::IndexKind,
    mirror::MirrorConfig,
    whitelist::{Inheritance, Whitelist},
};

/// An index.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Its identity.
    pub id: IndexId,
    /// Its name.
    pub name: IndexName,
    /// Its configuration.
    pub config: IndexConfig,
    /// When it was made.
    pub created: Timestamp,
}

impl Index {
    /// Whether it follows an upstream.
    pub fn is_mirror(&self) -> bool {
        matches!(self.config.kind, IndexKind::Mirror(_))
    }

    /// The indexes that it inherits from, in order; a mirror has none.
    pub fn bases(&self) -> &[IndexName] {
        self.config.kind.bases()
    }

    /// The settings of a hosted index; `None` for others.
    pub fn hosted(&self) -> Option<&HostedConfig> {
        match &self.config.kind {
            IndexKind::Hosted(hosted) => Some(hosted),
            IndexKind::Mirror(_) => None,
        }
    }

    /// The settings of a mirror; `None` for others.
    pub fn mirror(&self) -> Option<&MirrorConfig> {
        match &self.config.kind {
            IndexKind::Mirror(mirror) => Some(mirror),
            IndexKind::Hosted(_) => None,
        }
    }
}
