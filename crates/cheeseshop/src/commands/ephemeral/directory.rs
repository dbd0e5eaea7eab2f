//! The temporary directory of a throwaway server, and those that others have left behind.
//!
//! Its mark is a file whose lock the server holds as long as it lives, however it ends. A marked directory
//! whose lock is free has lost its server.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::Failure;

/// What the names of the directories begin with.
const PREFIX: &str = "cheeseshop-ephemeral-";

/// The file that marks them.
const MARK: &str = "ephemeral.lock";

/// What a finished mark begins with.
const MARKED: &str = "cheeseshop serve --ephemeral";

/// A directory that goes away with its server.
#[derive(Debug)]
pub(super) struct ThrowawayDirectory {
    folder: TempDir,
    /// Held until the directory is gone.
    mark: File,
}

impl ThrowawayDirectory {
    /// Makes one where temporary files are, and removes those that have lost their servers.
    pub(super) fn make() -> Result<Self, Failure> {
        let place = std::env::temp_dir();
        remove_leftovers(&place);
        Self::make_in(&place).map_err(|error| {
            let what = format!(
                "a temporary directory cannot be made in {}",
                place.display()
            );
            Failure::caused_by(&what, &error).with_hint("set TMPDIR to another place")
        })
    }

    fn make_in(place: &Path) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(place)?;
        let mut mark = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.path().join(MARK))?;
        hold(&mut mark)?;
        Ok(Self { folder, mark })
    }

    /// The data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Removes everything.
    pub(super) fn remove(self) {
        let Self { folder, mark } = self;
        let path = folder.path().to_owned();
        if let Err(error) = folder.close() {
            tracing::warn!(path = %path.display(), %error, "the temporary directory is not removed");
        }
        drop(mark);
    }
}

/// Makes the mark that of a server that lives: locked before anything is in it, for an empty one is still being
/// made. Whoever looks for leftovers at this moment has the lock for that look, and lets go.
fn hold(mark: &mut File) -> std::io::Result<()> {
    mark.lock()?;
    writeln!(mark, "{MARKED} (process {})", std::process::id())
}

/// Removes the directories of servers that were killed. What cannot be removed, or might be another's, stays.
fn remove_leftovers(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else {
        return;
    };
    for entry in entries.flatten() {
        let is_named = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if is_named && let Some(mark) = abandoned(&entry.path()) {
            let _ = std::fs::remove_dir_all(entry.path());
            // Held until now, so that two starts do not get into each other's way.
            drop(mark);
        }
    }
}

/// The locked mark of a directory whose server is gone. `None`: it has one, or is none of ours.
fn abandoned(path: &Path) -> Option<File> {
    let metadata = path.symlink_metadata().ok()?;
    let is_own = metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o777 == 0o700;
    if !is_own {
        return None;
    }
    let mut mark = OpenOptions::new().read(true).open(path.join(MARK)).ok()?;
    mark.try_lock().ok()?;
    let head = Read::by_ref(&mut mark).take(200);
    std::io::read_to_string(head)
        .ok()?
        .starts_with(MARKED)
        .then_some(mark)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn who_looks_for_leftovers_is_waited_for_by_a_server_that_starts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MARK);
        let mut mark = File::create(&path).unwrap();
        let looking = File::open(&path).unwrap();
        looking.lock().unwrap();
        std::thread::scope(|scope| {
            let holding = scope.spawn(|| hold(&mut mark));
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(50) {
                assert!(!holding.is_finished(), "it did not wait");
                std::thread::yield_now();
            }
            drop(looking);
            holding.join().unwrap().unwrap();
        });
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with(MARKED), "{text}");
    }

    #[test]
    fn only_what_has_lost_its_server_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let running = ThrowawayDirectory::make_in(place.path()).unwrap();
        let left = ThrowawayDirectory::make_in(place.path()).unwrap();
        std::fs::create_dir(left.data()).unwrap();
        let ThrowawayDirectory { folder, mark } = left;
        let left = folder.keep();
        drop(mark);
        let unmarked = place.path().join(format!("{PREFIX}unmarked"));
        let elsewhere = place.path().join("elsewhere");
        let link = place.path().join(format!("{PREFIX}link"));
        let beginning = place.path().join(format!("{PREFIX}beginning"));
        let open_to_all = place.path().join(format!("{PREFIX}open"));
        for folder in [&unmarked, &elsewhere, &beginning, &open_to_all] {
            std::fs::create_dir(folder).unwrap();
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        std::fs::set_permissions(&open_to_all, std::fs::Permissions::from_mode(0o777)).unwrap();
        for folder in [&elsewhere, &open_to_all] {
            std::fs::write(folder.join(MARK), MARKED).unwrap();
        }
        std::fs::write(beginning.join(MARK), "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();

        remove_leftovers(place.path());
        assert!(!left.exists());
        for path in [&unmarked, &elsewhere, &link, &beginning, &open_to_all] {
            assert!(path.exists(), "{}", path.display());
        }
        let path = running.folder.path().to_owned();
        assert!(path.exists());
        running.remove();
        assert!(!path.exists());
    }
}
