//! The lock beside an SQLite file: `cheeseshop.db.removals/`, with a file for every holder.
//!
//! A holder has locked its file, which says who it is; a file whose lock can be had is of a dead process. Whoever
//! looks does so under a lock of the directory, which is held for moments. So it is known not only that somebody
//! holds it, but who: one lock that many share could not tell.

use std::ffi::{CString, OsString};
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use super::{Attempt, Claim};
use crate::database::DatabaseError;
use crate::holder::Holder;
use crate::owner::{own_like, own_path_like};

/// How often somebody who waits looks again.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// How long the lock of whoever looks is waited for, and how long at a time.
const PATIENCE: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(5);

/// What the directory's name has behind the database's.
const SUFFIX: &str = ".removals";

/// Held by whoever looks through the directory.
const COMMON: &str = ".lock";

/// How names begin of those who forbid, and of who removes.
const FORBIDS: &str = "keep-";
const REMOVES: &str = "remove-";

/// The lock is held until this is dropped, or the process ends.
#[derive(Debug)]
pub(super) struct Hold {
    /// `None` on a file system without locks.
    held: Option<(OwnedFd, CString, File)>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some((directory, name, _)) = &self.held {
            // What stays is taken away by the next one, who finds it unlocked.
            let _ = rustix::fs::unlinkat(directory, name.as_c_str(), AtFlags::empty());
        }
    }
}

/// Takes the lock, or says who has it. Blocks, for moments.
pub(super) fn try_take(database: &Path, claim: Claim, holder: &Holder) -> Attempt<Hold> {
    let mut path = database.as_os_str().to_owned();
    path.push(OsString::from(SUFFIX));
    let path = Path::new(&path);
    attempt(path, claim, holder).map_err(|source| DatabaseError::NotAccessible {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn attempt(path: &Path, claim: Claim, holder: &Holder) -> io::Result<Result<Hold, Vec<Holder>>> {
    make(path)?;
    // Root works in a directory of the server's user here, who must not choose where: by descriptors, and never
    // through a link.
    let directory = rustix::fs::open(
        path,
        OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let common = open(&directory, path, COMMON, OFlags::CREATE)?;
    match lock_common(&common) {
        Ok(true) => {}
        // Somebody who looks and is stopped at just that moment. Nobody can say who.
        Ok(false) => return Ok(Err(Vec::new())),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::warn!(
                path = %path.display(),
                "the file system knows no locks: garbage collection and backups do not exclude each other"
            );
            return Ok(Ok(Hold { held: None }));
        }
        Err(error) => return Err(error),
    }
    let mut holders = Vec::new();
    let mut is_free = true;
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_remover = name.starts_with(REMOVES);
        if !is_remover && !name.starts_with(FORBIDS) {
            continue;
        }
        let file = match open(&directory, path, &name, OFlags::empty()) {
            // Its holder has let go since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        match file.try_lock() {
            Ok(()) => match rustix::fs::unlinkat(&directory, entry.file_name(), AtFlags::empty()) {
                // Its holder has let go at this very moment.
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            },
            Err(TryLockError::WouldBlock) if is_remover || claim == Claim::Remove => {
                is_free = false;
                holders.extend(Holder::read_from(&file));
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    if !is_free {
        return Ok(Err(holders));
    }
    let prefix = match claim {
        Claim::Forbid => FORBIDS,
        Claim::Remove => REMOVES,
    };
    let name = format!("{prefix}{}", random()?);
    let file = open(&directory, path, &name, OFlags::CREATE | OFlags::EXCL)?;
    file.lock()?;
    holder.write_to(&file);
    let name = CString::new(name).map_err(io::Error::other)?;
    Ok(Ok(Hold {
        held: Some((directory, name, file)),
    }))
}

/// Locks what is held for moments; false when it was not to be had in many of those.
fn lock_common(file: &File) -> io::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(MOMENT),
        }
    }
}

/// Makes the directory, for the owner of the one that it is in.
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            if let Some(parent) = path.parent() {
                own_path_like(path, parent);
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a file of the directory, which belongs to the directory's owner when it is made.
fn open(directory: &OwnedFd, path: &Path, name: &str, more: OFlags) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    let file = rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?;
    let file = File::from(file);
    if more.contains(OFlags::CREATE) {
        own_like(&file, path);
    }
    Ok(file)
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder::this("a backup", jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn holders_that_come_and_go_are_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("cheeseshop.db");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        drop(try_take(&database, Claim::Forbid, &holder()).unwrap());
                    }
                });
            }
        });
        try_take(&database, Claim::Remove, &holder())
            .unwrap()
            .unwrap();
    }
}
