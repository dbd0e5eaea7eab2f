//! Messages that pages tell the meaning of are ones that the program has.

use std::collections::BTreeSet;

use reqwest::StatusCode;

use super::{Page, files_below, pages, root};

/// Headings of the columns that hold messages.
const HEADINGS: &[&str] = &[
    "message",
    "answer",
    "reason",
    "text",
    "it says",
    "what it says",
    "what is said",
    "what happens",
];

/// Words of less are in every source.
const SHORTEST: usize = 8;

/// The messages in the tables of a page, in pieces between what they leave out.
fn messages(page: &Page) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_wanted = false;
    let mut before = "";
    for (is_code, line) in &page.lines {
        if line.starts_with("|-") {
            continue;
        }
        let Some(row) = line.strip_prefix("| ").filter(|_| !is_code) else {
            before = "";
            continue;
        };
        let cell = first_cell(row);
        if before.is_empty() {
            is_wanted = HEADINGS.contains(&cell.trim());
        } else if is_wanted {
            // "pip: `…`, `…`" are somebody else's.
            let mut is_foreign = false;
            // A message with backticks in it stands between two of them.
            let cell = cell.replace("`` ", "`").replace(" ``", "`");
            for (text, is_message) in spans(&cell) {
                if !is_message {
                    let text = text.trim();
                    is_foreign = text.ends_with(':') || is_foreign && text == ",";
                } else if !is_foreign {
                    // What is told of a cause has a text of its own.
                    let pieces = text.split('…').flat_map(|piece| piece.split(": "));
                    found.extend(pieces.map(without_examples));
                }
            }
        }
        before = line;
    }
    found.retain(|piece| piece.chars().filter(|c| c.is_alphabetic()).count() >= SHORTEST);
    found
}

/// A message without statuses and what stands between quotes: others have others there.
fn without_examples(piece: &str) -> String {
    let quoted = piece.split('\'').collect::<Vec<_>>();
    // With an odd number of quotes it is an apostrophe.
    let mut text = if quoted.len() % 2 == 1 {
        quoted.into_iter().step_by(2).collect::<Vec<_>>().join(" ")
    } else {
        piece.to_owned()
    };
    for word in words(piece) {
        let status = word.parse::<u16>().ok().filter(|_| word.len() == 3);
        let reason =
            status.and_then(|status| StatusCode::from_u16(status).ok()?.canonical_reason());
        if let Some(reason) = reason {
            text = text.replace(&format!("{word} {reason}"), " ");
        }
    }
    text
}

/// A row up to the first bar that separates cells.
fn first_cell(row: &str) -> &str {
    let mut is_code = false;
    for (at, character) in row.char_indices() {
        match character {
            '`' => is_code = !is_code,
            '|' if !is_code => return &row[..at],
            _ => {}
        }
    }
    row
}

/// A cell in turns of text and what stands between backticks, single or double.
fn spans(cell: &str) -> Vec<(&str, bool)> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some((text, after)) = rest.split_once('`') {
        spans.push((text, false));
        let (mark, after) = match after.strip_prefix('`') {
            Some(after) => ("``", after),
            None => ("`", after),
        };
        let (message, after) = after.split_once(mark).unwrap_or((after, ""));
        spans.push((message, true));
        rest = after;
    }
    spans
}

/// The words of every text between quotes in the sources of the program.
fn texts() -> BTreeSet<Vec<String>> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    crates
        .flat_map(|entry| files_below(&entry.unwrap().path().join("src"), "rs"))
        .flat_map(|file| literals(&std::fs::read_to_string(file).unwrap()))
        .map(|literal| words(&without_places(&literal)))
        .filter(|words| !words.is_empty())
        .collect()
}

fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut characters = source.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' && characters.peek() == Some(&'"') {
            characters.next();
            continue;
        }
        if character == '/' && characters.peek() == Some(&'/') {
            while characters.next().is_some_and(|c| c != '\n') {}
            continue;
        }
        if character != '"' {
            continue;
        }
        let mut literal = String::new();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => match characters.next() {
                    Some('\n') => while characters.next_if(|c| c.is_whitespace()).is_some() {},
                    Some('n') => literal.push('\n'),
                    Some(other) => literal.push(other),
                    None => {}
                },
                other => literal.push(other),
            }
        }
        found.push(literal);
    }
    found
}

/// What of a format string is the same each time.
fn without_places(literal: &str) -> String {
    let mut text = String::new();
    let mut rest = literal;
    while let Some((part, after)) = rest.split_once('{') {
        text.push_str(part);
        text.push(' ');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    text + rest
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Whether most of a message (two of three letters) is in a text, word by word in its order. The rest
/// is what the text has places for.
fn says(text: &[String], message: &[String]) -> bool {
    let letters = |words: &[&String]| words.iter().map(|word| word.len()).sum::<usize>();
    let mut rest = text.iter();
    let mut found = Vec::new();
    for word in message {
        let before = rest.clone();
        if rest.any(|other| other == word) {
            found.push(word);
        } else {
            rest = before;
        }
    }
    letters(&found) * 3 >= letters(&message.iter().collect::<Vec<_>>()) * 2
}

#[test]
fn messages_on_the_pages_are_those_of_the_program() {
    let texts = texts();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for page in pages() {
        for piece in messages(&page) {
            seen += 1;
            let message = words(&piece);
            if !texts.iter().any(|text| says(text, &message)) {
                wrong.push(format!("{}: {piece}", page.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 100, "{seen} messages");
}

#[test]
fn a_message_is_told_from_what_nobody_says() {
    let known = |source: &str, piece: &str| {
        literals(source)
            .iter()
            .any(|literal| says(&words(&without_places(literal)), &words(piece)))
    };
    let source = r#"f("index {index} non-volatile, cannot \
                      delete", '"', "no `:action` field")"#;
    assert!(known(source, "index x/y non-volatile, cannot delete"));
    assert!(known(source, "non-volatile, cannot"));
    assert!(known(source, "no `:action` field"));
    assert!(!known(source, "index x/y cannot be deleted"));
    assert!(!known(source, "cannot listen on"));
}
