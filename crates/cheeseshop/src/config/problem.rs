//! What is wrong with a setting, and the near miss it probably was.

use std::fmt;

use super::layers::Origin;

/// One thing wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// The key as it was written; empty when a whole file is wrong.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(formatter, "{}: {}", self.origin, self.message)
        } else {
            write!(
                formatter,
                "{}: `{}`: {}",
                self.origin, self.key, self.message
            )
        }
    }
}

/// All problems in one text, one a line under a headline.
pub(crate) fn listing(problems: &[Problem]) -> String {
    use std::fmt::Write as _;

    let mut text = if problems.len() == 1 {
        "one problem in the settings:".to_owned()
    } else {
        format!("{} problems in the settings:", problems.len())
    };
    for problem in problems {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {problem}");
    }
    text
}

/// The known word nearest to `word`, when it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // At most a third of the letters may differ; two for short words (a swap counts as one).
    let most = (word.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_and_far_ones_are_not() {
        let known = ["server.listen", "server.outside_url", "log.format"];
        let cases = [
            ("server.lsiten", Some("server.listen")),
            ("server.outside-url", Some("server.outside_url")),
            ("sever.listen", Some("server.listen")),
            ("log.fromat", Some("log.format")),
            ("something.else", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
