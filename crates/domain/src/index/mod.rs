//! An index: its name, what it is, and how it is configured.
//!
//! To add a kind of index: a variant of [`IndexKind`] with its own settings struct in its own file, which
//! knows its keys (`set`, `remove`, `add_json`), and one arm in each `match` of `kind.rs`.

mod config;
mod constraints;
mod error;
mod hosted;
mod import;
mod kind;
mod mirror;
mod trigger;
mod value;
mod whitelist;

use cheeseshop_packaging::Version;
use jiff::Timestamp;

use crate::{IndexId, IndexName};

pub use self::{
    config::{BaseExists, IndexConfig},
    constraints::Constraints,
    error::{ConfigError, ConfigErrors},
    hosted::HostedConfig,
    import::AdoptedConfig,
    kind::IndexKind,
    mirror::MirrorConfig,
    trigger::TriggerUrl,
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

    /// What it lets through of what it inherits; `None` for an index that lets everything through.
    pub fn constraints(&self) -> Option<&Constraints> {
        self.hosted()?.constraints.as_ref()
    }

    /// Whether nothing can be put into it, whoever asks.
    pub fn is_read_only(&self) -> bool {
        self.constraints().is_some()
    }

    /// Whether it shows anything of the project, given by its normalized name, when it is asked itself.
    pub fn admits_project(&self, project: &str) -> bool {
        self.constraints()
            .is_none_or(|constraints| constraints.admits_project(project))
    }

    /// Whether it shows this version of the project, given by its normalized name, when it is asked itself. `None` is a
    /// version that nobody knows, as that of a file with an odd name.
    pub fn admits(&self, project: &str, version: Option<&Version>) -> bool {
        self.constraints()
            .is_none_or(|constraints| constraints.admits(project, version))
    }

    /// The settings of a mirror; `None` for others.
    pub fn mirror(&self) -> Option<&MirrorConfig> {
        match &self.config.kind {
            IndexKind::Mirror(mirror) => Some(mirror),
            IndexKind::Hosted(_) => None,
        }
    }
}
