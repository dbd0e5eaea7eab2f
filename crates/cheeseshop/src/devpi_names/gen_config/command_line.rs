//! The command line of the server as this program was called.

use std::path::{Path, PathBuf};

use super::super::option::{Meaning, Takes};
use super::super::program::Program;
use super::super::reading::{Given, Options};
use super::super::translate::{DEFAULT_SERVERDIR, expanded};
use crate::commands::gen_config::Words;
use crate::config::Origin;

/// Program and arguments, each as it is.
#[derive(Debug)]
pub(super) struct CommandLine {
    words: Words,
    working_directory: PathBuf,
}

impl CommandLine {
    /// How to start a server as this program was called: the options of the command line that have
    /// an effect, with absolute paths. The directory is always named, unless the configuration file does.
    pub(super) fn of(options: &Options, working_directory: &Path) -> Self {
        let absolute = |path: &str| {
            let path = expanded(path, &options.surroundings);
            working_directory.join(path).display().to_string()
        };
        let program = program(options, working_directory);
        let mut words = vec![program.display().to_string()];
        if let Some(file) = &options.config_file {
            words.push("--configfile".to_owned());
            words.push(absolute(&file.display().to_string()));
        }
        match options.find("serverdir") {
            Some(given) if matches!(given.origin, Origin::File { .. }) => {}
            given => {
                let default = format!("~/{DEFAULT_SERVERDIR}");
                let path = given.map_or(default.as_str(), |given| given.written.text.as_str());
                words.push("--serverdir".to_owned());
                words.push(absolute(path));
            }
        }
        for given in options.given() {
            let is_here = matches!(given.origin, Origin::Flag(_));
            let is_of_use = !matches!(given.option.meaning, Meaning::Nothing(_));
            let is_told = matches!(given.option.name, "serverdir" | "configfile");
            if is_here && is_of_use && !is_told {
                words.extend(spelled(given, &absolute));
            }
        }
        for set in &options.set {
            words.push("--set".to_owned());
            words.push(set.clone());
        }
        Self {
            words: Words(words),
            working_directory: working_directory.to_path_buf(),
        }
    }

    /// What relative paths are relative to.
    pub(super) fn working_directory(&self) -> &Path {
        &self.working_directory
    }

    /// Program and arguments.
    pub(super) fn words(&self) -> &Words {
        &self.words
    }
}

/// An option as it is written on the command line of the server.
fn spelled(given: &Given, absolute: &dyn Fn(&str) -> String) -> Vec<String> {
    let flag = given.option.flag();
    let text = given.written.text.as_str();
    match given.option.takes {
        Takes::Nothing => vec![flag],
        Takes::Many(_) => text
            .split(',')
            .flat_map(|item| [flag.clone(), item.to_owned()])
            .collect(),
        Takes::Text("PATH") if !text.is_empty() => vec![format!("{flag}={}", absolute(text))],
        // With the sign, a text may be empty or begin with a dash.
        Takes::Text(_) => vec![format!("{flag}={text}")],
        Takes::Number(_) | Takes::OneOf(_) => vec![flag, text.to_owned()],
    }
}

/// The link `devpi-server`: beside the program that runs now as it was called, else on the search
/// path, else beside its file. Where there is none, the first of these places gets one.
fn program(options: &Options, working_directory: &Path) -> PathBuf {
    let name = Program::Server.name();
    let called = std::env::args_os().next().unwrap_or_default();
    let called = Path::new(&called)
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| working_directory.join(folder))
        // The folder alone: where the link in it leads is not its name.
        .map(|folder| folder.canonicalize().unwrap_or(folder));
    let search_path = options.surroundings.get("PATH").unwrap_or_default();
    let own = std::env::current_exe().ok();
    let own = own.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let places: Vec<PathBuf> = called
        .into_iter()
        .chain(std::env::split_paths(search_path).filter(|folder| folder.is_absolute()))
        .chain(own)
        .map(|folder| folder.join(name))
        .collect();
    let found = places.iter().find(|path| path.exists());
    found
        .or(places.first())
        .cloned()
        .unwrap_or_else(|| PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::Surroundings;

    fn line(arguments: &[&str]) -> CommandLine {
        let arguments = arguments.iter().map(OsString::from);
        let surroundings =
            Surroundings::of(&[("HOME", "/home/me"), ("DEVPISERVER_OFFLINE_MODE", "yes")]);
        let options = Options::read(Program::GenConfig, arguments, surroundings).unwrap();
        let mut line = CommandLine::of(&options, Path::new("/here"));
        "devpi-server".clone_into(&mut line.words.0[0]);
        line
    }

    #[test]
    fn paths_are_absolute_and_the_environment_is_left_out() {
        for (arguments, expected) in [
            (&[][..], "--serverdir /home/me/.devpi/server"),
            (&["--serverdir", "srv"], "--serverdir /here/srv"),
            (&["--serverdir=~/srv"], "--serverdir /home/me/srv"),
            (
                &[
                    "--port",
                    "4",
                    "--offline-mode",
                    "--threads=3",
                    "--listen=a.test:1",
                    "--listen=b.test:2",
                ],
                "--serverdir /home/me/.devpi/server --port 4 --listen a.test:1 \
                 --listen b.test:2 --offline-mode",
            ),
            (
                &["--secretfile", "s", "--set", "log.format=json"],
                "--serverdir /home/me/.devpi/server --secretfile=/here/s \
                 --set log.format=json",
            ),
        ] {
            let expected = format!("devpi-server {expected}");
            assert_eq!(
                line(arguments).words().0.join(" "),
                expected,
                "{arguments:?}"
            );
        }
    }
}
