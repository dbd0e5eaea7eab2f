//! The one place that prints, asks, and knows whether a person is looking.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write};

use crate::Environment;
use crate::commands::Failure;

/// How a line looks on a terminal; never the only signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it is.
    Plain,
    /// Bold: what the command has to say.
    Bold,
    /// Red: trouble.
    Red,
    /// Yellow and bold: a warning.
    Yellow,
    /// Green: well.
    Green,
}

/// Where the lines of a command go. devpi-client says everything, errors too, on standard output,
/// and scripts read it there; what is new here keeps standard output for what was asked for.
pub(crate) struct Output {
    stdout: Box<dyn Write + Send>,
    stderr: Box<dyn Write + Send>,
    has_colour: bool,
    is_watched: bool,
    is_quiet: bool,
    /// What kept standard output from being written, as a full disk does.
    trouble: Option<std::io::Error>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Output").finish_non_exhaustive()
    }
}

impl Output {
    /// The standard output of this process. Colour: `PY_COLORS`, `NO_COLOR` and `TERM=dumb` decide,
    /// else whether it is a terminal.
    pub(crate) fn standard(environment: &Environment) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let has_colour = match environment.get("PY_COLORS") {
            Some("1") => true,
            Some("0") => false,
            _ => {
                is_terminal
                    && !environment.has("NO_COLOR")
                    && environment.get("TERM") != Some("dumb")
            }
        };
        Self {
            stdout: Box::new(std::io::stdout()),
            stderr: Box::new(std::io::stderr()),
            has_colour,
            is_watched: std::io::stderr().is_terminal() && environment.get("TERM") != Some("dumb"),
            is_quiet: false,
            trouble: None,
        }
    }

    /// Output that a test reads.
    #[cfg(test)]
    pub(crate) fn to(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>) -> Self {
        Self {
            stdout,
            stderr,
            has_colour: false,
            is_watched: false,
            is_quiet: false,
            trouble: None,
        }
    }

    /// Says no more than what was asked for: only [`Output::data`] and questions are shown.
    pub(crate) fn be_quiet(&mut self) {
        self.is_quiet = true;
    }

    /// Whether a person looks, who likes to see progress.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched && !self.is_quiet
    }

    /// Why not all that was said has been written, if so: whoever reads it goes on with a part.
    pub(crate) fn trouble(&self) -> Option<&std::io::Error> {
        self.trouble.as_ref()
    }

    fn write_out(&mut self, text: &str, is_line: bool) {
        if let Err(error) = write(&mut self.stdout, text, is_line) {
            self.trouble.get_or_insert(error);
        }
    }

    /// What cannot be told here cannot be told anywhere.
    fn write_error(&mut self, text: &str, is_line: bool) {
        let _ = write(&mut self.stderr, text, is_line);
    }

    /// A line of what was asked for, as it is: never styled, never left out, nothing replaced.
    pub(crate) fn data(&mut self, text: &str) {
        self.write_out(text, true);
    }

    /// A JSON text that was asked for, with nothing in it that would steer the terminal.
    pub(crate) fn json(&mut self, text: &str) {
        self.data(&escaped_json(text));
    }

    /// A line of devpi-client's without style.
    pub(crate) fn line(&mut self, text: &str) {
        self.styled(Style::Plain, text);
    }

    /// A line of devpi-client's: what it has to say.
    pub(crate) fn info(&mut self, text: &str) {
        self.styled(Style::Bold, text);
    }

    /// A warning.
    pub(crate) fn warn(&mut self, text: &str) {
        self.styled(Style::Yellow, text);
    }

    /// Trouble that does not end the command.
    pub(crate) fn error(&mut self, text: &str) {
        self.styled(Style::Red, text);
    }

    /// A line in a style, on standard output.
    pub(crate) fn styled(&mut self, style: Style, text: &str) {
        if self.is_quiet {
            return;
        }
        let text = printable(text);
        let escape = match style {
            _ if !self.has_colour => "",
            Style::Plain => "",
            Style::Bold => "\x1b[1m",
            Style::Red => "\x1b[31m",
            Style::Yellow => "\x1b[33m\x1b[1m",
            Style::Green => "\x1b[32m",
        };
        if escape.is_empty() {
            self.write_out(&text, true);
        } else {
            self.write_out(&format!("{escape}{text}\x1b[0m"), true);
        }
    }

    /// A line about the work, on standard error: for what is new here and talks beside its data.
    pub(crate) fn talk(&mut self, text: &str) {
        if !self.is_quiet {
            self.write_error(&printable(text), true);
        }
    }

    /// Shows a line in place of the one shown before, to a person only; an empty one ends that.
    pub(crate) fn passing(&mut self, text: &str) {
        if self.is_watched() {
            self.write_error(&format!("\r\x1b[K{}", printable(text)), false);
        }
    }

    /// The last words of a command that failed, on the stream of its kind of command.
    pub(crate) fn last_words(&mut self, failure: &Failure, on_stdout: bool) {
        if failure.message.is_empty() {
            return;
        }
        if on_stdout {
            self.is_quiet = false;
            self.styled(Style::Red, &failure.message);
        } else {
            let text = format!("error: {}", printable(&failure.message));
            self.write_error(&text, true);
        }
    }

    /// Asks for a line; the question goes to standard output. `None`: there is nobody to answer.
    pub(crate) fn ask(&mut self, question: &str) -> Option<String> {
        self.write_out(&printable(question), false);
        read_line()
    }

    /// Asks a question that is to be answered with `yes` or `no`.
    ///
    /// # Errors
    /// When there is nobody to answer.
    pub(crate) fn confirm(&mut self, question: &str, assume_yes: bool) -> Result<bool, Failure> {
        let question = format!("{question} (yes/no)? ");
        if assume_yes {
            self.info(&format!("{question}yes (autoset from -y option)"));
            return Ok(true);
        }
        loop {
            match self.ask(&question).as_deref() {
                Some("yes") => return Ok(true),
                Some("no") => return Ok(false),
                Some(other) => self.error(&format!("not a valid choice '{other}'")),
                None => {
                    return Err(Failure::fatal(
                        "nobody is there to answer: say -y to answer yes",
                    ));
                }
            }
        }
    }

    /// Asks for a password on the terminal, without showing it; without a terminal it is the next
    /// line of standard input.
    ///
    /// # Errors
    /// When there is nobody to answer.
    pub(crate) fn ask_password(&mut self, question: &str) -> Result<String, Failure> {
        let no_answer = |_| Failure::fatal("no password was given");
        if std::io::stdin().is_terminal() {
            return rpassword::prompt_password(question).map_err(no_answer);
        }
        // Standard output is for what scripts read.
        self.write_error(&printable(question), false);
        read_line().ok_or_else(|| Failure::fatal("no password was given"))
    }
}

/// The next line of standard input.
fn read_line() -> Option<String> {
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(answer.trim_end_matches(['\n', '\r']).to_owned()),
    }
}

/// A closed pipe means that nobody reads on, which is the reader's right.
fn write(stream: &mut dyn Write, text: &str, is_line: bool) -> std::io::Result<()> {
    let end = if is_line { "\n" } else { "" };
    let written = write!(stream, "{text}{end}").and_then(|()| stream.flush());
    written.or_else(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

/// Text of strangers (a server, a file) without what would steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            other if other.is_control() => '\u{fffd}',
            other => other,
        })
        .collect()
}

/// A JSON text with escapes for the control characters that JSON lets stand for themselves: DEL, and
/// those of C1, of which one begins a command to the terminal. It means the same.
pub fn escaped_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        // Only texts hold them; what is below them stands between values, or is escaped there already.
        if matches!(character, '\u{7f}'..='\u{9f}') {
            // Writing to a text cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_steer_the_terminal() {
        assert_eq!(
            printable("a\x1b[2Jb\nc\td\r"),
            "a\u{fffd}[2Jb\nc\td\u{fffd}"
        );
    }

    #[test]
    fn json_does_not_steer_the_terminal_and_means_the_same() {
        let document = serde_json::json!({
            "a\u{9b}2J": ["\u{7f}\u{80}\u{9f}\u{1b}\n", "~\u{a0}ü😀\\u009b\\\u{9b}"],
        });
        for text in [document.to_string(), format!("{document:#}")] {
            let escaped = escaped_json(&text);
            assert!(
                !escaped.contains(|it: char| it.is_control() && it != '\n'),
                "{escaped:?}"
            );
            assert!(escaped.contains("~\u{a0}ü😀"), "{escaped}");
            let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
            assert_eq!(read, document);
        }
    }

    #[test]
    fn a_full_disk_is_trouble_and_a_reader_that_goes_is_not() {
        struct Broken(std::io::ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        for (kind, is_trouble) in [
            (std::io::ErrorKind::StorageFull, true),
            (std::io::ErrorKind::BrokenPipe, false),
        ] {
            let mut output = Output::to(Box::new(Broken(kind)), Box::new(std::io::sink()));
            output.data("x");
            assert_eq!(output.trouble().is_some(), is_trouble, "{kind}");
        }
    }
}
