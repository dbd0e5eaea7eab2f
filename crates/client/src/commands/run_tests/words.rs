//! Words as a shell tells them apart: `--tox-args`.

use crate::commands::Failure;

/// Splits a text at blanks; quotes hold together, a backslash takes the next character as it is.
pub(super) fn split(text: &str) -> Result<Vec<String>, Failure> {
    let unclosed = || Failure::usage("--tox-args: a quotation is not closed");
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        match character {
            '\\' => word.push(characters.next().ok_or_else(unclosed)?),
            '\'' => loop {
                match characters.next().ok_or_else(unclosed)? {
                    '\'' => break,
                    other => word.push(other),
                }
            },
            '"' => loop {
                match characters.next().ok_or_else(unclosed)? {
                    '"' => break,
                    '\\' => {
                        let next = characters.next().ok_or_else(unclosed)?;
                        if !matches!(next, '"' | '\\') {
                            word.push('\\');
                        }
                        word.push(next);
                    }
                    other => word.push(other),
                }
            },
            other => word.push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        for (text, words) in [
            ("", &[] as &[&str]),
            ("  -x  y\t", &["-x", "y"]),
            (r#"-c "a b" 'c "d'"#, &["-c", "a b", "c \"d"]),
            (r#"a\ b "" x"y"z "q\"\n""#, &["a b", "", "xyz", "q\"\\n"]),
            (r"'a\b'", &[r"a\b"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
        for open in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(split(open).is_err(), "{open}");
        }
    }
}
