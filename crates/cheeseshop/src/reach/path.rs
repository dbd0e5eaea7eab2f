//! What stands between a user and a file: every directory on the way, also behind links, and the file itself.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::User;

/// Links one behind the other that are followed, as by Linux.
const MOST_LINKS: usize = 40;

/// What the user has to be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To go through a directory.
    Enter,
    /// To list a directory, and to read what is in it.
    List,
    /// To read a file.
    Read,
}

/// Why that cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is the user's own.
    Owner,
    /// It belongs to a group of the user.
    Group,
    /// It is somebody else's.
    Others,
    /// As far as is known: it belongs to a group that could, and that the user is not known to be in.
    OtherGroup,
}

/// What is in the way.
#[derive(Debug)]
pub(super) struct Obstacle {
    pub(super) path: PathBuf,
    pub(super) wanted: Wanted,
    pub(super) reason: Reason,
    pub(super) mode: u32,
    /// User and group, by their numbers.
    pub(super) owner: (u32, u32),
}

/// The first thing that keeps a user from reading a file, or a directory with the files in it. What cannot be looked at is
/// in nobody's way: others say that it is missing.
pub(super) fn first_obstacle(path: &Path, user: &User) -> Option<Obstacle> {
    let mut left: VecDeque<OsString> = parts(path).collect();
    let mut current = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            current.pop();
            continue;
        }
        let next = current.join(part);
        let metadata = next.symlink_metadata().ok()?;
        if metadata.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return None;
            }
            let target = next.read_link().ok()?;
            if target.is_absolute() {
                current = PathBuf::from("/");
            }
            for part in parts(&target).rev() {
                left.push_front(part);
            }
            continue;
        }
        let wanted = match (metadata.is_dir(), left.is_empty()) {
            (false, _) => Wanted::Read,
            (true, true) => Wanted::List,
            (true, false) => Wanted::Enter,
        };
        if let Some(reason) = reason(&metadata, wanted, user)
            && !has_access_list(&next)
        {
            return Some(Obstacle {
                wanted,
                reason,
                mode: metadata.mode(),
                owner: (metadata.uid(), metadata.gid()),
                path: next,
            });
        }
        current = next;
    }
    None
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

/// Why a user cannot do that, if so.
fn reason(metadata: &Metadata, wanted: Wanted, user: &User) -> Option<Reason> {
    judge(
        metadata.mode(),
        (metadata.uid(), metadata.gid()),
        wanted,
        user,
    )
}

/// The rule of the system: the bits of the owner count for the owner alone, then those of the group for its members, then
/// those of the others.
fn judge(mode: u32, (owner, group): (u32, u32), wanted: Wanted, user: &User) -> Option<Reason> {
    let bits = match wanted {
        Wanted::Enter => 0o1,
        Wanted::List => 0o5,
        Wanted::Read => 0o4,
    };
    let may = |shift: u32| mode >> shift & bits == bits;
    let (is_allowed, reason) = if owner == user.number {
        (may(6), Reason::Owner)
    } else if user.groups.contains(&group) {
        (may(3), Reason::Group)
    } else if may(3) {
        (may(0), Reason::OtherGroup)
    } else {
        (may(0), Reason::Others)
    };
    (!is_allowed).then_some(reason)
}

/// Whether more than the mode decides.
#[cfg(target_os = "linux")]
fn has_access_list(path: &Path) -> bool {
    use rustix::io::Errno;

    let found = rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 0]);
    // Whatever else is wrong: then it is not known.
    !matches!(found, Err(Errno::NODATA | Errno::OPNOTSUPP))
}

/// Elsewhere nobody knows whether more than the mode decides.
#[cfg(not(target_os = "linux"))]
fn has_access_list(_: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// Somebody whom no file of a test belongs to.
    const NUMBER: u32 = 31_415;

    fn user(groups: &[u32]) -> User {
        User {
            number: NUMBER,
            groups: groups.iter().copied().collect(),
            ..User::default()
        }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let member = user(&[7]);
        for (mode, owner, wanted, expected) in [
            (0o644, (0, 0), Wanted::Read, None),
            (0o600, (0, 0), Wanted::Read, Some(Reason::Others)),
            (0o640, (0, 0), Wanted::Read, Some(Reason::OtherGroup)),
            (0o640, (0, 7), Wanted::Read, None),
            (0o604, (0, 7), Wanted::Read, Some(Reason::Group)),
            (0o400, (NUMBER, 0), Wanted::Read, None),
            (0o044, (NUMBER, 7), Wanted::Read, Some(Reason::Owner)),
            (0o711, (0, 0), Wanted::Enter, None),
            (0o711, (0, 0), Wanted::List, Some(Reason::Others)),
            (0o710, (0, 8), Wanted::Enter, Some(Reason::OtherGroup)),
            (0o750, (0, 7), Wanted::List, None),
            (0o740, (0, 7), Wanted::List, Some(Reason::Group)),
        ] {
            let found = judge(0o100_000 | mode, owner, wanted, &member);
            assert_eq!(found, expected, "{mode:o} {owner:?} {wanted:?}");
        }
    }

    #[test]
    fn every_directory_on_the_way_is_looked_at_also_behind_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let set = |name: &str, mode: u32| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(root.join(name), permissions).unwrap();
        };
        for name in ["a", "b", "b/closed", "b/open"] {
            std::fs::create_dir(root.join(name)).unwrap();
            set(name, 0o755);
        }
        for name in ["b/closed/file", "b/open/file"] {
            std::fs::write(root.join(name), "").unwrap();
            set(name, 0o644);
        }
        symlink("../b/closed", root.join("a/relative")).unwrap();
        symlink(root.join("a/relative/file"), root.join("a/absolute")).unwrap();
        symlink("turn", root.join("a/turn")).unwrap();
        set("", 0o755);
        let user = user(&[]);
        let found = |name: &str| {
            let obstacle = first_obstacle(&root.join(name), &user)?;
            let below = obstacle.path.strip_prefix(&root).unwrap();
            Some((below.display().to_string(), obstacle.wanted))
        };
        let names = ["b/closed/file", "a/relative/file", "a/absolute"];
        for name in names {
            assert_eq!(found(name), None, "{name}");
        }
        set("b/closed", 0o700);
        let closed = Some(("b/closed".to_owned(), Wanted::Enter));
        for name in names {
            assert_eq!(found(name), closed, "{name}");
        }
        assert_eq!(found("a/../b/open/file"), None);
        set("b/open/file", 0o600);
        let file = Some(("b/open/file".to_owned(), Wanted::Read));
        assert_eq!(found("a/../b/open/file"), file);
        // As a theme is read.
        assert_eq!(found("b/open"), None);
        set("b/open", 0o711);
        assert_eq!(found("b/open"), Some(("b/open".to_owned(), Wanted::List)));
        for missing in ["nowhere/file", "a/turn"] {
            assert_eq!(found(missing), None);
        }
    }
}
