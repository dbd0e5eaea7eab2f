//! The ends of devpi's programs that are no success.

use std::fmt;
use std::process::ExitCode;

use super::program::Program;
use crate::failure::Failure;
use crate::output;

/// Why a program ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The help was asked for; nothing went wrong.
    Help(clap::Error),
    /// The command line makes no sense: code 2.
    Usage(String),
    /// The configuration file has the wrong shape: code 4.
    ConfigFile(String),
    /// What was asked for cannot be done: code 1, whatever it is elsewhere.
    Fatal(Failure),
}

impl Stop {
    /// A command line that makes no sense.
    pub(super) fn usage(program: Program, message: &str) -> Self {
        let name = program.name();
        Self::Usage(format!(
            "{name}: error: {message}\nhint: `{name} --help` lists the options"
        ))
    }

    /// Something that cannot be done.
    pub(super) fn fatal(message: impl Into<String>) -> Self {
        Self::Fatal(Failure::answer_is_no(message))
    }

    /// The same as trouble of ours, for the log.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Fatal(failure) => failure,
            other => Failure::could_not_try(other.to_string()),
        }
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Help(_) => 0,
            Self::Usage(_) => 2,
            Self::ConfigFile(_) => 4,
            Self::Fatal(_) => 1,
        }
    }

    /// Says it, and how the process has to end.
    pub(super) fn report(self) -> ExitCode {
        match &self {
            Self::Help(text) => {
                // A reader that went away is no error.
                let _ = text.print();
            }
            Self::Usage(_) | Self::ConfigFile(_) | Self::Fatal(_) => {
                output::talk(&self.to_string());
            }
        }
        ExitCode::from(self.code())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Fatal(failure)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help(text) => text.fmt(formatter),
            Self::Usage(text) | Self::ConfigFile(text) => formatter.write_str(text),
            Self::Fatal(failure) => formatter.write_str(&failure.titled("fatal")),
        }
    }
}
