//! What the Python packaging standards say, as far as an index needs them:
//! names, versions, file names, digests, core metadata, archives, the Simple
//! API documents and the legacy upload form.
//!
//! Everything here is pure: no files, sockets, clock or environment. Callers
//! hand over bytes (or a `Read + Seek`) and get values or bytes back. All
//! input is taken as hostile; every reader has limits and none panics.
//!
//! This is the only crate that names the `uv-*` crates.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod archive;
pub mod filename;
pub mod hash;
pub mod metadata;
pub mod name;
pub mod pypi;
pub mod requirement;
mod shown;
pub mod simple;
pub mod upload;
pub mod version;

pub use archive::{ArchiveError, ArchiveLimits};
pub use filename::{FileKind, FileName, FileNameError};
pub use hash::{HashAlgorithm, HashError, Hashes, Sha256};
pub use metadata::{CoreMetadata, MetadataError};
pub use name::{NameError, ProjectName};
pub use requirement::{Requirement, RequirementError};
pub use simple::{
    CoreMetadataMark, PageError, PageFile, ProjectList, ProjectPage, ProjectStatus, Status, Yanked,
};
pub use upload::{FormError, UploadForm};
pub use version::{Version, VersionError};
