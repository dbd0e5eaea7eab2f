//! What surrounds the process: read once, here, and handed on as a value, so that tests can make it up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The environment variables and the working directory of a run of a command. Prints without the
/// variables: CI hands out secrets by them.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    directory: PathBuf,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// The environment of this process; names and values that are no text are left out.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn of_this_process() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// An environment that is made up.
    pub fn of(variables: &[(&str, &str)], directory: &Path) -> Self {
        Self {
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            directory: directory.to_owned(),
        }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, be it to nothing (`NO_COLOR`).
    pub fn has(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// A variable that holds a path, with `~` for the home.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|value| self.expand(value))
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// Where the process works.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A path as a person writes it: a leading `~` is the home, and what is relative begins at the
    /// working directory.
    pub fn expand(&self, path: &str) -> PathBuf {
        let path = match (path.strip_prefix('~'), self.home()) {
            (Some(""), Some(home)) => home,
            (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
            _ => PathBuf::from(path),
        };
        self.directory.join(path)
    }

    /// The user's configuration directory: `$XDG_CONFIG_HOME`, else `~/.config`.
    pub fn config_home(&self) -> Option<PathBuf> {
        self.get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            // The XDG specification: relative paths are to be ignored.
            .filter(|path| path.is_absolute())
            .or_else(|| self.home().map(|home| home.join(".config")))
    }

    /// The user's directory of data: `$XDG_DATA_HOME`, else `~/.local/share`.
    pub fn data_home(&self) -> Option<PathBuf> {
        self.get("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| self.home().map(|home| home.join(".local/share")))
    }

    /// The program that a shell would run under a name, by `PATH`; a name with a slash is a path.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        if name.contains('/') {
            let path = self.expand(name);
            return is_executable(&path).then_some(path);
        }
        self.get("PATH")?
            .split(':')
            .filter(|folder| !folder.is_empty())
            .map(|folder| self.directory.join(folder).join(name))
            .find(|path| is_executable(path))
    }

    /// The same surroundings with one variable more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_people_write_them() {
        let environment = Environment::of(&[("HOME", "/h")], Path::new("/w"));
        for (written, meant) in [
            ("~", "/h"),
            ("~/x", "/h/x"),
            ("~bob/x", "/w/~bob/x"),
            ("x", "/w/x"),
            ("/x", "/x"),
        ] {
            assert_eq!(environment.expand(written), Path::new(meant), "{written}");
        }
    }

    #[test]
    fn variables_are_not_printed() {
        let environment = Environment::of(&[("TOKEN", "hidden")], Path::new("/w"));
        assert!(!format!("{environment:?}").contains("hidden"));
    }

    #[test]
    fn a_program_is_found_where_the_shell_finds_it() {
        let environment = Environment::of(&[("PATH", "/nowhere:/bin:/usr/bin")], Path::new("/"));
        assert!(environment.find_program("sh").is_some());
        assert_eq!(environment.find_program("no-such-program"), None);
        assert_eq!(environment.find_program("/etc/passwd"), None);
    }
}
