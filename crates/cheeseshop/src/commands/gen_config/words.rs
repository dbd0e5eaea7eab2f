//! A command line as the formats of process managers spell it.
//!
//! Each format is spelled so that its reader finds the same words, or refused: a word that comes out as another
//! one would start another server.

use std::fmt::Write as _;
use std::path::Path;

use crate::failure::Failure;

/// Program and arguments, each as it is.
#[derive(Debug, Clone)]
pub(crate) struct Words(pub(crate) Vec<String>);

/// Whose file the words go into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Systemd,
    Supervisor,
    Crontab,
    Launchd,
    Windows,
}

impl Format {
    /// What people call it.
    const fn title(self) -> &'static str {
        match self {
            Self::Systemd => "a unit of systemd",
            Self::Supervisor => "a file of supervisord",
            Self::Crontab => "a crontab",
            Self::Launchd => "a property list",
            Self::Windows => "a command line of Windows",
        }
    }

    /// A word that cannot be told to this reader.
    fn refused(self, word: &str, reason: &str) -> Failure {
        Failure::could_not_try(format!(
            "`{}` cannot stand in {}: {reason}",
            word.escape_debug(),
            self.title()
        ))
        .with_hint("put it into a file of settings, or choose another name")
    }
}

impl Words {
    /// The program.
    pub(crate) fn program(&self) -> &Path {
        Path::new(self.0.first().map_or("", String::as_str))
    }

    /// Each word as it stands in such a file.
    pub(crate) fn spelled(&self, format: Format) -> Result<Vec<String>, Failure> {
        let words = self.0.iter().enumerate();
        let words: Vec<String> = words
            .map(|(place, word)| match format {
                Format::Systemd if place == 0 => systemd_program(word),
                Format::Systemd => Ok(systemd_word(&word.replace('$', "$$"))),
                Format::Supervisor => supervisor_word(word),
                Format::Crontab => crontab_word(word),
                Format::Launchd => xml_word(word),
                Format::Windows => windows_word(word),
            })
            .collect::<Result<_, _>>()?;
        // The end of one and the beginning of the next would be the name of a variable.
        if format == Format::Windows && words.concat().matches('%').count() > 1 {
            return Err(format.refused(&self.0.join(" "), "of `%` there can be one"));
        }
        Ok(words)
    }
}

/// systemd.service(5): double quotes, C escapes, `%` doubled.
fn systemd_word(word: &str) -> String {
    // Writing into a String cannot fail.
    let mut text = String::new();
    for letter in word.chars() {
        match letter {
            '%' => text.push_str("%%"),
            '\\' | '"' => text.extend(['\\', letter]),
            control if control.is_ascii_control() => {
                let _ = write!(text, "\\x{:02x}", u32::from(control));
            }
            letter => text.push(letter),
        }
    }
    if is_plain(&text) {
        text
    } else {
        format!("\"{text}\"")
    }
}

/// In the program alone `$` is no variable, and in its copy among the arguments it is.
fn systemd_program(word: &str) -> Result<String, Failure> {
    if word.contains('$') {
        return Err(Format::Systemd.refused(word, "the path of a program cannot have a `$`"));
    }
    Ok(systemd_word(word))
}

/// supervisord takes away comments, replaces `%(name)s`, and splits as a shell does.
fn supervisor_word(word: &str) -> Result<String, Failure> {
    if word.contains(char::is_control) {
        return Err(Format::Supervisor.refused(word, "it has no way to write control characters"));
    }
    // In files that are included, `%(here)s` is looked for before `%%` is.
    let mut text = shell_word(word).replace('%', "%%").replace("%(", "%''(");
    // A comment begins behind a blank, wherever that is.
    for blank in word.chars().filter(|letter| letter.is_whitespace()) {
        for comment in [';', '#'] {
            text = text.replace(&format!("{blank}{comment}"), &format!("{blank}''{comment}"));
        }
    }
    Ok(text)
}

/// A word of a line of a crontab: a shell, after cron has taken `%` for the end of the line.
pub(crate) fn crontab_word(word: &str) -> Result<String, Failure> {
    if word.contains(char::is_control) {
        return Err(Format::Crontab.refused(word, "it has no way to write control characters"));
    }
    if word.contains('\\') {
        return Err(Format::Crontab.refused(word, "what becomes of a `\\` depends on the cron"));
    }
    Ok(shell_word(word).replace('%', "\\%"))
}

fn xml_word(word: &str) -> Result<String, Failure> {
    let mut text = String::new();
    for letter in word.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(text, "&#{};", u32::from(letter));
            }
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                return Err(Format::Launchd.refused(word, "XML has no way to write this character"));
            }
            letter => text.push(letter),
        }
    }
    Ok(text)
}

/// Double quotes within another pair of them, which the command interpreter counts as well: what it gives
/// a meaning to outside of quotes it would find there.
fn windows_word(word: &str) -> Result<String, Failure> {
    let odd = |letter: char| letter.is_control() || "\"\\&|<>^!".contains(letter);
    if let Some(letter) = word.chars().find(|letter| odd(*letter)) {
        let reason = format!("`{}` has a meaning of its own there", letter.escape_debug());
        return Err(Format::Windows.refused(word, &reason));
    }
    Ok(if is_plain(word) {
        word.to_owned()
    } else {
        format!("\\\"{word}\\\"")
    })
}

/// One word for a shell.
pub(crate) fn shell_word(word: &str) -> String {
    if is_plain(word) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whether no format sees more in the word than its letters.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_./:=,@+%".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str], format: Format) -> Result<String, String> {
        let words = Words(words.iter().map(|word| (*word).to_owned()).collect());
        let spelled = words.spelled(format);
        spelled
            .map(|words| words.join(" "))
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn words_keep_their_meaning_in_every_format() {
        let words = ["shop", "--dir", "/my data", "--set=a$b%\"c'"];
        for (format, expected) in [
            (
                Format::Systemd,
                r#"shop --dir "/my data" "--set=a$$b%%\"c'""#,
            ),
            (
                Format::Supervisor,
                r#"shop --dir '/my data' '--set=a$b%%"c'\'''"#,
            ),
            (
                Format::Crontab,
                r#"shop --dir '/my data' '--set=a$b\%"c'\'''"#,
            ),
            (Format::Launchd, r#"shop --dir /my data --set=a$b%"c'"#),
        ] {
            assert_eq!(line(&words, format).as_deref(), Ok(expected));
        }
        assert_eq!(
            line(&["shop", "/my 100%"], Format::Windows).as_deref(),
            Ok(r#"shop \"/my 100%\""#)
        );
        let words = ["<a&b>", "a\tb\nc"];
        assert_eq!(
            line(&words, Format::Launchd).as_deref(),
            Ok("&lt;a&amp;b&gt; a&#9;b&#10;c")
        );
        let words = ["shop", "a\nb\\", "c ;d #e"];
        assert_eq!(
            line(&words, Format::Systemd).as_deref(),
            Ok(r#"shop "a\x0ab\\" "c ;d #e""#)
        );
        assert_eq!(
            line(&["shop", "c ;d\u{a0}#e%(here)s"], Format::Supervisor).as_deref(),
            Ok("shop 'c '';d\u{a0}''#e%%''(here)s'")
        );
    }

    #[test]
    fn what_a_format_cannot_say_is_refused() {
        for (format, word) in [
            (Format::Supervisor, "a\nb"),
            (Format::Supervisor, "a\u{85}b"),
            (Format::Crontab, "a\nb"),
            (Format::Crontab, "a\\%b"),
            (Format::Launchd, "a\x1bb"),
            (Format::Windows, "a\"b"),
            (Format::Windows, "a & b"),
            (Format::Windows, "a\\"),
            (Format::Windows, "%PATH%"),
        ] {
            let told = line(&["shop", word], format).unwrap_err();
            assert!(told.contains("cannot stand in"), "{told}");
            assert!(!told.contains('\x1b'), "{told}");
        }
        assert!(line(&["/a$b/shop"], Format::Systemd).is_err());
    }
}
