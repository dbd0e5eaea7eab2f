//! What is wrong with the files of `[tls]`, each with a way out.

use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;

use crate::failure::Failure;

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    what: String,
    hint: String,
}

impl Trouble {
    /// A trouble of the file that a setting names.
    pub(super) fn of(setting: &str, file: &Path, what: impl fmt::Display, hint: &str) -> Self {
        Self {
            what: format!("`{setting}`: {} {what}", file.display()),
            hint: hint.to_owned(),
        }
    }

    pub(super) fn unreadable(setting: &str, file: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "the user that runs the server has to be able to read it and to enter its directory"
            }
            _ => "name a file in PEM, as `openssl` and certificate authorities write it",
        };
        let what = format!("cannot be read: {error}");
        Self::of(setting, file, what, hint)
    }

    #[cfg(test)]
    pub(super) fn what(&self) -> &str {
        &self.what
    }
}

/// All of them as one message.
pub(super) fn failure(troubles: &[Trouble]) -> Failure {
    match troubles {
        [only] => Failure::could_not_try(only.what.clone()).with_hint(only.hint.clone()),
        several => {
            let mut text = format!("{} problems with the files of [tls]:", several.len());
            for trouble in several {
                // Writing to a string cannot fail.
                let _ = write!(text, "\n  {} ({})", trouble.what, trouble.hint);
            }
            Failure::could_not_try(text)
        }
    }
}
