//! Names on the command line, any number of them, or `-` for those on standard input.

use std::io::Read as _;

use crate::commands::Failure;

/// The names as they are given; `-` stands for the words of standard input, from `#` to the end of a
/// line left out.
///
/// # Errors
/// Standard input that cannot be read.
pub(super) fn given(names: &[String]) -> Result<Vec<String>, Failure> {
    let mut given = Vec::new();
    for name in names {
        if name == "-" {
            given.extend(words(&standard_input()?));
        } else {
            given.push(name.clone());
        }
    }
    Ok(given)
}

/// As [`given`], for what may have blanks in it: `-` stands for the lines of standard input.
///
/// # Errors
/// Standard input that cannot be read.
pub(super) fn given_lines(texts: &[String]) -> Result<Vec<String>, Failure> {
    let mut given = Vec::new();
    for text in texts {
        if text == "-" {
            given.extend(lines(&standard_input()?));
        } else {
            given.push(text.clone());
        }
    }
    Ok(given)
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::fatal(format!("standard input: {error}")))?;
    Ok(text)
}

/// The lines that say something; a comment begins with `#` at the start or behind a blank, so that
/// fragments of URLs stay.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            let comment = line
                .match_indices('#')
                .map(|(position, _)| position)
                .find(|position| {
                    line[..*position].is_empty() || line[..*position].ends_with(char::is_whitespace)
                });
            line[..comment.unwrap_or(line.len())].trim()
        })
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

fn words(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_names_and_comments_are_not() {
        assert_eq!(words("a b # c\n#d\n\n e\n"), ["a", "b", "e"]);
    }

    #[test]
    fn lines_may_have_blanks_and_fragments() {
        assert_eq!(
            lines("a >= 1 # old\n\n  # none\nhttp://h.test/f#sha256=0\n"),
            ["a >= 1", "http://h.test/f#sha256=0"]
        );
    }
}
