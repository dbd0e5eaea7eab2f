//! A release: one version of a project on one hosted index.

use cheeseshop_packaging::version::Version;
use jiff::Timestamp;

use crate::{JsonMap, ProjectId, ReleaseId};

/// A project in one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// Its identity.
    pub id: ReleaseId,
    /// The project.
    pub project: ProjectId,
    /// The version, as uploaded: `1.0` and `1.0.0` are two releases.
    pub version: Version,
    /// The metadata under devpi's keys, in devpi's order, and the fields of later metadata versions after
    /// them.
    pub metadata: JsonMap,
    /// When the version was registered.
    pub created: Timestamp,
}
