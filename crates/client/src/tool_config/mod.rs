//! The files that tell pip, uv, setuptools and buildout which index to use.
//!
//! They belong to the user: what stands in them stays, line by line, a copy is made before the first
//! change, and a file is put in place as a whole or not at all.

mod ini;
mod pip;
mod setuptools;
mod used;
mod uv;

use std::path::{Path, PathBuf};

use url::Url;

use crate::state::of_file;
use crate::{Environment, Error, whole_file};

pub(crate) use self::used::{Setting, ToolUse, pip_files, tools};

/// A tool that reads which index to use from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// pip: `pip.conf`.
    Pip,
    /// uv: `uv.toml`.
    Uv,
    /// setuptools' `easy_install`: `.pydistutils.cfg`.
    Distutils,
    /// zc.buildout: `default.cfg`.
    Buildout,
}

impl Tool {
    /// The tool as it is named in documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Uv => "uv",
            Self::Distutils => "distutils",
            Self::Buildout => "buildout",
        }
    }
}

/// What the tools are told.
#[derive(Clone, Debug)]
pub(crate) struct IndexSettings {
    /// The index for installers, with the credentials of a front server where there are some.
    pub(crate) simple: Url,
    /// The index that `pip search` asks.
    pub(crate) search: Url,
    /// Whether pip is told to believe the host without a certificate, or told so no longer.
    pub(crate) is_host_trusted: bool,
}

/// What a file says about the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// There is no file.
    NoFile,
    /// There is a file, and it names no index.
    Nothing,
    /// The URL of the index as it is written, credentials included.
    Index(String),
}

/// A file of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolConfig {
    /// Whose it is.
    pub(crate) tool: Tool,
    /// Where it is or would be.
    pub(crate) path: PathBuf,
}

impl ToolConfig {
    /// The file of a tool for this user, or for a virtual environment. `None`: there is no home, or the
    /// tool has no file of its own in a virtual environment.
    pub(crate) fn of(tool: Tool, environment: &Environment, venv: Option<&Path>) -> Option<Self> {
        let path = match (tool, venv) {
            (Tool::Pip, Some(venv)) => Some(venv.join("pip.conf")),
            (Tool::Uv, Some(venv)) => Some(venv.join("uv.toml")),
            (Tool::Distutils | Tool::Buildout, Some(_)) => None,
            (Tool::Pip, None) => pip::location(environment),
            (Tool::Uv, None) => environment
                .path("UV_CONFIG_FILE")
                .or_else(|| Some(environment.config_home()?.join("uv/uv.toml"))),
            (Tool::Distutils, None) => Some(environment.home()?.join(".pydistutils.cfg")),
            (Tool::Buildout, None) => Some(environment.home()?.join(".buildout/default.cfg")),
        }?;
        Some(Self { tool, path })
    }

    /// The files of all tools, in the order in which they are told of.
    pub(crate) fn all(environment: &Environment, venv: Option<&Path>) -> Vec<Self> {
        [Tool::Pip, Tool::Uv, Tool::Distutils, Tool::Buildout]
            .into_iter()
            .filter_map(|tool| Self::of(tool, environment, venv))
            .collect()
    }

    /// Where pip's file ought to be, when it is at the place of the oldest pips.
    pub(crate) fn better_place(&self, environment: &Environment) -> Option<PathBuf> {
        (self.tool == Tool::Pip && Some(&self.path) == pip::oldest_location(environment).as_ref())
            .then(|| pip::usual_location(environment))
            .flatten()
    }

    /// What the file says.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub(crate) fn told(&self) -> Result<Told, Error> {
        let Some(text) = self.read()? else {
            return Ok(Told::NoFile);
        };
        let index = match self.tool {
            Tool::Pip => pip::index(&text),
            Tool::Uv => uv::index(&text),
            Tool::Distutils => setuptools::EASY_INSTALL.index(&text),
            Tool::Buildout => setuptools::BUILDOUT.index(&text),
        };
        Ok(index.map_or(Told::Nothing, Told::Index))
    }

    /// Tells the tool, and nothing else in the file changes.
    ///
    /// # Errors
    /// [`Error::File`] when the file or its copy cannot be read or written, or is not of its format.
    pub(crate) fn tell(&self, settings: &IndexSettings) -> Result<(), Error> {
        let before = self.read()?;
        let text = before.as_deref().unwrap_or_default();
        let after = match self.tool {
            Tool::Pip => pip::edited(text, settings),
            Tool::Uv => uv::edited(text, settings.simple.as_str())
                .map_err(|reason| of_file(&self.path, std::io::Error::other(reason)))?,
            Tool::Distutils => setuptools::EASY_INSTALL.edited(text, settings.simple.as_str()),
            Tool::Buildout => setuptools::BUILDOUT.edited(text, settings.simple.as_str()),
        };
        if before.as_deref() == Some(after.as_str()) {
            return Ok(());
        }
        if let Some(before) = &before {
            self.keep_copy(before)?;
        }
        let has_secret = settings.simple.password().is_some();
        let mode_of_new = if has_secret { 0o600 } else { 0o644 };
        whole_file::replace(&self.path, &after, mode_of_new)
    }

    fn read(&self) -> Result<Option<String>, Error> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(of_file(&self.path, error)),
        }
    }

    /// Copies the file as it was before we ever touched it; a copy that is there stays.
    fn keep_copy(&self, text: &str) -> Result<(), Error> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push("-bak");
        let copy = self.path.with_file_name(name);
        if copy.exists() {
            return Ok(());
        }
        let mode = whole_file::mode(&self.path).unwrap_or(0o600);
        whole_file::write(&copy, text, mode)
    }
}

/// A URL as it is written somewhere, without its password. What is no URL is treated alike.
pub(crate) fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |position| position + 3);
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |position| start + position);
    let authority = &url[start..end];
    let Some((who, host)) = authority.rsplit_once('@') else {
        return url.to_owned();
    };
    let Some((user, _)) = who.split_once(':') else {
        return url.to_owned();
    };
    format!("{}{user}:****@{host}{}", &url[..start], &url[end..])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn settings(url: &str) -> IndexSettings {
        IndexSettings {
            simple: format!("{url}/+simple/").parse().unwrap(),
            search: format!("{url}/").parse().unwrap(),
            is_host_trusted: false,
        }
    }

    fn file_names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn each_tool_has_its_place() {
        let environment = Environment::of(&[("HOME", "/h")], Path::new("/w"));
        let paths: Vec<_> = ToolConfig::all(&environment, None)
            .into_iter()
            .map(|config| config.path.display().to_string())
            .collect();
        assert_eq!(
            paths,
            [
                "/h/.config/pip/pip.conf",
                "/h/.config/uv/uv.toml",
                "/h/.pydistutils.cfg",
                "/h/.buildout/default.cfg"
            ]
        );
        let paths: Vec<_> = ToolConfig::all(&environment, Some(Path::new("/v")))
            .into_iter()
            .map(|config| config.path.display().to_string())
            .collect();
        assert_eq!(paths, ["/v/pip.conf", "/v/uv.toml"]);
        let environment = environment
            .with("PIP_CONFIG_FILE", "/x/pip.ini")
            .with("UV_CONFIG_FILE", "~/uv.toml");
        let paths: Vec<_> = ToolConfig::all(&environment, None)
            .into_iter()
            .map(|config| config.path.display().to_string())
            .take(2)
            .collect();
        assert_eq!(paths, ["/x/pip.ini", "/h/uv.toml"]);
    }

    #[test]
    fn the_first_change_leaves_a_copy_and_the_next_ones_do_not_touch_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = ToolConfig {
            tool: Tool::Pip,
            path: folder.path().join("pip.conf"),
        };
        std::fs::write(&config.path, "[global]\ntimeout = 3\n").unwrap();
        config.tell(&settings("http://shop.test/bob/dev")).unwrap();
        config.tell(&settings("http://shop.test/bob/prod")).unwrap();
        assert_eq!(file_names(folder.path()), ["pip.conf", "pip.conf-bak"]);
        assert_eq!(
            std::fs::read_to_string(folder.path().join("pip.conf-bak")).unwrap(),
            "[global]\ntimeout = 3\n"
        );
        assert_eq!(
            config.told().unwrap(),
            Told::Index("http://shop.test/bob/prod/+simple/".to_owned())
        );
    }

    #[test]
    fn telling_the_same_again_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = ToolConfig {
            tool: Tool::Uv,
            path: folder.path().join("deep/uv.toml"),
        };
        assert_eq!(config.told().unwrap(), Told::NoFile);
        config.tell(&settings("http://shop.test/bob/dev")).unwrap();
        config.tell(&settings("http://shop.test/bob/dev")).unwrap();
        assert_eq!(file_names(&folder.path().join("deep")), ["uv.toml"]);
    }

    #[test]
    fn a_new_file_with_a_password_is_its_owners_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("real.conf");
        let link = folder.path().join("pip.conf");
        std::fs::write(&target, "").unwrap();
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let with_password = settings("http://u:p@shop.test/bob/dev");
        for (path, mode) in [(&link, 0o640), (&folder.path().join("new.conf"), 0o600)] {
            let config = ToolConfig {
                tool: Tool::Pip,
                path: path.clone(),
            };
            config.tell(&with_password).unwrap();
            assert_eq!(
                whole_file::mode(&config.path),
                Some(mode),
                "{}",
                path.display()
            );
        }
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert!(
            std::fs::read_to_string(&target)
                .unwrap()
                .contains("u:p@shop.test")
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        for (written, shown) in [
            (
                "http://u:p@shop.test/a@b:c",
                "http://u:****@shop.test/a@b:c",
            ),
            ("http://u:p@q@shop.test", "http://u:****@shop.test"),
            ("http://u@shop.test/", "http://u@shop.test/"),
            ("http://shop.test:81/x", "http://shop.test:81/x"),
            ("u:p@shop.test/x", "u:****@shop.test/x"),
            ("", ""),
        ] {
            assert_eq!(without_password(written), shown);
        }
    }
}
