//! A project as one hosted index holds it.

use cheeseshop_packaging::{name::ProjectName, simple::ProjectStatus};

use crate::{IndexId, ProjectId};

/// A project on one hosted index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its identity.
    pub id: ProjectId,
    /// The index that holds it.
    pub index: IndexId,
    /// Its name; the written form is that of the last upload.
    pub name: ProjectName,
    /// PEP 792 status; `None` is an ordinary active project.
    pub status: Option<ProjectStatus>,
}
