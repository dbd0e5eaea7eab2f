//! A command line as the formats of process managers spell it.

use std::path::Path;

/// Program and arguments, each as it is.
#[derive(Debug, Clone)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    /// The program.
    pub(crate) fn program(&self) -> &Path {
        Path::new(self.0.first().map_or("", String::as_str))
    }

    /// systemd.service(5): double quotes, C escapes, `%` and `$` doubled.
    pub(crate) fn for_systemd(&self) -> String {
        self.joined(|word| {
            let word = word.replace('%', "%%").replace('$', "$$");
            let word = word.replace('\\', "\\\\").replace('"', "\\\"");
            if is_plain(&word) {
                word
            } else {
                format!("\"{word}\"")
            }
        })
    }

    /// supervisord splits as a shell does, after replacing `%(name)s`.
    pub(crate) fn for_supervisor(&self) -> String {
        self.joined(|word| shell_word(word).replace('%', "%%"))
    }

    /// A shell, after cron has taken `%` for the end of the line.
    pub(crate) fn for_crontab(&self) -> String {
        self.joined(crontab_word)
    }

    /// Windows: double quotes; within another pair of them, so each is escaped.
    pub(crate) fn for_windows(&self) -> String {
        self.joined(|word| {
            if is_plain(word) {
                word.to_owned()
            } else {
                format!("\\\"{}\\\"", word.replace('"', "'"))
            }
        })
    }

    /// Each word on its own, for XML.
    pub(crate) fn for_xml(&self) -> Vec<String> {
        let escaped = |word: &String| {
            word.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        };
        self.0.iter().map(escaped).collect()
    }

    fn joined(&self, quoted: impl Fn(&str) -> String) -> String {
        let words: Vec<String> = self.0.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }
}

/// A word of a line of a crontab.
pub(crate) fn crontab_word(word: &str) -> String {
    shell_word(word).replace('%', "\\%")
}

fn shell_word(word: &str) -> String {
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

    #[test]
    fn words_keep_their_meaning_in_every_format() {
        let words = ["shop", "--dir", "/my data", "--set=a$b%\"c'"];
        let words = Words(words.map(str::to_owned).to_vec());
        assert_eq!(
            words.for_systemd(),
            r#"shop --dir "/my data" "--set=a$$b%%\"c'""#
        );
        assert_eq!(
            words.for_supervisor(),
            r#"shop --dir '/my data' '--set=a$b%%"c'\'''"#
        );
        assert_eq!(
            words.for_crontab(),
            r#"shop --dir '/my data' '--set=a$b\%"c'\'''"#
        );
        let words = Words(vec!["<a&b>".to_owned()]);
        assert_eq!(words.for_xml(), ["&lt;a&amp;b&gt;"]);
    }
}
