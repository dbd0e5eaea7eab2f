//! `NAME=value` lines without any quoting, for GitHub, GitLab and Jenkins. They know no way to unset
//! a variable; an empty one means the same to the tools.

use std::fmt::Write as _;

use crate::commands::ci_environment::setting::Setting;

pub(super) fn text(settings: &[Setting]) -> String {
    let mut text = String::new();
    for setting in settings {
        let value = setting.exposed().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}={value}", setting.name);
    }
    text
}

/// The same for readers that cut blanks off at both ends.
///
/// # Errors
/// A value with blanks there.
pub(super) fn trimmed(settings: &[Setting]) -> Result<String, String> {
    for setting in settings {
        let value = setting.exposed().unwrap_or_default();
        if value != value.trim() {
            return Err(format!(
                "the value of {} begins or ends with a blank, which the reader would cut off",
                setting.name
            ));
        }
    }
    Ok(text(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_they_are() {
        let settings = [Setting::text("A", "it's \"$x\" = #1"), Setting::unset("B")];
        assert_eq!(text(&settings), "A=it's \"$x\" = #1\nB=\n");
        assert!(trimmed(&settings).is_ok());
        assert!(trimmed(&[Setting::text("A", "/w ")]).is_err());
    }
}
