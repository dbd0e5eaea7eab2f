//! What somebody looks for.

use cheeseshop_domain::IndexName;
use cheeseshop_packaging::name::normalize;

/// More words than anybody types; the rest is not looked at.
const MAX_WORDS: usize = 16;

/// Longer than any name.
const MAX_WORD_BYTES: usize = 256;

/// Words to be found in names of projects, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Normalized.
    words: Vec<String>,
    /// Whether one of the words is enough.
    any: bool,
    user: Option<String>,
    index: Option<String>,
}

/// How well a name fits; better is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Same,
    Start,
    Within,
}

impl Query {
    /// Reads what somebody has typed: words, all of which must occur in the name, and of devpi-web's
    /// fields `name:`, `user:` and `index:`. Stars at the end of a word mean nothing, for every word
    /// is looked for anywhere in a name.
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for word in text.split_whitespace() {
            match word.split_once(':') {
                Some(("user", user)) => query.user = Some(user.to_owned()),
                Some(("index", index)) => query.index = Some(index.to_owned()),
                Some(("name", name)) => query.push(name),
                _ => query.push(word),
            }
        }
        query
    }

    /// Names that hold all of these words.
    pub fn all_of<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> Self {
        let mut query = Self::default();
        for word in words {
            query.push(word.as_ref());
        }
        query
    }

    /// Names that hold one of these words.
    pub fn any_of<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> Self {
        Self {
            any: true,
            ..Self::all_of(words)
        }
    }

    fn push(&mut self, word: &str) {
        // What is no letter and no digit stands for a dash, and counts between others only.
        let word = normalize(word);
        let word = word.trim_matches('-').to_owned();
        if !word.is_empty()
            && word.len() <= MAX_WORD_BYTES
            && self.words.len() < MAX_WORDS
            && !self.words.contains(&word)
        {
            self.words.push(word);
        }
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// What every name that fits holds: letters, digits and `-`, for words are normalized. `None` when
    /// nothing is looked for.
    pub(super) fn part_of_all(&self) -> Option<&str> {
        if self.any && self.words.len() > 1 {
            return Some("");
        }
        let longest = self.words.iter().max_by_key(|word| word.len());
        longest.map(String::as_str)
    }

    /// Whether projects of this index are looked for.
    pub(super) fn covers(&self, index: &IndexName) -> bool {
        self.user
            .as_deref()
            .is_none_or(|user| user == index.user.as_str())
            && self
                .index
                .as_deref()
                .is_none_or(|name| name == &*index.index)
    }

    /// Whether a normalized name fits, and how well.
    pub(super) fn rank(&self, name: &str) -> Option<Rank> {
        let is_in = |word: &String| name.contains(word.as_str());
        let fits = if self.any {
            self.words.iter().any(is_in)
        } else {
            !self.words.is_empty() && self.words.iter().all(is_in)
        };
        fits.then(|| {
            if self.words.iter().any(|word| word == name) {
                Rank::Same
            } else if self
                .words
                .iter()
                .any(|word| name.starts_with(word.as_str()))
            {
                Rank::Start
            } else {
                Rank::Within
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_a_whole_at_their_start_or_anywhere() {
        for (query, name, expected) in [
            ("flask", "flask", Some(Rank::Same)),
            ("Flask*", "flask-login", Some(Rank::Start)),
            ("My_Pkg", "my-pkg", Some(Rank::Same)),
            ("log fla", "flask-login", Some(Rank::Start)),
            ("log", "flask-login", Some(Rank::Within)),
            ("log django", "flask-login", None),
            ("name:flask user:bob", "flask", Some(Rank::Same)),
            ("", "flask", None),
            ("user:bob", "flask", None),
        ] {
            assert_eq!(Query::parse(query).rank(name), expected, "{query}");
        }
        let any = Query::any_of(["django", "log"]);
        assert_eq!(any.rank("flask-login"), Some(Rank::Within));
        assert_eq!(Query::any_of([""; 0]).rank("flask"), None);
    }

    #[test]
    fn what_all_names_share_means_nothing_else_in_a_pattern() {
        for (query, expected) in [
            (Query::parse("log flask"), Some("flask")),
            (Query::parse("100%_"), Some("100")),
            (Query::parse("a\\_b'%c"), Some("a-b-c")),
            (Query::parse("% _ '"), None),
            (Query::any_of(["django", "flask"]), Some("")),
            (Query::any_of(["flask", "*"]), Some("flask")),
            (Query::parse(""), None),
        ] {
            assert_eq!(query.part_of_all(), expected, "{query:?}");
        }
    }

    #[test]
    fn long_queries_are_cut_off() {
        let words: Vec<String> = (0..100).map(|number| format!("w{number}")).collect();
        assert_eq!(Query::parse(&words.join(" ")).words.len(), MAX_WORDS);
        assert!(Query::parse(&"x".repeat(MAX_WORD_BYTES + 1)).is_empty());
    }
}
