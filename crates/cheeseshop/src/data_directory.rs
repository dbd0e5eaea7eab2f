//! The data directory: made on first use, readable by its owner only, held by one server.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::failure::Failure;

/// The file whose lock a server holds.
const LOCK_FILE: &str = "lock";

/// A data directory that exists and can be written to.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
}

/// The directory is held as long as this lives; the system lets go when the process ends,
/// however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
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
    pub(crate) fn lock(&self, purpose: &str) -> Result<Lock, Failure> {
        let path = self.path.join(LOCK_FILE);
        let cannot = |error: &std::io::Error| {
            Failure::could_not_try(format!(
                "the data directory {} cannot be written to: {error}",
                self.path.display()
            ))
            .with_hint(hint(&self.path, error))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // Root may be at work in a directory of the server's user, who must not choose what is emptied.
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(|error| cannot(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whoever holds the lock may not have written yet; then the message says less.
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    holder => holder.to_owned(),
                };
                return Err(Failure::could_not_try(format!(
                    "the data directory {} is in use by {holder}",
                    self.path.display()
                ))
                .with_hint("stop that one first, or choose another directory with --data-dir"));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(&error)),
        }
        let text = format!("{purpose} (process {})\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()))
            .map_err(|error| cannot(&error))?;
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nobody holds it now, so nobody shall be named. The lock itself ends with the file.
        let _ = self.file.set_len(0);
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
    fn a_symbolic_link_is_no_lock_and_what_it_names_stays() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "text").unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join(LOCK_FILE)).unwrap();
        let directory = DataDirectory::open_or_create(folder.path()).unwrap();
        directory.lock("cheeseshop init").unwrap_err();
        assert_eq!(std::fs::read_to_string(other).unwrap(), "text");
    }

    #[test]
    fn the_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open_or_create(folder.path()).unwrap();
        let lock = directory.lock("cheeseshop serve").unwrap();
        let failure = directory.lock("cheeseshop init").unwrap_err().to_string();
        let holder = format!(
            "in use by cheeseshop serve (process {})",
            std::process::id()
        );
        assert!(failure.contains(&holder), "{failure}");
        drop(lock);
        directory.lock("cheeseshop init").unwrap();
    }
}
