//! What an option of devpi's is, and what becomes of it here.

use std::fmt;

use super::program::Program;

/// An option of devpi's programs.
#[derive(Debug)]
pub(super) struct DevpiOption {
    /// The long name, without dashes; also the key in the YAML file.
    pub(super) name: &'static str,
    /// What follows it.
    pub(super) takes: Takes,
    /// The programs that have it.
    pub(super) programs: &'static [Program],
    /// What becomes of it here.
    pub(super) meaning: Meaning,
    /// What it is for, in a few words.
    pub(super) help: &'static str,
    /// Whether the help leaves it out.
    pub(super) is_hidden: bool,
}

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing: it is given or not.
    Nothing,
    /// A text; this stands for it in the help.
    Text(&'static str),
    /// A whole number.
    Number(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text, and the option may be repeated.
    Many(&'static str),
}

/// What becomes of an option here.
#[derive(Debug)]
pub(super) enum Meaning {
    /// It sets a setting of ours.
    Sets {
        key: &'static str,
        translate: Translate,
    },
    /// The program itself does what is said here.
    Does(&'static str),
    /// Nothing, for this reason. The program says so when the option is given.
    Nothing(&'static str),
    /// It is refused: why, and the way out.
    Refused {
        reason: &'static str,
        way_out: &'static str,
    },
}

/// Makes a setting's value out of an option's; `None` leaves the setting alone. The error is the
/// end of a sentence that begins with the option.
pub(super) type Translate = fn(&Written) -> Result<Option<String>, String>;

/// The value of an option as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// The text; `true` or `false` for an option that takes nothing; parted by commas when there
    /// are several.
    pub(super) text: String,
    /// The other keys of a YAML mapping, whose `name` then is the text.
    pub(super) settings: Vec<(String, String)>,
}

impl fmt::Display for Meaning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sets { key, .. } => write!(formatter, "sets `{key}`"),
            Self::Does(what) => formatter.write_str(what),
            Self::Nothing(reason) => write!(formatter, "no effect: {reason}"),
            Self::Refused { reason, way_out } => {
                write!(formatter, "refused: {reason}; {way_out}")
            }
        }
    }
}

impl DevpiOption {
    /// As it is written on the command line.
    pub(super) fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// The environment variable that stands for it.
    pub(super) fn variable(&self) -> String {
        format!(
            "DEVPISERVER_{}",
            self.name.replace('-', "_").to_ascii_uppercase()
        )
    }

    pub(super) fn is_of(&self, program: Program) -> bool {
        self.programs.contains(&program)
    }
}

/// The text as it is.
#[expect(clippy::unnecessary_wraps, reason = "one of several translations")]
pub(super) fn as_it_is(written: &Written) -> Result<Option<String>, String> {
    Ok(Some(written.text.clone()))
}

/// Reads a truth value as devpi's configuration spells it.
pub(super) fn is_true(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The value of an option that takes nothing as `true` or `false`; any other as it is.
pub(super) fn truth_or_text(option: &DevpiOption, text: &str) -> Option<String> {
    match option.takes {
        Takes::Nothing => is_true(text).map(|flag| flag.to_string()),
        Takes::Text(_) | Takes::Number(_) | Takes::OneOf(_) | Takes::Many(_) => {
            Some(text.to_owned())
        }
    }
}
