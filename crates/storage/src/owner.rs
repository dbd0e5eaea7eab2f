//! Root works on the files of the server's user: what it makes there must belong to that user, or the
//! server cannot open it afterwards.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;

#[cfg(target_os = "linux")]
use rustix::fs::FileType;
use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, Uid};

/// How a directory is opened to be read.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Links one behind the other that are followed.
#[cfg(target_os = "linux")]
const MOST_LINKS: usize = 8;

/// Gives a file the owner of a directory, when they differ and this process may.
pub fn own_like(file: &File, directory: &Path) {
    // Whoever may not change owners has made the file as the right user, or is to notice elsewhere. With a second
    // name it may be anybody's.
    if let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::metadata(directory))
        && (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid())
        && (ours.nlink() == 1 || ours.is_dir())
    {
        let _ = fchown(file, Some(theirs.uid()), Some(theirs.gid()));
    }
}

/// As [`own_like`], for a path; of a symbolic link it is the link that changes its owner.
pub(crate) fn own_path_like(path: &Path, directory: &Path) {
    if let Ok(owner) = Owner::of(directory) {
        let _ = owner.take(path);
    }
}

/// A user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// The owner of a file or directory.
    ///
    /// # Errors
    /// One that cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(or_here(path))?;
        Ok(Self {
            user: metadata.uid(),
            group: metadata.gid(),
        })
    }

    /// Whether it is root itself, to whom nothing need be given.
    pub fn is_root(self) -> bool {
        self.user == 0
    }

    /// Whether a file may be shared with this owner under a second name: root must not give away what stays
    /// somebody else's under the first.
    pub(crate) fn may_share(self, path: &Path) -> bool {
        !rustix::process::geteuid().is_root()
            || self.is_root()
            || Self::of(path).is_ok_and(|owner| owner.user == self.user)
    }

    /// When root asks: gives what root has made below a directory, and the directory itself, to this owner. Anything
    /// else is left alone: others have made it as themselves, and could not make it for root.
    ///
    /// Whoever owns a directory may change it meanwhile, and must not be able to have anything else given away. So no
    /// path is gone twice: every entry is opened without following a link, looked at, and changed through that same
    /// descriptor. A file that has another name elsewhere is not given away, for it may be anybody's.
    ///
    /// # Errors
    /// A directory that cannot be read, an owner that cannot be changed.
    pub fn take_below(self, directory: &Path) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() || self.is_root() {
            return Ok(());
        }
        let opened = open_directory(directory)?;
        if rustix::fs::fstat(&opened)?.st_uid == 0 {
            let (user, group) = self.ids();
            rustix::fs::fchown(&opened, user, group)?;
        }
        self.take_entries(&opened)
    }

    /// As [`Self::take_below`], for one file or directory alone.
    ///
    /// # Errors
    /// What cannot be opened, an owner that cannot be changed.
    pub fn take(self, path: &Path) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() || self.is_root() {
            return Ok(());
        }
        let (parent, name) = (path.parent(), path.file_name());
        let (Some(parent), Some(name)) = (parent, name) else {
            return Ok(());
        };
        let parent = open_directory(parent)?;
        self.take_entry(&parent, name).map(drop)
    }

    fn take_entries(self, directory: &OwnedFd) -> io::Result<()> {
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            // The last one is the file system's own.
            if name == "." || name == ".." || name == "lost+found" {
                continue;
            }
            if let Some(below) = self.take_entry(directory, name)? {
                self.take_entries(&below)?;
            }
        }
        Ok(())
    }

    /// Gives away an entry; of a directory comes what its entries are reached by.
    #[cfg(target_os = "linux")]
    fn take_entry(self, directory: &OwnedFd, name: &OsStr) -> io::Result<Option<OwnedFd>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let entry = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            // Gone since it was listed.
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            entry => entry?,
        };
        let found = rustix::fs::fstat(&entry)?;
        let kind = FileType::from_raw_mode(found.st_mode);
        if found.st_uid == 0 {
            if kind == FileType::RegularFile && found.st_nlink > 1 {
                return Err(io::Error::other(format!(
                    "`{}` has a second name somewhere",
                    name.to_string_lossy()
                )));
            }
            let (user, group) = self.ids();
            rustix::fs::chownat(&entry, "", user, group, AtFlags::EMPTY_PATH)?;
        }
        if kind != FileType::Directory {
            return Ok(None);
        }
        Ok(Some(rustix::fs::openat(
            &entry,
            ".",
            DIRECTORY,
            Mode::empty(),
        )?))
    }

    /// Gives away an entry; of a directory comes what its entries are reached by.
    #[cfg(not(target_os = "linux"))]
    fn take_entry(self, directory: &OwnedFd, name: &OsStr) -> io::Result<Option<OwnedFd>> {
        // Without descriptors for paths: a directory is opened, anything else is changed under its name, never through
        // a link.
        match rustix::fs::openat(directory, name, DIRECTORY, Mode::empty()) {
            Ok(below) => {
                if rustix::fs::fstat(&below)?.st_uid == 0 {
                    let (user, group) = self.ids();
                    rustix::fs::fchown(&below, user, group)?;
                }
                Ok(Some(below))
            }
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(_) => {
                let found = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if found.st_uid == 0 && found.st_nlink == 1 {
                    let (user, group) = self.ids();
                    rustix::fs::chownat(directory, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
                }
                Ok(None)
            }
        }
    }

    /// As the system's calls want it.
    fn ids(self) -> (Option<Uid>, Option<Gid>) {
        (
            Some(Uid::from_raw(self.user)),
            Some(Gid::from_raw(self.group)),
        )
    }
}

/// The parent of a name alone.
fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    }
}

/// Opens a directory. A link at the end of its path is followed where it is root's, who has put the data on another
/// disk that way: anybody else's may lead anywhere.
fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    let path = &behind_links_of_root(or_here(path))?;
    Ok(rustix::fs::open(or_here(path), DIRECTORY, Mode::empty())?)
}

#[cfg(target_os = "linux")]
fn behind_links_of_root(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let entry = rustix::fs::open(&path, flags, Mode::empty())?;
        let found = rustix::fs::fstat(&entry)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink || found.st_uid != 0 {
            break;
        }
        let target = rustix::fs::readlinkat(&entry, "", Vec::new())?;
        path.pop();
        path.push(OsStr::from_bytes(target.as_bytes()));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody else can give anything away.
    fn assert_is_root() {
        let is_root = rustix::process::geteuid().is_root();
        assert!(is_root, "only root can try this; run the tests as root");
    }

    /// Somebody else's numbers; changing to them needs root.
    const SOMEBODY: Owner = Owner {
        user: 4711,
        group: 4712,
    };

    fn owner_of(path: &Path) -> (u32, u32) {
        let metadata = fs::symlink_metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    }

    #[test]
    fn what_root_made_is_given_away_and_nothing_that_a_link_names() {
        assert_is_root();
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(inside.join("a/b/file"), "").unwrap();
        fs::write(inside.join("others"), "").unwrap();
        std::os::unix::fs::chown(inside.join("others"), Some(1), Some(1)).unwrap();
        fs::write(outside.join("secret"), "").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("directory")).unwrap();
        std::os::unix::fs::symlink(outside.join("secret"), inside.join("link")).unwrap();
        SOMEBODY.take_below(&inside).unwrap();
        let theirs = (SOMEBODY.user, SOMEBODY.group);
        for name in ["", "a", "a/b", "a/b/file", "directory", "link"] {
            assert_eq!(owner_of(&inside.join(name)), theirs, "{name}");
        }
        assert_eq!(owner_of(&inside.join("others")), (1, 1));
        assert_eq!(owner_of(&outside), (0, 0));
        assert_eq!(owner_of(&outside.join("secret")), (0, 0));
        // Nor a file of root's that stands under a second name there.
        fs::hard_link(outside.join("secret"), inside.join("second")).unwrap();
        SOMEBODY.take_below(&inside).unwrap_err();
        assert_eq!(owner_of(&outside.join("secret")), (0, 0));
    }

    #[test]
    fn what_root_made_below_a_link_of_its_own_is_given_away() {
        assert_is_root();
        let folder = tempfile::tempdir().unwrap();
        let (disk, link) = (folder.path().join("disk"), folder.path().join("data"));
        fs::create_dir(&disk).unwrap();
        let (user, group) = (Some(SOMEBODY.user), Some(SOMEBODY.group));
        std::os::unix::fs::chown(&disk, user, group).unwrap();
        std::os::unix::fs::symlink("disk", &link).unwrap();
        for name in ["one", "two", "three"] {
            fs::create_dir(link.join(name)).unwrap();
        }
        let theirs = (SOMEBODY.user, SOMEBODY.group);
        own_path_like(&link.join("one"), &link);
        assert_eq!(owner_of(&disk.join("one")), theirs);
        SOMEBODY.take(&link.join("two")).unwrap();
        assert_eq!(owner_of(&disk.join("two")), theirs);
        SOMEBODY.take_below(&link).unwrap();
        assert_eq!(owner_of(&disk.join("three")), theirs);
        // The link itself is nobody's but root's, and one of theirs leads nowhere.
        assert_eq!(owner_of(&link), (0, 0));
        fs::create_dir(disk.join("four")).unwrap();
        std::os::unix::fs::lchown(&link, user, group).unwrap();
        SOMEBODY.take(&link.join("four")).unwrap_err();
        SOMEBODY.take_below(&link).unwrap_err();
        assert_eq!(owner_of(&disk.join("four")), (0, 0));
    }

    #[test]
    fn a_directory_that_is_swapped_for_a_link_meanwhile_leads_nowhere() {
        use std::sync::atomic::{AtomicBool, Ordering};
        assert_is_root();
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
        fs::create_dir_all(inside.join("real")).unwrap();
        fs::create_dir(&outside).unwrap();
        for number in 0..50 {
            fs::write(inside.join(format!("real/{number}")), "").unwrap();
            fs::write(outside.join(number.to_string()), "").unwrap();
        }
        std::os::unix::fs::symlink(&outside, inside.join("fake")).unwrap();
        let stop = AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            let swapping = scope.spawn(|| {
                let mut swaps = 0_u32;
                let (real, fake) = (inside.join("real"), inside.join("fake"));
                while !stop.load(Ordering::Relaxed) {
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    let at = rustix::fs::CWD;
                    if rustix::fs::renameat_with(at, &real, at, &fake, flags).is_ok() {
                        swaps += 1;
                    }
                }
                swaps
            });
            for _ in 0..300 {
                // A directory that went in the middle is an error; that is fine.
                let _ = SOMEBODY.take_below(&inside);
            }
            stop.store(true, Ordering::Relaxed);
            swapping.join().unwrap()
        });
        assert!(seen > 100, "the directory was hardly ever swapped: {seen}");
        for number in 0..50 {
            assert_eq!(owner_of(&outside.join(number.to_string())), (0, 0));
        }
        assert_eq!(owner_of(&outside), (0, 0));
    }
}
