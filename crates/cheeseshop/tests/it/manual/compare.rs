//! Whether an output is what a page shows.
//!
//! It has to be, to the letter. A line that is `…` stands for any lines, `…` within a line for any text,
//! and what is another each time is recognised by its form: [`VARYING`].

use std::sync::LazyLock;

use regex_lite::Regex;

/// What is another each time, and what it looks like.
const VARYING: &[(&str, &str)] = &[
    (
        "time",
        r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC)?)?|\b\d{8}T\d{6}Z|timestamp_seconds \d+",
    ),
    // Before sizes, which a part of it may look like.
    ("fingerprint", r"\b([0-9A-F]{2}:){31}[0-9A-F]{2}\b"),
    (
        "duration",
        r"\b\d+(\.\d+)? ?(ms|s|minutes? ago)\b|\bduration_ms=\d+(\.\d+)?",
    ),
    (
        "size",
        r"\b\d+(\.\d+)? ?(B|kB|KiB|MB|MiB|GB|GiB|bytes)\b|bytes[= ]\d+",
    ),
    (
        "digest",
        r"\+f/[0-9a-f]{3}/[0-9a-f]{13}\b|\b[0-9a-f]{16,64}\b",
    ),
    ("port", r"\b(127\.0\.0\.1|localhost):\d{5}\b"),
    ("process", r#""pid":\d+|\bprocess \d+"#),
    // Passwords that the program makes up.
    ("password", r"\b[a-z2-9]{20}\b"),
    // How many this machine has.
    ("count", r"\b\d+ (trusted )?certificates of the system"),
];

static EXPRESSIONS: LazyLock<Vec<(String, Regex)>> = LazyLock::new(|| {
    VARYING
        .iter()
        .map(|(name, expression)| (format!("<{name}>"), Regex::new(expression).unwrap()))
        .collect()
});

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
        "  the page shows\n    {}\n  and it printed\n    {}\n  which is\n    {}",
        expected.join("\n    "),
        lines.join("\n    "),
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

/// A line with names in place of what is another each time, and without colours.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut line = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        line.push_str(
            part.split_once(|c: char| c.is_ascii_alphabetic())
                .map_or("", |(_, text)| text),
        );
    }
    let mut plain = line.trim_end().to_owned();
    for (name, expression) in EXPRESSIONS.iter() {
        plain = expression.replace_all(&plain, name.as_str()).into_owned();
    }
    plain
}

#[test]
fn an_output_is_compared_but_for_what_varies_and_what_is_left_out() {
    let page = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let same = |expected: &str, found: &str| differs(&page(expected), found).is_none();
    assert!(same("a\n…\nz", "a\nb\nc\nz\n"));
    assert!(same("a\n…\nz", "a\nz"));
    assert!(same("to …: refused", "to 127.0.0.1: refused"));
    assert!(same("x/+f/abc/0123456789abc/y", "x/+f/fee/deadbeeffeede/y"));
    assert!(same(
        "2026-11-22T15:55:34.330Z GET 200 duration_ms=0.5 size_bytes=12",
        "2027-01-02T03:04:05.006Z GET 200 duration_ms=11.75 size_bytes=1024",
    ));
    assert!(same(
        "20261122T234927Z, 3.5 kB",
        "20270101T000000Z, 290.0 kB"
    ));
    assert!(same("at 127.0.0.1:38651", "at 127.0.0.1:40000"));
    for (page, found) in [
        ("created 3 files", "created 12 files"),
        ("409 Conflict", "403 Forbidden"),
        ("version 0.1.0", "version 0.2.0"),
        ("exit code 1", "exit code 2"),
        ("on http://127.0.0.1:3141", "on http://127.0.0.1:3142"),
        ("hello_shop-1.0.tar.gz", "hello_shop-1.1.tar.gz"),
        ("a", "b"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("to …: refused", "to 127.0.0.1: accepted"),
        ("a", ""),
    ] {
        assert!(!same(page, found), "{page}");
    }
}
