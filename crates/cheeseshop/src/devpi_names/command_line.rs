//! The command line of a program: made from the table, read by clap, refused in devpi's words.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::option::{DevpiOption, Takes, Written};
use super::program::Program;
use super::reading::Given;
use super::stop::Stop;
use super::table::OPTIONS;
use crate::config::Origin;

/// The one option of ours: any setting.
const SET: &str = "set";

/// The command line as clap has read it.
pub(super) struct CommandLine(ArgMatches);

impl CommandLine {
    pub(super) fn parse(
        program: Program,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Stop> {
        let words = std::iter::once(OsString::from(program.name())).chain(arguments);
        command(program)
            .try_get_matches_from(words)
            .map(Self)
            .map_err(|error| usage(program, error))
    }

    /// An option that was given.
    pub(super) fn find(&self, option: &'static DevpiOption) -> Option<Given> {
        let text = match option.takes {
            Takes::Nothing => self.0.get_flag(option.name).then(|| "true".to_owned())?,
            Takes::Many(_) => {
                let values: Vec<&String> = self.0.get_many(option.name)?.collect();
                values
                    .into_iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(",")
            }
            Takes::Text(_) | Takes::Number(_) | Takes::OneOf(_) => {
                self.0.get_one::<String>(option.name)?.clone()
            }
        };
        Some(Given {
            option,
            origin: Origin::Flag(option.flag()),
            written: Written {
                text,
                settings: Vec::new(),
            },
        })
    }

    /// The file that is named.
    pub(super) fn config_file(&self) -> Option<&str> {
        self.0.get_one::<String>("configfile").map(String::as_str)
    }

    /// What stands beside the options.
    pub(super) fn positional(&self, program: Program) -> Option<String> {
        let positional = program.positional()?;
        self.0.get_one::<String>(positional.name).cloned()
    }

    /// `--set SECTION.KEY=VALUE`, each.
    pub(super) fn set(&self) -> Vec<String> {
        let values = self.0.get_many::<String>(SET);
        values.map_or_else(Vec::new, |values| values.cloned().collect())
    }
}

/// The command line of a program.
fn command(program: Program) -> Command {
    let options = OPTIONS
        .iter()
        .filter(|option| option.is_of(program))
        .map(argument);
    let set = Arg::new(SET)
        .long(SET)
        .value_name("SECTION.KEY=VALUE")
        .action(ArgAction::Append)
        .help("Any setting of Cheeseshop; may be repeated");
    let positional = program.positional().map(|positional| {
        Arg::new(positional.name)
            .value_name(positional.name)
            .help(positional.help)
            .required(positional.is_required)
    });
    Command::new(program.name())
        .about(program.about())
        .disable_version_flag(true)
        // As Python's argparse: `--server DIR` will do, and the last of two wins.
        .infer_long_args(true)
        .args_override_self(true)
        .max_term_width(100)
        .args(options)
        .arg(set)
        .args(positional)
}

fn argument(option: &'static DevpiOption) -> Arg {
    let choices = match option.takes {
        Takes::OneOf(words) => format!(": {}", words.join(", ")),
        _ => String::new(),
    };
    let help = format!("{}{choices}", option.help);
    let argument = Arg::new(option.name)
        .long(option.name)
        .long_help(format!("{help}.\n\nHere: {}", option.meaning))
        .help(help)
        .hide(option.is_hidden);
    let argument = if option.name == "configfile" {
        argument.short('c')
    } else {
        argument
    };
    match option.takes {
        Takes::Nothing => argument.action(ArgAction::SetTrue),
        Takes::Text(name) | Takes::Number(name) => argument.value_name(name),
        Takes::OneOf(_) => argument.value_name("WORD"),
        Takes::Many(name) => argument.value_name(name).action(ArgAction::Append),
    }
}

/// What clap could not read, in the words that devpi's users and their tools know.
fn usage(program: Program, error: clap::Error) -> Stop {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return Stop::Help(error);
    }
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        return Stop::usage(program, &format!("unrecognized arguments: {argument}"));
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // What follows is usage and advice of clap's.
    let message = text.split("\n\n").next().unwrap_or(text);
    Stop::usage(program, message.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_are_consistent() {
        for program in Program::ALL {
            command(*program).debug_assert();
        }
    }
}
