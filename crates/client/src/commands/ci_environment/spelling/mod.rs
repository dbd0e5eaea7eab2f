//! How variables are written down, one file a format.
//!
//! A new format: a file beside this one, a variant here, a test with its real reader.

mod dotenv;
mod fish;
mod json;
mod lines;
mod powershell;
mod sh;

use std::path::Path;

use clap::ValueEnum;

use crate::Environment;
use crate::commands::ci_environment::setting::Setting;

/// A shell whose code is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::commands) enum Shell {
    /// bash, zsh, dash and every other shell of the POSIX family.
    #[value(alias = "bash", alias = "zsh", alias = "dash", alias = "ksh")]
    Sh,
    /// fish.
    Fish,
    /// PowerShell.
    #[value(name = "powershell", alias = "pwsh")]
    Power,
}

/// A file of variables that something else than a shell reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FileFormat {
    /// `.env`: quoted where it has to be.
    Dotenv,
    /// What a GitHub workflow appends to `$GITHUB_ENV`.
    Github,
    /// A dotenv report of a GitLab job.
    Gitlab,
    /// Lines for the step `withEnv` of a Jenkins pipeline.
    Jenkins,
    /// An object of names and values; `null` for what is to be unset.
    Json,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Shell(Shell),
    File(FileFormat),
}

impl Shell {
    /// The shell that a program name or path means; those that are not known are taken for `sh`.
    pub(super) fn of_program(program: &str) -> Self {
        // A login shell's name begins with a dash.
        let name = program.rsplit('/').next().unwrap_or_default();
        match name.trim_start_matches('-') {
            "fish" => Self::Fish,
            "pwsh" | "powershell" => Self::Power,
            _ => Self::Sh,
        }
    }

    /// The shell that reads what is printed: the one that started us when it is known, else the
    /// user's. A script for bash may well be started by somebody who uses fish.
    pub(super) fn guessed(parent: Option<&str>, environment: &Environment) -> Self {
        const KNOWN: &[&str] = &[
            "ash", "bash", "dash", "fish", "ksh", "mksh", "pwsh", "sh", "zsh",
        ];
        parent
            .filter(|parent| KNOWN.contains(parent))
            .or_else(|| environment.get("SHELL"))
            .map_or(Self::Sh, Self::of_program)
    }

    /// The end of the name of a file of this shell.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Fish => "fish",
            Self::Power => "ps1",
        }
    }

    /// A statement for each variable.
    pub(super) fn statements(self, settings: &[Setting]) -> String {
        settings
            .iter()
            .map(|setting| match (self, setting.exposed()) {
                (Self::Sh, Some(value)) => sh::set(setting.name, value),
                (Self::Sh, None) => sh::unset(setting.name),
                (Self::Fish, Some(value)) => fish::set(setting.name, value),
                (Self::Fish, None) => fish::unset(setting.name),
                (Self::Power, Some(value)) => powershell::set(setting.name, value),
                (Self::Power, None) => powershell::unset(setting.name),
            })
            .collect()
    }

    /// A statement that runs a file whose lines must not be seen in a trace.
    pub(super) fn run_unseen(self, file: &Path) -> String {
        let file = file.to_string_lossy();
        match self {
            Self::Sh => sh::run_unseen(&file),
            Self::Fish => fish::run_unseen(&file),
            Self::Power => powershell::run_unseen(&file),
        }
    }

    /// A statement that fails: `eval "$(…)"` would otherwise go on as if nothing had happened, with
    /// whatever index was set before.
    pub(in crate::commands) fn failing(self) -> &'static str {
        match self {
            Self::Sh | Self::Fish => "false;",
            Self::Power => "throw 'cheeseshop env failed'",
        }
    }
}

impl FileFormat {
    /// The text of the file.
    ///
    /// # Errors
    /// What the format cannot say.
    pub(super) fn text(self, settings: &[Setting]) -> Result<String, String> {
        match self {
            Self::Dotenv => dotenv::text(settings),
            Self::Github => Ok(lines::text(settings)),
            Self::Gitlab => {
                no_secrets(settings, "a GitLab report is shown to whoever sees the job")?;
                lines::trimmed(settings)
            }
            Self::Jenkins => {
                no_secrets(
                    settings,
                    "`withEnv` hides nothing in the log: bind secrets by `withCredentials`",
                )?;
                // `withEnv` puts other variables in place of `$NAME`.
                Ok(lines::text(settings).replace('$', "$$"))
            }
            Self::Json => Ok(json::text(settings)),
        }
    }
}

fn no_secrets(settings: &[Setting], reason: &str) -> Result<(), String> {
    match settings.iter().find(|setting| setting.is_secret()) {
        None => Ok(()),
        Some(setting) => Err(format!("{} would hold a secret: {reason}", setting.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_that_reads_counts_more_than_the_users() {
        let of = |shell: &str| Environment::of(&[("SHELL", shell)], Path::new("/"));
        for (parent, shell, expected) in [
            (None, "/usr/bin/fish", Shell::Fish),
            (None, "/bin/zsh", Shell::Sh),
            (None, "", Shell::Sh),
            (Some("bash"), "/usr/bin/fish", Shell::Sh),
            (Some("fish"), "/bin/bash", Shell::Fish),
            (Some("make"), "/usr/bin/fish", Shell::Fish),
            (Some("pwsh"), "/bin/bash", Shell::Power),
        ] {
            assert_eq!(
                Shell::guessed(parent, &of(shell)),
                expected,
                "{parent:?} {shell}"
            );
        }
        assert_eq!(Shell::of_program("-fish"), Shell::Fish);
    }

    #[test]
    fn jenkins_puts_no_other_variable_into_a_value() {
        let settings = [Setting::text("A", "/w/$HOME/${x}")];
        assert_eq!(
            FileFormat::Jenkins.text(&settings).unwrap(),
            "A=/w/$$HOME/$${x}\n"
        );
    }

    #[test]
    fn secrets_do_not_go_where_others_read() {
        let settings = [Setting::secret("TWINE_PASSWORD", "hunter2")];
        for format in [FileFormat::Gitlab, FileFormat::Jenkins] {
            let error = format.text(&settings).unwrap_err();
            assert!(error.starts_with("TWINE_PASSWORD would hold"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
