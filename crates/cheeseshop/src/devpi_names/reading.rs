//! Collecting what was written: command line, then environment, then YAML file; the first of
//! them that knows an option decides.

use std::ffi::OsString;
use std::path::PathBuf;

use super::command_line::CommandLine;
use super::config_file::ConfigFile;
use super::option::{DevpiOption, Takes, Written, truth_or_text};
use super::program::Program;
use super::stop::Stop;
use super::table::OPTIONS;
use crate::config::{Origin, Surroundings};

/// Where devpi looks for the directory before `DEVPISERVER_SERVERDIR`.
const OLD_SERVERDIR: &str = "DEVPI_SERVERDIR";

/// Everything that was written for one run.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) program: Program,
    given: Vec<Given>,
    /// What stands beside the options.
    pub(super) positional: Option<String>,
    /// `--set SECTION.KEY=VALUE`.
    pub(super) set: Vec<String>,
    /// The YAML file that was read.
    pub(super) config_file: Option<PathBuf>,
    pub(super) surroundings: Surroundings,
    /// What has to be said about the sources.
    pub(super) warnings: Vec<String>,
}

/// An option that was written somewhere.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) option: &'static DevpiOption,
    pub(super) origin: Origin,
    pub(super) written: Written,
}

impl Options {
    /// Reads a command line without its first word, the environment, and the YAML file.
    pub(super) fn read(
        program: Program,
        arguments: impl IntoIterator<Item = OsString>,
        surroundings: Surroundings,
    ) -> Result<Self, Stop> {
        let line = CommandLine::parse(program, arguments)?;
        let file = ConfigFile::read(line.config_file(), &surroundings)?;
        let mut warnings = file
            .as_ref()
            .map_or_else(Vec::new, |file| file.warnings(program));
        let mut given = Vec::new();
        for option in OPTIONS.iter().filter(|option| option.is_of(program)) {
            let mut found = line.find(option);
            if found.is_none() {
                found = in_environment(option, &surroundings, &mut warnings)?;
            }
            if let (None, Some(file)) = (&found, &file) {
                found = file.find(option)?;
            }
            if let Some(found) = found {
                check(program, &found)?;
                given.push(found);
            }
        }
        Ok(Self {
            program,
            given,
            positional: line.positional(program),
            set: line.set(),
            config_file: file.map(|file| file.path),
            surroundings,
            warnings,
        })
    }

    /// Every option that was written somewhere, in the order of the table.
    pub(super) fn given(&self) -> &[Given] {
        &self.given
    }

    /// An option that was written somewhere.
    pub(super) fn find(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.option.name == name)
    }

    /// The text of an option.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.find(name).map(|given| given.written.text.as_str())
    }

    /// Whether an option that takes nothing is given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }
}

fn in_environment(
    option: &'static DevpiOption,
    surroundings: &Surroundings,
    warnings: &mut Vec<String>,
) -> Result<Option<Given>, Stop> {
    let mut name = option.variable();
    let mut value = surroundings.get(&name);
    if option.name == "serverdir"
        && let Some(old) = surroundings.get(OLD_SERVERDIR)
    {
        warnings.push(format!("{OLD_SERVERDIR} is deprecated; set {name}"));
        OLD_SERVERDIR.clone_into(&mut name);
        value = Some(old);
    }
    let Some(value) = value else {
        return Ok(None);
    };
    let text = truth_or_text(option, value)
        .ok_or_else(|| Stop::fatal(format!("{name}: invalid truth value '{value}'")))?;
    Ok(Some(Given {
        option,
        origin: Origin::Variable(name),
        written: Written {
            text,
            settings: Vec::new(),
        },
    }))
}

/// What argparse would refuse, wherever it is written.
fn check(program: Program, given: &Given) -> Result<(), Stop> {
    let text = &given.written.text;
    let flag = given.option.flag();
    match given.option.takes {
        Takes::Number(_) if text.trim().parse::<u64>().is_err() => Err(Stop::usage(
            program,
            &format!(
                "argument {flag}: invalid int value: '{text}' ({})",
                given.origin
            ),
        )),
        Takes::OneOf(words) if !words.contains(&text.as_str()) => Err(Stop::usage(
            program,
            &format!(
                "argument {flag}: invalid choice: '{text}' (choose from {})",
                words.join(", ")
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(program: Program, line: &[&str], variables: &[(&str, &str)]) -> Result<Options, Stop> {
        let arguments = line.iter().map(OsString::from);
        Options::read(program, arguments, Surroundings::of(variables))
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devpi.yml");
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        (folder, path)
    }

    #[test]
    fn options_are_taken_in_every_spelling_and_place() {
        for line in [
            &["--serverdir", "d", "bob"][..],
            &["--serverdir=d", "bob"],
            &["bob", "--serverdir", "d"],
            &["bob", "--serverdir=d"],
            &["--server", "x", "bob", "--serverdir=d"],
        ] {
            let options = read(Program::Passwd, line, &[]).unwrap();
            assert_eq!(options.text("serverdir"), Some("d"), "{line:?}");
            assert_eq!(options.positional.as_deref(), Some("bob"), "{line:?}");
        }
        let options = read(Program::Init, &["--root-passwd="], &[]).unwrap();
        assert_eq!(options.text("root-passwd"), Some(""));
    }

    #[test]
    fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
        let (_folder, path) = file("devpi-server:\n  port: 1\n  host: file.test\n  theme: t\n");
        let variables = [
            ("DEVPISERVER_PORT", "2"),
            ("DEVPISERVER_HOST", "env.test"),
            ("DEVPISERVER_OFFLINE_MODE", "yes"),
            ("DEVPISERVER_THEME", ""),
        ];
        let options = read(Program::Server, &["-c", &path, "--port", "3"], &variables).unwrap();
        assert_eq!(options.text("port"), Some("3"));
        assert_eq!(options.text("host"), Some("env.test"));
        assert_eq!(options.text("theme"), Some("t"));
        assert!(options.flag("offline-mode"));
        assert_eq!(
            options.find("theme").unwrap().origin.to_string(),
            format!("{path}:4")
        );
        assert_eq!(options.warnings, [] as [&str; 0]);
    }

    #[test]
    fn the_deprecated_variable_of_the_directory_goes_first() {
        let variables = [("DEVPISERVER_SERVERDIR", "new"), (OLD_SERVERDIR, "old")];
        let options = read(Program::Init, &[], &variables).unwrap();
        assert_eq!(options.text("serverdir"), Some("old"));
        assert_eq!(
            options.warnings,
            ["DEVPI_SERVERDIR is deprecated; set DEVPISERVER_SERVERDIR"]
        );
        let options = read(Program::Init, &["--serverdir=here"], &variables).unwrap();
        assert_eq!(options.text("serverdir"), Some("here"));
    }

    #[test]
    fn files_lie_where_devpi_looks() {
        let folder = tempfile::tempdir().unwrap();
        let write = |place: &str, port: &str| {
            let path = folder.path().join(place).join("devpi-server");
            std::fs::create_dir_all(&path).unwrap();
            let text = format!("devpi-server:\n  port: {port}\n  foo: x\n");
            std::fs::write(path.join("devpi-server.yml"), text).unwrap();
        };
        let home = folder.path().display().to_string();
        let site = format!("{home}/xdg");
        let variables = [("HOME", home.as_str()), ("XDG_CONFIG_DIRS", site.as_str())];
        write("xdg", "1");
        let options = read(Program::Server, &[], &variables).unwrap();
        assert_eq!(options.text("port"), Some("1"));
        assert_eq!(
            options.warnings,
            [format!(
                "Unknown devpi-server option 'foo' in {site}/devpi-server/devpi-server.yml:3"
            )]
        );
        write(".config", "2");
        let options = read(Program::Server, &[], &variables).unwrap();
        assert_eq!(options.text("port"), Some("2"));
    }

    #[test]
    fn what_cannot_be_read_ends_as_it_does_in_devpi() {
        let (_folder, list) = file("- devpi-server\n");
        for (line, variables, code, part) in [
            (&["--foo"][..], &[][..], 2, "unrecognized arguments: --foo"),
            (&["extra"], &[], 2, "unrecognized arguments: extra"),
            (&["--port", "x"], &[], 2, "invalid int value: 'x'"),
            (&["--port"], &[], 2, "--port"),
            (&["--role", "boss"], &[], 2, "invalid choice: 'boss'"),
            (&[], &[("DEVPISERVER_PORT", "x")], 2, "DEVPISERVER_PORT"),
            (
                &[],
                &[("DEVPISERVER_DEBUG", "maybe")],
                1,
                "truth value 'maybe'",
            ),
            (&["-c", &list], &[], 4, "must be a mapping"),
            (&["-c", "/no/such.yml"], &[], 1, "cannot be read"),
        ] {
            let stop = read(Program::Server, line, variables).unwrap_err();
            assert_eq!(stop.code(), code, "{line:?}");
            assert!(stop.to_string().contains(part), "{line:?}: {stop}");
        }
    }
}
