//! The file of a made-up password: from the first start until `root` has another password.
//!
//! That is set in many ways: by a request to any node, on a page, by a command beside the server or while there is none, by
//! an import. So nobody who sets it has to think of the file: the server that has the data directory looks, when it starts
//! and whenever `root` has another hash, whether the password in the file still is the right one.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cheeseshop_app::App;
use cheeseshop_domain::error_chain;
use cheeseshop_storage::backup::own_like;
use rustix::fs::OFlags;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use super::{LENGTH, LETTERS};

/// The file in the data directory.
const FILE: &str = "root-password";

/// How often it is looked, in memory, whether `root` has another hash.
const INTERVAL: Duration = Duration::from_secs(1);

/// What did not work is tried again after this time.
const RETRY: Duration = Duration::from_mins(1);

/// The file in a data directory that may have a made-up password in it.
#[derive(Clone, Debug)]
pub(crate) struct KeptPassword {
    directory: PathBuf,
    path: PathBuf,
    /// The file that the settings name for the password: the operator's own, also if it is this one.
    given: Option<PathBuf>,
}

/// What is found in the place of the file.
enum Found {
    /// Nothing that we have made.
    NotOurs,
    Ours(SecretString, Identity),
}

/// Which file it is, whatever its name.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// There is none.
    NotThere,
    /// It stays: the password in it is that of `root`.
    Right,
    Removed,
}

impl KeptPassword {
    pub(super) fn new(directory: &Path, given: Option<PathBuf>) -> Self {
        Self {
            directory: directory.to_owned(),
            path: directory.join(FILE),
            given,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a password for the eyes of the data's owner.
    pub(super) fn write(&self, password: &SecretString) -> io::Result<()> {
        // Of a start that did not come to its end; or a link, which is not followed.
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        own_like(&file, &self.directory);
        file.write_all(format!("{}\n", password.expose_secret()).as_bytes())?;
        file.sync_all()?;
        // And its name: `root` would outlive a loss of power, and nobody would know the password.
        self.sync_directory()
    }

    /// Takes the file away if `root` has another password, for a command that has given one. Says which file it was.
    ///
    /// # Errors
    /// Why it may still be there.
    pub(crate) async fn forget(&self, app: &App) -> Result<Option<&Path>, String> {
        let is_removed = self.judge(app).await? == Fate::Removed;
        Ok(is_removed.then_some(&self.path))
    }

    /// Takes the file away as soon as `root` has another password. Comes back once there is none, or with `stop`.
    pub(crate) async fn watch(self, app: App, stop: CancellationToken) {
        // The hash with which the password in the file was compared last.
        let mut compared = None;
        let mut is_told = false;
        loop {
            let mut pause = INTERVAL;
            let hash = app
                .directory()
                .user("root")
                .and_then(|user| user.password_hash.clone());
            if hash != compared {
                match self.judge(&app).await {
                    Ok(Fate::NotThere) => return,
                    Ok(Fate::Removed) => {
                        tracing::info!(
                            file = %self.path.display(),
                            "root has another password; the file of the one that was made up is removed"
                        );
                        return;
                    }
                    Ok(Fate::Right) => compared = hash,
                    Err(trouble) => {
                        pause = RETRY;
                        if !is_told {
                            tracing::warn!("{trouble}");
                            is_told = true;
                        }
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn judge(&self, app: &App) -> Result<Fate, String> {
        let trouble = |error: &dyn std::error::Error| {
            format!(
                "{} may have an outdated password in it, and cannot be removed: {}",
                self.path.display(),
                error_chain(error)
            )
        };
        let kept = self.clone();
        let found = tokio::task::spawn_blocking(move || kept.read()).await;
        let (password, identity) = match found.map_err(|error| trouble(&error))? {
            Ok(Found::Ours(password, identity)) => (password, identity),
            Ok(Found::NotOurs) => return Ok(Fate::NotThere),
            Err(error) => return Err(trouble(&error)),
        };
        let is_right = app.has_password("root", &password).await;
        if is_right.map_err(|error| trouble(&error))? {
            return Ok(Fate::Right);
        }
        let kept = self.clone();
        let removed = tokio::task::spawn_blocking(move || kept.remove(&identity)).await;
        removed
            .map_err(|error| trouble(&error))?
            .map_err(|error| trouble(&error))?;
        Ok(Fate::Removed)
    }

    /// What is there, if it looks as only we make it: a file with one name that holds one made-up password.
    fn read(&self) -> io::Result<Found> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = match OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&self.path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::NotOurs),
            // A symbolic link, which is somebody else's.
            Err(_) if self.path.is_symlink() => return Ok(Found::NotOurs),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let length = LENGTH as u64 + 1;
        if !metadata.is_file() || metadata.nlink() != 1 || metadata.len() != length {
            return Ok(Found::NotOurs);
        }
        let mut text = String::new();
        if file.take(length).read_to_string(&mut text).is_err() {
            return Ok(Found::NotOurs);
        }
        let password = text.strip_suffix('\n').unwrap_or_default();
        let is_made_up =
            password.len() == LENGTH && password.bytes().all(|letter| LETTERS.contains(&letter));
        if !is_made_up || self.is_given() {
            return Ok(Found::NotOurs);
        }
        let identity = Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
        };
        Ok(Found::Ours(
            SecretString::from(password.to_owned()),
            identity,
        ))
    }

    fn is_given(&self) -> bool {
        let given = self
            .given
            .as_ref()
            .and_then(|path| path.canonicalize().ok());
        given.is_some() && given == self.path.canonicalize().ok()
    }

    /// Removes the file that was read, for good.
    fn remove(&self, identity: &Identity) -> io::Result<()> {
        let found = match std::fs::symlink_metadata(&self.path) {
            Ok(found) => found,
            // Somebody was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if (found.dev(), found.ino()) != (identity.device, identity.inode) {
            return Err(io::Error::other("it was replaced meanwhile"));
        }
        std::fs::remove_file(&self.path)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE_UP: &str = "abcdefghijkmnpqrstuv";

    fn is_ours(kept: &KeptPassword) -> bool {
        matches!(kept.read().unwrap(), Found::Ours(..))
    }

    #[test]
    fn only_a_file_of_one_made_up_password_is_taken_for_ours() {
        let folder = tempfile::tempdir().unwrap();
        let kept = KeptPassword::new(folder.path(), None);
        assert!(!is_ours(&kept));
        for (text, expected) in [
            (format!("{MADE_UP}\n"), true),
            (MADE_UP.to_owned(), false),
            (format!("{MADE_UP}a"), false),
            (format!("{}\n", &MADE_UP[1..]), false),
            (format!("{}\n\n", &MADE_UP[1..]), false),
            // Not one of our letters.
            (format!("{}0\n", &MADE_UP[1..]), false),
            ("the password of root is in the safe\n".to_owned(), false),
            (String::new(), false),
        ] {
            std::fs::write(kept.path(), &text).unwrap();
            assert_eq!(is_ours(&kept), expected, "{text:?}");
        }
        std::fs::write(kept.path(), [0xff; LENGTH + 1]).unwrap();
        assert!(!is_ours(&kept));
        std::fs::remove_file(kept.path()).unwrap();
        std::fs::create_dir(kept.path()).unwrap();
        assert!(!is_ours(&kept));
    }

    #[test]
    fn a_link_a_second_name_and_what_the_settings_name_are_somebody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, format!("{MADE_UP}\n")).unwrap();
        let kept = KeptPassword::new(folder.path(), None);
        std::os::unix::fs::symlink(&other, kept.path()).unwrap();
        assert!(!is_ours(&kept));
        std::fs::remove_file(kept.path()).unwrap();
        std::fs::hard_link(&other, kept.path()).unwrap();
        assert!(!is_ours(&kept));
        std::fs::remove_file(&other).unwrap();
        assert!(is_ours(&kept));
        std::os::unix::fs::symlink(kept.path(), &other).unwrap();
        assert!(!is_ours(&KeptPassword::new(folder.path(), Some(other))));
    }

    #[test]
    fn a_file_that_has_taken_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let kept = KeptPassword::new(folder.path(), None);
        std::fs::write(kept.path(), format!("{MADE_UP}\n")).unwrap();
        let Found::Ours(_, identity) = kept.read().unwrap() else {
            panic!("it is ours");
        };
        let other = folder.path().join("other");
        std::fs::write(&other, "text").unwrap();
        std::fs::rename(other, kept.path()).unwrap();
        kept.remove(&identity).unwrap_err();
        assert_eq!(std::fs::read_to_string(kept.path()).unwrap(), "text");
        std::fs::remove_file(kept.path()).unwrap();
        // As when somebody was faster.
        kept.remove(&identity).unwrap();
    }
}
