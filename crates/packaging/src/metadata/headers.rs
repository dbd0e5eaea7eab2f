//! The outer form of core metadata: mail headers, a blank line, a body.

/// More fields than this no document has.
const MAX_HEADERS: usize = 100_000;

/// A document taken apart.
pub(super) struct Document<'a> {
    /// Field names in lower case with their unfolded values, in order.
    pub(super) headers: Vec<(String, String)>,
    /// What follows the blank line.
    pub(super) body: &'a str,
}

/// Takes a document apart. `None` when it has too many headers.
///
/// A line that is neither a header nor a continuation ends the headers, as in
/// Python's own reader.
pub(super) fn parse(text: &str) -> Option<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, next) = match rest.split_once('\n') {
            Some((line, next)) => (line.strip_suffix('\r').unwrap_or(line), next),
            None => (rest, ""),
        };
        if line.is_empty() {
            rest = next;
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push('\n');
                value.push_str(unfold(line));
            }
        } else if let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) {
            if headers.len() == MAX_HEADERS {
                return None;
            }
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        } else {
            break;
        }
        rest = next;
    }
    for (_, value) in &mut headers {
        let trimmed = value.trim();
        if trimmed.len() != value.len() {
            *value = trimmed.to_owned();
        }
    }
    Some(Document {
        headers,
        body: rest,
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Takes off what folding put before a continuation line: seven blanks and a
/// bar, or up to eight blanks, or a tab.
fn unfold(line: &str) -> &str {
    if let Some(rest) = line
        .strip_prefix("       |")
        .or_else(|| line.strip_prefix('\t'))
    {
        return rest;
    }
    let blanks = line
        .bytes()
        .take(8)
        .take_while(|byte| *byte == b' ')
        .count();
    &line[blanks..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_the_blank_line_or_at_what_is_no_header() {
        for (text, count, body) in [
            ("A: 1\nB: 2\n\nbody\n", 2, "body\n"),
            ("A: 1\r\nB: 2\r\n\r\nbody", 2, "body"),
            ("A: 1\nno header\nB: 2", 1, "no header\nB: 2"),
            ("A: 1", 1, ""),
            ("\nA: 1", 0, "A: 1"),
            ("", 0, ""),
            ("  lost continuation\nA: 1\n", 1, ""),
            ("\u{feff}A: 1\n", 1, ""),
            ("bad name: 1\n", 0, "bad name: 1\n"),
        ] {
            let document = parse(text).unwrap();
            assert_eq!(document.headers.len(), count, "{text:?}");
            assert_eq!(document.body, body, "{text:?}");
        }
    }

    #[test]
    fn continuations_are_unfolded() {
        for (text, value) in [
            ("A: 1\n 2\n", "1\n2"),
            ("A: 1\n        2\n          3", "1\n2\n  3"),
            ("A: 1\n       |  2\n       |\n       |3", "1\n  2\n\n3"),
            ("A:\n\t1", "1"),
            ("A:   spaced   ", "spaced"),
        ] {
            assert_eq!(parse(text).unwrap().headers[0].1, value, "{text:?}");
        }
    }
}
