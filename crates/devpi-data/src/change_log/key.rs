//! What a key of devpi's store is about.

use std::fmt;

/// A key, told apart by its name and path (protocol reference §20.2). Texts borrow from the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    /// The names of all users.
    Users,
    /// A user's record, indexes included.
    User(&'a str),
    /// The names of an index's projects: user and index.
    Projects(&'a str, &'a str),
    /// The versions of a project: user, index, project.
    Versions(&'a str, &'a str, &'a str),
    /// A release's metadata and links: user, index, project, version.
    Release(&'a str, &'a str, &'a str, &'a str),
    /// The listed files of a project: user, index, project.
    Links(&'a str, &'a str, &'a str),
    /// A file: user, index, and the whole path.
    File(&'a str, &'a str, &'a str),
    /// Something that does not matter here, or that a plugin keeps.
    Other,
}

impl<'a> Key<'a> {
    /// Reads a key.
    pub fn parse(name: &str, path: &'a str) -> Self {
        let mut parts = path.split('/');
        let mut next = || parts.next();
        let (Some(user), index, project, version, last) = (next(), next(), next(), next(), next())
        else {
            return Self::Other;
        };
        match (name, index, project, version, last) {
            ("USERLIST", None, ..) if user == ".config" => Self::Users,
            ("USER", Some(".config"), None, ..) => Self::User(user),
            ("PROJNAMES", Some(index), Some(".projects"), None, _) => Self::Projects(user, index),
            ("PROJVERSIONS", Some(index), Some(project), Some(".versions"), None) => {
                Self::Versions(user, index, project)
            }
            ("PROJSIMPLELINKS", Some(index), Some(project), Some(".simple"), None) => {
                Self::Links(user, index, project)
            }
            ("PROJVERSION", Some(index), Some(project), Some(version), Some(".config")) => {
                Self::Release(user, index, project, version)
            }
            ("STAGEFILE" | "PYPIFILE_NOMD5", Some(index), Some("+f" | "+e"), Some(_), Some(_)) => {
                Self::File(user, index, path)
            }
            _ => Self::Other,
        }
    }
}

/// The path.
impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Users => f.write_str(".config"),
            Self::User(user) => write!(f, "{user}/.config"),
            Self::Projects(user, index) => write!(f, "{user}/{index}/.projects"),
            Self::Versions(user, index, project) => {
                write!(f, "{user}/{index}/{project}/.versions")
            }
            Self::Release(user, index, project, version) => {
                write!(f, "{user}/{index}/{project}/{version}/.config")
            }
            Self::Links(user, index, project) => write!(f, "{user}/{index}/{project}/.simple"),
            Self::File(_, _, path) => f.write_str(path),
            Self::Other => f.write_str("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_by_name_and_path() {
        let file = "bob/dev/+f/7f0/c4e99b310b917/x-1.0.whl";
        let external = "root/pypi/+e/http_h/x-1.0.whl";
        for (name, path, expected) in [
            ("USERLIST", ".config", Key::Users),
            ("USER", "bob/.config", Key::User("bob")),
            (
                "PROJNAMES",
                "bob/dev/.projects",
                Key::Projects("bob", "dev"),
            ),
            (
                "PROJVERSIONS",
                "bob/dev/p/.versions",
                Key::Versions("bob", "dev", "p"),
            ),
            (
                "PROJSIMPLELINKS",
                "bob/dev/p/.simple",
                Key::Links("bob", "dev", "p"),
            ),
            (
                "PROJVERSION",
                "bob/dev/p/1.0/.config",
                Key::Release("bob", "dev", "p", "1.0"),
            ),
            ("STAGEFILE", file, Key::File("bob", "dev", file)),
            (
                "PYPIFILE_NOMD5",
                external,
                Key::File("root", "pypi", external),
            ),
        ] {
            let key = Key::parse(name, path);
            assert_eq!(key, expected);
            assert_eq!(key.to_string(), path);
        }
    }

    #[test]
    fn other_keys_do_not_matter() {
        for (name, path) in [
            ("USERLIST", "bob/.config"),
            ("USER", ".config"),
            ("MIRRORNAMESINIT", "root/pypi/.mirrornameschange"),
            ("PROJNAMES", "bob/dev/p/.projects"),
            ("PROJVERSION", "bob/dev/p/.config"),
            ("STAGEFILE", "bob/dev/+x/7f0/c4e/x.whl"),
            ("PLUGIN", "bob/dev/.projects"),
            ("", ""),
        ] {
            assert_eq!(Key::parse(name, path), Key::Other, "{name} {path}");
        }
    }
}
