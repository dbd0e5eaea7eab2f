//! What the client remembers between two commands, in devpi-client's files and formats: which
//! server and index are in use ([`Current`], `current.json`) and who is logged in where
//! ([`Logins`], `auth.json`).
//!
//! Files are replaced as a whole and never half written, readable by their owner only. What is not
//! known here stays in them. A change is made under a lock of the directory, on what the file says
//! at that moment, so that two commands at once lose nothing.

mod current;
mod logins;

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{Error, whole_file};

pub(crate) use self::current::Current;
pub(crate) use self::logins::Logins;

/// The directory that holds the state: `$DEVPI_CLIENTDIR`, else `~/.devpi/client`.
#[derive(Clone, Debug)]
pub(crate) struct ClientDirectory {
    path: PathBuf,
    current: PathBuf,
}

impl ClientDirectory {
    /// The state in `path`. The index in use is read from the file `local` instead when that is
    /// there (`devpi.json` of an active virtual environment). Nothing is read or made yet.
    pub(crate) fn new(path: PathBuf, local: Option<&Path>) -> Self {
        let current = local
            .filter(|local| local.exists())
            .map_or_else(|| path.join("current.json"), Path::to_owned);
        Self { path, current }
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that says which server and index are in use.
    pub(crate) fn current_path(&self) -> &Path {
        &self.current
    }

    /// The file of the logins.
    pub(crate) fn logins_path(&self) -> PathBuf {
        self.path.join("auth.json")
    }

    /// Reads what is in use; a file that is missing or empty says nothing.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read or is no JSON object.
    pub(crate) fn current(&self) -> Result<Current, Error> {
        Ok(Current::from_document(read_object(&self.current)?))
    }

    /// Changes what is in use, as the file says it at this moment, and gives the new state.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read or written.
    pub(crate) fn change_current(
        &self,
        change: impl FnOnce(&mut Current),
    ) -> Result<Current, Error> {
        let _lock = self.lock()?;
        let before = read_object(&self.current)?;
        let mut current = Current::from_document(before.clone());
        change(&mut current);
        let after = current.to_document();
        if after != before {
            write_object(&self.current, &after)?;
        }
        Ok(current)
    }

    /// Forgets what is in use. `false`: there was nothing.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be removed.
    pub(crate) fn remove_current(&self) -> Result<bool, Error> {
        match std::fs::remove_file(&self.current) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(of_file(&self.current, error)),
        }
    }

    /// Reads the logins.
    ///
    /// # Errors
    /// As [`ClientDirectory::current`].
    pub(crate) fn logins(&self) -> Result<Logins, Error> {
        Ok(Logins::from_document(read_object(&self.logins_path())?))
    }

    /// Changes the logins, as the file says them at this moment, and gives what `change` gives.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read or written.
    pub(crate) fn change_logins<T>(
        &self,
        change: impl FnOnce(&mut Logins) -> T,
    ) -> Result<T, Error> {
        let _lock = self.lock()?;
        let path = self.logins_path();
        let before = read_object(&path)?;
        let mut logins = Logins::from_document(before.clone());
        let given = change(&mut logins);
        let after = logins.into_document();
        if after != before {
            write_object(&path, &after)?;
        }
        Ok(given)
    }

    /// Holds off other commands that change the same directory, until dropped.
    fn lock(&self) -> Result<File, Error> {
        make_directory(&self.path)?;
        let path = self.path.join(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| of_file(&path, error))?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| of_file(&path, error.into()))?;
        Ok(file)
    }
}

/// Makes a directory that only its owner may look into, when there is none.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| of_file(path, error))
}

fn read_object(path: &Path) -> Result<Map<String, Value>, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(of_file(path, error)),
    };
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let mut object: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| of_file(path, std::io::Error::other(error)))?;
    object.sort_keys();
    Ok(object)
}

/// Puts an object in place of the file: indented by two, keys sorted, mode 0600.
fn write_object(path: &Path, object: &Map<String, Value>) -> Result<(), Error> {
    // Some keep these files elsewhere and a link here; it stays one, as with devpi-client.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    make_directory(folder)?;
    let mut sorted = object.clone();
    sorted.sort_keys();
    let text = format!("{:#}", Value::Object(sorted));
    whole_file::write(path, &text, 0o600)
}

pub(crate) fn of_file(path: &Path, error: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_files_are_devpis_and_their_owners() {
        let home = tempfile::tempdir().unwrap();
        let directory = ClientDirectory::new(home.path().join("a/client"), None);
        directory
            .change_current(|current| {
                current.index = Some("http://shop.test/bob/dev".to_owned());
                current.always_setcfg = Some(true);
            })
            .unwrap();
        let path = directory.current_path();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "{\n  \"always_setcfg\": true,\n  \"index\": \"http://shop.test/bob/dev\"\n}"
        );
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let folder = directory.path().metadata().unwrap().permissions().mode();
        assert_eq!(folder & 0o777, 0o700);
    }

    #[test]
    fn what_is_not_known_stays() {
        let home = tempfile::tempdir().unwrap();
        let directory = ClientDirectory::new(home.path().to_owned(), None);
        std::fs::write(
            home.path().join("current.json"),
            r#"{"new": [1], "username": "bob"}"#,
        )
        .unwrap();
        directory
            .change_current(|current| current.username = Some("eve".to_owned()))
            .unwrap();
        let text = std::fs::read_to_string(home.path().join("current.json")).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document, serde_json::json!({"new": [1], "username": "eve"}));
    }

    #[test]
    fn a_link_stays_one() {
        let home = tempfile::tempdir().unwrap();
        let kept = home.path().join("dotfiles/current.json");
        std::fs::create_dir(home.path().join("dotfiles")).unwrap();
        std::fs::write(&kept, "{}").unwrap();
        let directory = ClientDirectory::new(home.path().join("client"), None);
        std::fs::create_dir(directory.path()).unwrap();
        std::os::unix::fs::symlink(&kept, directory.current_path()).unwrap();
        directory
            .change_current(|current| current.username = Some("bob".to_owned()))
            .unwrap();
        assert!(directory.current_path().is_symlink());
        assert!(std::fs::read_to_string(&kept).unwrap().contains("bob"));
    }

    #[test]
    fn a_broken_file_is_named_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let directory = ClientDirectory::new(home.path().to_owned(), None);
        std::fs::write(home.path().join("auth.json"), "{").unwrap();
        let error = directory.change_logins(|_| ()).unwrap_err();
        assert!(error.to_string().contains("auth.json"), "{error}");
        assert_eq!(
            std::fs::read_to_string(home.path().join("auth.json")).unwrap(),
            "{"
        );
    }
}
