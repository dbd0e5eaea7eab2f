//! Tokens of users: what they are limited to.
//!
//! A token stands for its user and is limited by any number of *restrictions*, each of which only
//! takes something away. They are texts such as `allowed=pkg_read,upload` (devpi-tokens' spelling),
//! written by the server when the token is made and by whoever derives a narrower token from it
//! later, without asking the server. [`Limits`] is what remains of all of them together;
//! [`crate::permission`] asks it. [`Macaroon`] is what carries the restrictions, for the server and for
//! whoever derives. Which keys sign it and how tokens are kept is no business of this crate.

mod limits;
mod macaroon;
mod request;

pub use limits::{Limits, TimeLimit, UnknownRestriction};
pub use macaroon::Macaroon;
pub use request::{MAX_RESTRICTION_BYTES, Restriction, TokenRequest, TokenRequestError};

/// A thing that a token can be allowed to do, by devpi's names of permissions.
///
/// What concerns users (making them, changing them, their tokens and logins) has no name here: no
/// token ever allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// `del_entry`: remove a file; yank.
    RemoveFile,
    /// `del_project`: remove a project.
    RemoveProject,
    /// `del_verdata`: remove a release.
    RemoveRelease,
    /// `index_create`: make an index.
    CreateIndex,
    /// `index_delete`: remove an index.
    RemoveIndex,
    /// `index_modify`: change the configuration of an index.
    ModifyIndex,
    /// `pkg_read`: read what not everybody may read.
    Read,
    /// `toxresult_upload`: add test results.
    UploadTestResult,
    /// `upload`: upload files, metadata and documentation, push to the index.
    Upload,
}

impl Permission {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 9] = [
        Self::RemoveFile,
        Self::RemoveProject,
        Self::RemoveRelease,
        Self::CreateIndex,
        Self::RemoveIndex,
        Self::ModifyIndex,
        Self::Read,
        Self::UploadTestResult,
        Self::Upload,
    ];

    /// The name in a restriction.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemoveFile => "del_entry",
            Self::RemoveProject => "del_project",
            Self::RemoveRelease => "del_verdata",
            Self::CreateIndex => "index_create",
            Self::RemoveIndex => "index_delete",
            Self::ModifyIndex => "index_modify",
            Self::Read => "pkg_read",
            Self::UploadTestResult => "toxresult_upload",
            Self::Upload => "upload",
        }
    }

    /// Reads a name; `pypi_submit` is devpi's older one for `upload`. `None` for the names of
    /// permissions that no token gives or that plugins of other servers have.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "pypi_submit" {
            return Some(Self::Upload);
        }
        Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == name)
    }
}
