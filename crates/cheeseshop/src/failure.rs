//! How a command ends that did not do what was asked.

use std::fmt;
use std::process::ExitCode;

use cheeseshop_domain::error_chain;

use crate::output;

/// What the exit code tells a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 1: the command ran, and its answer is no.
    AnswerIsNo,
    /// 2: the command could not try.
    CouldNotTry,
}

/// One clear message and a way out of the trouble.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// The command could not try what was asked.
    pub(crate) fn could_not_try(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::CouldNotTry,
            message: message.into(),
            hint: None,
        }
    }

    /// The command found out that the answer is no.
    pub(crate) fn answer_is_no(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::AnswerIsNo,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Could not try, because of `error` and all that caused it.
    pub(crate) fn caused_by(what: &str, error: &dyn std::error::Error) -> Self {
        Self::could_not_try(format!("{what}: {}", error_chain(error)))
    }

    /// The trouble itself is what was asked for: the answer is no.
    #[must_use]
    pub(crate) fn into_answer(mut self) -> Self {
        self.exit = Exit::AnswerIsNo;
        self
    }

    /// The message behind a title of its own, and the hint.
    pub(crate) fn titled(&self, title: &str) -> String {
        let mut text = format!("{title}: {}", self.message);
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }

    /// Prints the message and says how the process has to end.
    pub(crate) fn report(&self) -> ExitCode {
        output::talk(&self.to_string());
        match self.exit {
            Exit::AnswerIsNo => ExitCode::from(1),
            Exit::CouldNotTry => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.titled("error"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_has_its_own_line() {
        let failure = Failure::could_not_try("no").with_hint("yes");
        assert_eq!(failure.to_string(), "error: no\nhint: yes");
    }
}
