//! The data directory: made on first use, readable by its owner only, held by one server.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cheeseshop_domain::Clock as _;
use cheeseshop_storage::{LockFile, LockFileError};

use crate::clock::SystemClock;
use crate::failure::Failure;

/// The file whose lock a server holds.
const LOCK_FILE: &str = "lock";

/// A data directory that exists and can be written to.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
}

impl DataDirectory {
    /// Makes sure that the directory exists, with mode 0700 if it has to be made.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self, Failure> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
        if let Err(error) = created {
            return Err(Failure::could_not_try(format!(
                "the data directory {} cannot be made: {error}",
                path.display()
            ))
            .with_hint(hint(path, &error)));
        }
        // Found out here, in words about the directory, and not later by a database in its own.
        if let Err(error) = std::fs::read_dir(path) {
            return Err(Failure::could_not_try(format!(
                "the data directory {} cannot be read: {error}",
                path.display()
            ))
            .with_hint(hint(path, &error)));
        }
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the directory for this process alone.
    pub(crate) fn lock(&self, purpose: &str) -> Result<LockFile, Failure> {
        let path = self.path.join(LOCK_FILE);
        let cannot = |error: &std::io::Error| {
            Failure::could_not_try(format!(
                "the data directory {} cannot be written to: {error}",
                self.path.display()
            ))
            .with_hint(hint(&self.path, error))
        };
        LockFile::take(&path, purpose, SystemClock.now()).map_err(|error| match error {
            LockFileError::Held(by) => Failure::could_not_try(format!(
                "the data directory {} is in use by {by}",
                self.path.display()
            ))
            .with_hint("stop that one first, or choose another directory with --data-dir"),
            LockFileError::Io(error) => cannot(&error),
        })
    }
}

/// Places that a service does not see although they are there.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// What can be done about a directory that cannot be used. What a unit of systemd keeps from its service looks
/// like a file system that is read-only, or like a stranger's.
fn hint(path: &Path, error: &std::io::Error) -> String {
    let is_home = HOMES.iter().any(|home| path.starts_with(home));
    let unit = match error.kind() {
        ErrorKind::ReadOnlyFilesystem => format!("ReadWritePaths={}", path.display()),
        ErrorKind::PermissionDenied if is_home => {
            format!("ProtectHome=no and ReadWritePaths={}", path.display())
        }
        _ => return OTHER_DIRECTORY.to_owned(),
    };
    format!("{OTHER_DIRECTORY}; the unit of a service needs {unit}")
}

const OTHER_DIRECTORY: &str =
    "check owner and mode, or choose another directory with --data-dir or CHEESESHOP_DATA_DIR";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_new_directory_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        DataDirectory::open_or_create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let failure = DataDirectory::open_or_create(&path).unwrap_err();
        assert!(failure.to_string().contains("cannot be made"), "{failure}");
    }

    #[test]
    fn the_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open_or_create(folder.path()).unwrap();
        let lock = directory.lock("cheeseshop serve").unwrap();
        let failure = directory.lock("cheeseshop init").unwrap_err().to_string();
        let holder = format!(
            "in use by `cheeseshop serve` (process {} on ",
            std::process::id()
        );
        assert!(failure.contains(&holder), "{failure}");
        drop(lock);
        directory.lock("cheeseshop init").unwrap();
    }
}
