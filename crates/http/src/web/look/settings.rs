//! `[web]`: the theme and the texts of the pages for people.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};
use url::Url;

/// The name of a site that has none of its own.
pub(crate) const DEFAULT_TITLE: &str = "Cheeseshop";

const MAX_TITLE: usize = 100;
const MAX_FOOTER: usize = 500;
const MAX_LABEL: usize = 100;
const MAX_LINKS: usize = 20;

/// How the pages for people look.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSettings {
    /// The directory of the theme.
    pub theme: Option<PathBuf>,
    /// The name of the site.
    pub title: String,
    /// A line at the end of every page.
    pub footer: String,
    /// Links at the end of every page, as `LABEL URL`.
    #[serde(deserialize_with = "links")]
    pub links: Vec<WebLink>,
}

/// A link that the operator has chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebLink {
    /// What it is called.
    pub label: String,
    /// Where it leads.
    pub url: Url,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            theme: None,
            title: DEFAULT_TITLE.to_owned(),
            footer: String::new(),
            links: Vec::new(),
        }
    }
}

impl WebSettings {
    /// Everything that is wrong with these settings, one sentence each; empty when all is well.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.title.trim().is_empty() {
            problems.push("`title` must not be empty".to_owned());
        }
        for (name, text, most) in [
            ("title", &self.title, MAX_TITLE),
            ("footer", &self.footer, MAX_FOOTER),
        ] {
            if text.chars().count() > most {
                problems.push(format!("`{name}` has more than {most} characters"));
            }
            if text.chars().any(char::is_control) {
                problems.push(format!(
                    "`{name}` must be one line without control characters"
                ));
            }
        }
        if self.links.len() > MAX_LINKS {
            problems.push(format!("`links` has more than {MAX_LINKS} links"));
        }
        problems
    }
}

impl WebLink {
    /// Reads `LABEL URL`: the URL is the last word.
    fn read(text: &str) -> Result<Self, String> {
        let wrong = |reason: &str| Err(format!("a link must be `LABEL URL`: {reason}"));
        let Some((label, url)) = text.trim().rsplit_once(char::is_whitespace) else {
            return wrong("one of the two is missing");
        };
        let label = label.trim();
        if label.chars().count() > MAX_LABEL || label.chars().any(char::is_control) {
            return wrong("the label is too long or has control characters");
        }
        // What it is is not repeated: it may hold a password.
        match Url::parse(url) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
                wrong("the last word is no http or https URL")
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                wrong("a URL that everybody sees must not contain credentials")
            }
            Ok(url) => Ok(Self {
                label: label.to_owned(),
                url,
            }),
            Err(error) => wrong(&format!("the last word is no URL ({error})")),
        }
    }
}

fn links<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<WebLink>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| WebLink::read(text).map_err(de::Error::custom))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_label_and_a_url_of_the_web() {
        let link = WebLink::read(" Help desk\thttps://help.example/a?b=c ").unwrap();
        assert_eq!(link.label, "Help desk");
        assert_eq!(link.url.as_str(), "https://help.example/a?b=c");
        for (text, part) in [
            ("https://help.example/", "one of the two is missing"),
            ("Help", "one of the two is missing"),
            ("", "one of the two is missing"),
            ("Help help.example", "no URL"),
            ("Help javascript:alert(1)", "no http or https"),
            ("Help data:text/html,x", "no http or https"),
            ("Help mailto:a@help.example", "no http or https"),
            ("Help //help.example/", "no URL"),
            ("Help https://me:hunter2@help.example/", "credentials"),
            ("He\u{7}lp https://help.example/", "control characters"),
        ] {
            let error = WebLink::read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn texts_are_single_lines_of_bounded_length() {
        assert!(WebSettings::default().problems().is_empty());
        let settings = WebSettings {
            title: " ".to_owned(),
            footer: format!("a\nb{}", "ü".repeat(500)),
            links: vec![WebLink::read("a http://a.example").unwrap(); 21],
            ..WebSettings::default()
        };
        assert_eq!(
            settings.problems(),
            [
                "`title` must not be empty",
                "`footer` has more than 500 characters",
                "`footer` must be one line without control characters",
                "`links` has more than 20 links",
            ]
        );
    }
}
