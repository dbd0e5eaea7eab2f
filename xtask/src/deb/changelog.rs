//! The news of the project in Debian's forms: `changelog` tells all, `NEWS` what an upgrade breaks.
//!
//! They come from `changes/` (not yet released) and `CHANGELOG.md` (released, a heading `## VERSION` each).

use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// The widest line.
const WIDTH: usize = 78;

/// The kinds of news in the order in which they matter.
const KINDS: &[(&str, &str)] = &[
    ("breaking", "Breaking: "),
    ("security", "Security: "),
    ("deprecation", "Deprecated: "),
    ("feature", ""),
    ("fix", "Fixed: "),
];

/// The news of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// In Debian's spelling.
    pub(super) version: String,
    /// In the order in which they are told.
    pub(super) items: Vec<String>,
}

impl Entry {
    fn breaking(&self) -> Vec<String> {
        let (_, prefix) = KINDS[0];
        let items = self.items.iter().filter(|item| item.starts_with(prefix));
        items.cloned().collect()
    }
}

/// Who signs, and when.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) maintainer: String,
    /// As RFC 5322 writes it.
    pub(super) date: String,
}

/// What is news since the newest release: the files in `changes/`.
pub(super) fn unreleased(folder: &Path, version: &str) -> Result<Entry> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = name.strip_suffix(".md") else {
            continue;
        };
        if stem == "README" {
            continue;
        }
        let kind = stem.rsplit_once('.').map_or("", |(_, kind)| kind);
        let Some(rank) = KINDS.iter().position(|(known, _)| *known == kind) else {
            bail!("{name}: no kind of news; see changes/README.md");
        };
        let text = std::fs::read_to_string(&path).with_context(|| name.to_string())?;
        found.push((rank, name.into_owned(), text));
    }
    found.sort();
    let items = found
        .into_iter()
        .map(|(rank, _, text)| format!("{}{}", KINDS[rank].1, joined(&text)))
        .collect();
    Ok(Entry {
        version: version.to_owned(),
        items,
    })
}

/// What `CHANGELOG.md` tells: a heading `## VERSION` (what follows on the line is for people) with a list.
pub(super) fn released(markdown: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in markdown.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let version = heading.split_whitespace().next().unwrap_or_default();
            entries.push(Entry {
                version: super::source::debian_version(version.trim_matches(['[', ']'])),
                items: Vec::new(),
            });
        } else if let Some(entry) = entries.last_mut() {
            if let Some(item) = line.strip_prefix("- ").or(line.strip_prefix("* ")) {
                entry.items.push(item.trim().to_owned());
            } else if line.starts_with(' ')
                && let Some(item) = entry.items.last_mut()
            {
                item.push(' ');
                item.push_str(line.trim());
            }
        }
    }
    entries
}

/// `debian/changelog`.
pub(super) fn changelog(entries: &[Entry], signature: &Signature) -> String {
    let mut text = String::new();
    for entry in entries {
        let nothing = ["No news for operators.".to_owned()];
        let items = match entry.items.as_slice() {
            [] => nothing.as_slice(),
            items => items,
        };
        let list: Vec<String> = items.iter().map(|item| paragraph("  * ", item)).collect();
        text.push_str(&spelled(entry, &list.concat(), signature));
    }
    text
}

/// `debian/NEWS`, when there is anything to tell.
pub(super) fn news(entries: &[Entry], signature: &Signature) -> Option<String> {
    let mut text = String::new();
    for entry in entries {
        let breaking = entry.breaking();
        if !breaking.is_empty() {
            // Told in paragraphs: it is read, not looked up.
            let told: Vec<String> = breaking.iter().map(|item| paragraph("  ", item)).collect();
            text.push_str(&spelled(entry, &told.join("\n"), signature));
        }
    }
    (!text.is_empty()).then_some(text)
}

fn spelled(entry: &Entry, body: &str, signature: &Signature) -> String {
    format!(
        "cheeseshop ({}) stable; urgency=medium\n\n{body}\n -- {}  {}\n\n",
        entry.version, signature.maintainer, signature.date
    )
}

/// An item in lines, the first one behind `mark` and the others below its text.
fn paragraph(mark: &str, item: &str) -> String {
    let lines = wrapped(item, WIDTH - mark.len());
    let indent = format!("\n{}", " ".repeat(mark.len()));
    format!("{mark}{}\n", lines.join(&indent))
}

/// In one line, and with nothing left of links but their words.
fn joined(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (start, words) = before.rsplit_once('[').unwrap_or((before, ""));
        plain.push_str(start);
        plain.push_str(words);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature() -> Signature {
        Signature {
            maintainer: "Somebody <somebody@shop.example>".to_owned(),
            date: "Sun, 22 Nov 2026 12:00:00 +0000".to_owned(),
        }
    }

    #[test]
    fn released_versions_keep_their_items_whole() {
        let entries = released(
            "# News\n\nWords.\n\n## 1.1.0-rc.1 (2026-12-01)\n\n- One\n  goes on.\n- Breaking: Two.\n\n## 1.0.0\n",
        );
        let expected = Entry {
            version: "1.1.0~rc.1".to_owned(),
            items: vec!["One goes on.".to_owned(), "Breaking: Two.".to_owned()],
        };
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0], expected);
        let text = changelog(&entries[..1], &signature());
        assert_eq!(
            text,
            "cheeseshop (1.1.0~rc.1) stable; urgency=medium\n\n  * One goes on.\n  * Breaking: Two.\n\n \
             -- Somebody <somebody@shop.example>  Sun, 22 Nov 2026 12:00:00 +0000\n\n"
        );
        let news = news(&entries, &signature()).unwrap();
        assert!(
            news.contains("Two.") && !news.contains("One"),
            "only what breaks: {news}"
        );
    }

    #[test]
    fn nothing_that_breaks_is_no_news() {
        let entries = released("## 1.0.0\n- Harmless.\n");
        assert_eq!(news(&entries, &signature()), None);
    }

    #[test]
    fn no_line_is_too_wide() {
        let entry = Entry {
            version: "1".to_owned(),
            items: vec!["word ".repeat(100)],
        };
        let text = changelog(&[entry], &signature());
        assert!(text.lines().count() > 6);
        assert!(text.lines().all(|line| line.len() <= WIDTH + 2), "{text}");
    }

    #[test]
    fn what_breaks_is_told_first() {
        let folder = std::env::temp_dir().join(format!("cheeseshop-news-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            ("a.feature.md", "New\n[thing](../a.md)."),
            ("b.breaking.md", "Gone."),
            ("README.md", "About."),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let entry = unreleased(&folder, "1.0").unwrap();
        std::fs::write(folder.join("c.other.md"), "What?").unwrap();
        let unknown = unreleased(&folder, "1.0");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(entry.items, ["Breaking: Gone.", "New thing."]);
        assert!(unknown.unwrap_err().to_string().contains("c.other.md"));
    }
}
