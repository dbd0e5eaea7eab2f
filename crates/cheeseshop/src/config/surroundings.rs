//! The environment of the process: read once, here, and handed on as a value.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::layers::{VARIABLE_PREFIX, with_fragments};

/// The parts of the environment that other programs define.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings(Vec<(String, String)>);

impl Surroundings {
    /// The environment of this process; names and values that are no text are left out.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn of_this_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(candidate, value)| candidate == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The folder that a variable of the XDG specification names, else one below the home.
    pub(crate) fn home_folder(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        self.get(variable)
            .map(PathBuf::from)
            // The XDG specification: relative paths are to be ignored.
            .filter(|path| path.is_absolute())
            .or_else(|| self.get("HOME").map(|home| Path::new(home).join(fallback)))
    }

    /// Where the data belongs: the service manager's place for the state of a service
    /// (systemd.exec(5), `StateDirectory=`), else the user's.
    pub(crate) fn data_folder(&self) -> Option<PathBuf> {
        // Several are parted by colons; the first is the service's own.
        let state = self
            .get("STATE_DIRECTORY")
            .and_then(|folders| folders.split(':').next())
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        state.or_else(|| {
            let folder = self.home_folder("XDG_DATA_HOME", ".local/share")?;
            Some(folder.join("cheeseshop"))
        })
    }

    /// The same without the variables that hold settings of ours.
    #[must_use]
    pub(crate) fn without_settings(mut self) -> Self {
        self.0
            .retain(|(name, _)| !name.starts_with(VARIABLE_PREFIX));
        self
    }

    /// Every variable.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.0
    }

    /// The settings files to read: those asked for, else the first of the usual places that has
    /// one; each with its `conf.d`.
    pub(crate) fn settings_files(&self, asked_for: &[PathBuf]) -> Vec<PathBuf> {
        if !asked_for.is_empty() {
            return asked_for
                .iter()
                .flat_map(|file| with_fragments(file))
                .collect();
        }
        // One that may be there and cannot be looked at is not passed over: reading it says why. But a home that is
        // closed to this process is not its own: a container under another user has one, and many a service.
        let own = self
            .home_folder("XDG_CONFIG_HOME", ".config")
            .map(|folder| folder.join("cheeseshop/cheeseshop.toml"))
            .filter(|file| match file.try_exists() {
                Ok(is_there) => is_there,
                Err(error) => error.kind() != ErrorKind::PermissionDenied,
            });
        let file = own.or_else(|| {
            let file = PathBuf::from("/etc/cheeseshop/cheeseshop.toml");
            file.try_exists().unwrap_or(true).then_some(file)
        });
        file.map(|file| with_fragments(&file)).unwrap_or_default()
    }

    /// Surroundings that a test has made up.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_looked_at_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("cheeseshop");
        std::os::unix::fs::symlink("cheeseshop", &own).unwrap();
        let home = folder.path().to_str().unwrap();
        let found = Surroundings::of(&[("XDG_CONFIG_HOME", home)]).settings_files(&[]);
        assert_eq!(found.first(), Some(&own.join("cheeseshop.toml")));
    }

    #[test]
    fn folders_follow_the_xdg_specification() {
        for (xdg, expected) in [
            (None, "/h/.config"),
            (Some("/x"), "/x"),
            (Some(""), "/h/.config"),
            (Some("x"), "/h/.config"),
        ] {
            let mut variables = vec![("HOME", "/h")];
            variables.extend(xdg.map(|value| ("XDG_CONFIG_HOME", value)));
            let found = Surroundings::of(&variables).home_folder("XDG_CONFIG_HOME", ".config");
            assert_eq!(found, Some(PathBuf::from(expected)), "{xdg:?}");
        }
        let service = [
            ("HOME", "/h"),
            ("STATE_DIRECTORY", "/var/lib/shop:/var/lib/more"),
        ];
        for (variables, expected) in [
            (&service[..], "/var/lib/shop"),
            (&service[..1], "/h/.local/share/cheeseshop"),
        ] {
            let found = Surroundings::of(variables).data_folder();
            assert_eq!(found, Some(PathBuf::from(expected)));
        }
        let nowhere = Surroundings::of(&[]);
        assert_eq!(nowhere.home_folder("XDG_CONFIG_HOME", ".config"), None);
    }
}
