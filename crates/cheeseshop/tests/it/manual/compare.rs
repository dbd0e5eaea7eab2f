//! Whether an output is what a page shows.
//!
//! A line that is `…` stands for any lines, `…` within a line for any text. Words with a digit in
//! them (numbers, digests, times, made-up passwords) are all alike.

/// Compares, and tells the difference.
pub(super) fn differs(expected: &[String], found: &str) -> Option<String> {
    let expected: Vec<String> = expected.iter().map(|line| plain(line)).collect();
    let lines: Vec<String> = found.lines().map(plain).collect();
    let lines: Vec<String> = match lines.iter().rposition(|line| !line.is_empty()) {
        Some(last) => lines[..=last].to_vec(),
        None => Vec::new(),
    };
    if agree(&expected, &lines) {
        return None;
    }
    Some(format!(
        "  the page shows\n    {}\n  and it printed\n    {}",
        expected.join("\n    "),
        found.trim_end().replace('\n', "\n    ")
    ))
}

fn agree(expected: &[String], found: &[String]) -> bool {
    let Some((first, rest)) = expected.split_first() else {
        return found.is_empty();
    };
    if first.trim() == "…" {
        return (0..=found.len()).any(|from| agree(rest, &found[from..]));
    }
    found
        .split_first()
        .is_some_and(|(line, more)| fits(first, line) && agree(rest, more))
}

/// Whether a line fits one with `…` in it.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A line without what is different each time, and without colours.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut line = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        line.push_str(
            part.split_once(|c: char| c.is_ascii_alphabetic())
                .map_or("", |(_, text)| text),
        );
    }
    let mut plain = String::new();
    let mut word = String::new();
    for character in line.trim_end().chars().chain(['\n']) {
        if character.is_ascii_alphanumeric() {
            word.push(character);
            continue;
        }
        let is_number = word.contains(|c: char| c.is_ascii_digit());
        // Folders of digests may happen to have no digit.
        let is_digest = !word.is_empty() && (plain.ends_with("+f/") || plain.ends_with("+f/#/"));
        plain.push_str(if is_number || is_digest { "#" } else { &word });
        word.clear();
        plain.push(character);
    }
    plain.pop();
    plain
}

#[test]
fn an_output_is_compared_but_for_numbers_and_what_is_left_out() {
    let page = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let same = |expected: &str, found: &str| differs(&page(expected), found).is_none();
    assert!(same("created 3 files", "created 12 files\n"));
    assert!(same("a\n…\nz", "a\nb\nc\nz\n"));
    assert!(same("a\n…\nz", "a\nz"));
    assert!(same("to …: refused", "to 127.0.0.1: refused"));
    assert!(same("x/+f/abc/0123/y", "x/+f/fee/dead/y"));
    assert!(!same("a", "b"));
    assert!(!same("a", "a\nb"));
    assert!(!same("a\nb", "a"));
    assert!(!same("to …: refused", "to 127.0.0.1: accepted"));
    assert!(!same("a", ""));
}
