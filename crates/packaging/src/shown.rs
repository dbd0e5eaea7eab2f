//! Texts of strangers in our messages.

/// The most characters of a stranger's text that a message repeats.
const MAX_SHOWN: usize = 200;

/// Makes a text fit for an error message, which may end up in a header line
/// or a terminal: one line without control characters, not too long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_SHOWN)
        .map(|character| match character {
            character if character.is_control() => '\u{fffd}',
            character => character,
        })
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_one_short_line() {
        for (text, expected) in [
            ("plain ünï", "plain ünï".to_owned()),
            (
                "a\r\nSet-Cookie: x\0\u{1b}",
                "a\u{fffd}\u{fffd}Set-Cookie: x\u{fffd}\u{fffd}".to_owned(),
            ),
            (&"é".repeat(200), "é".repeat(200)),
            (&"é".repeat(201), format!("{}…", "é".repeat(200))),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
