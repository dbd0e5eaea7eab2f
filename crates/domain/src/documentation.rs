//! The documentation of a release on a hosted index; not its bytes.

use cheeseshop_packaging::{
    filename::{FileName, FileNameError},
    hash::Sha256,
    name::ProjectName,
    version::Version,
};
use jiff::Timestamp;

use crate::{FilePath, IndexId, LogEntry, ProjectId, ReleaseId};

/// How the names of all archives of documentation end.
const SUFFIX: &str = ".doc.zip";

/// The archive of documentation of a release: one at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Documentation {
    /// The release.
    pub release: ReleaseId,
    /// The project.
    pub project: ProjectId,
    /// The index.
    pub index: IndexId,
    /// The release's version.
    pub version: Version,
    /// Its base name, see [`Documentation::name_for`].
    pub name: FileName,
    /// The digest of its bytes, which names the blob.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// When these bytes came to this index, or to the index that they were pushed from.
    pub uploaded: Timestamp,
    /// How it came here, oldest first.
    pub log: Vec<LogEntry>,
}

impl Documentation {
    /// The name under which a release's documentation is kept, whatever it was called when it was
    /// uploaded: `<normalized project>-<version>.doc.zip`, as in devpi.
    ///
    /// # Errors
    /// A name that is longer than a file name may be.
    pub fn name_for(project: &ProjectName, version: &Version) -> Result<FileName, FileNameError> {
        FileName::parse(&format!("{}-{version}{SUFFIX}", project.normalized()))
    }

    /// Whether a file of this name may be documentation. A release file may be called so, too.
    pub fn may_be_called(name: &FileName) -> bool {
        name.as_str().ends_with(SUFFIX)
    }

    /// Where the archive stands below its index.
    pub fn path(&self) -> FilePath {
        FilePath::of_sha256(&self.sha256, self.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_named_after_its_release() {
        for (project, version, expected) in [
            ("My.Pkg", "1.0", "my-pkg-1.0.doc.zip"),
            ("pkg", "1.0+local.1", "pkg-1.0+local.1.doc.zip"),
        ] {
            let project = ProjectName::parse(project).unwrap();
            let version = Version::parse(version).unwrap();
            let name = Documentation::name_for(&project, &version).unwrap();
            assert_eq!(name.as_str(), expected);
            assert!(Documentation::may_be_called(&name));
        }
        let long = ProjectName::parse(&"x".repeat(200)).unwrap();
        let version = Version::parse(&"1".repeat(200)).unwrap();
        assert!(Documentation::name_for(&long, &version).is_err());
        let wheel = FileName::parse("pkg-1.0-py3-none-any.whl").unwrap();
        assert!(!Documentation::may_be_called(&wheel));
    }
}
