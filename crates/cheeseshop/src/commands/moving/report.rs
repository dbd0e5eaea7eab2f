//! What became of everything: a summary on the terminal, all of it in a file.

use std::collections::BTreeMap;
use std::path::Path;

use cheeseshop_app::import::{Kind, Note, Outcome};
use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// So many items are told one by one on the terminal; a file tells all.
const MOST_LINES: usize = 40;

/// What is told beside the items themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// From where or to where, for people.
    pub(crate) what: &'a str,
    /// Nothing was changed; this is what would become of everything.
    pub(crate) dry_run: bool,
    /// Whether it came to its end.
    pub(crate) finished: bool,
    /// Where all of it goes as JSON.
    pub(crate) file: Option<&'a Path>,
}

/// Tells what became of everything. Whatever was skipped without having been asked for makes this an error.
pub(crate) fn tell(outcome: &Outcome, told: Told<'_>) -> Result<(), Failure> {
    // The summary is told in any case: what was done took its time, and is not to be found out again.
    let written = told.file.map(|path| write(outcome, told, path));
    let kept = if told.dry_run {
        "would be kept"
    } else {
        "kept"
    };
    count(kept, &outcome.kept);
    count("here already", &outcome.present);
    list(
        if told.dry_run {
            "would be changed"
        } else {
            "changed"
        },
        &outcome.changed,
    );
    list("left out as asked", &outcome.left_out);
    list("skipped", &outcome.skipped);
    written.transpose()?;
    let lost = outcome
        .skipped
        .iter()
        .filter(|note| matters(note.kind))
        .count();
    if lost == 0 {
        return Ok(());
    }
    let were = if lost == 1 { "item was" } else { "items were" };
    let hint = match told.file {
        Some(path) => format!("{} tells each with its reason", path.display()),
        None => "--report FILE tells each with its reason".to_owned(),
    };
    Err(Failure::answer_is_no(format!("{lost} {were} skipped")).with_hint(hint))
}

/// Whether something is missing when this is.
fn matters(kind: Kind) -> bool {
    !matches!(kind, Kind::Token | Kind::Other)
}

fn count(what: &str, numbers: &BTreeMap<Kind, u64>) {
    let parts: Vec<String> = numbers
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(kind, count)| format!("{count} {}", kind.noun(*count)))
        .collect();
    if !parts.is_empty() {
        output::data(&format!("{what}: {}", parts.join(", ")));
    }
}

fn list(what: &str, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    output::data(&format!("{what} ({}):", notes.len()));
    for note in notes.iter().take(MOST_LINES) {
        output::data(&format!(
            "  {} {}: {}",
            note.kind.noun(1),
            printable(&note.item),
            printable(&note.reason)
        ));
    }
    if notes.len() > MOST_LINES {
        output::data(&format!("  … and {} more", notes.len() - MOST_LINES));
    }
}

/// Names come from elsewhere and may hold what would move the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        })
        .collect()
}

#[derive(Serialize)]
struct Document<'a> {
    what: &'a str,
    finished: bool,
    dry_run: bool,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

fn write(outcome: &Outcome, told: Told<'_>, path: &Path) -> Result<(), Failure> {
    let document = Document {
        what: told.what,
        finished: told.finished,
        dry_run: told.dry_run,
        outcome,
    };
    let written = std::fs::File::create(path).and_then(|file| {
        let mut file = std::io::BufWriter::new(file);
        serde_json::to_writer_pretty(&mut file, &document)?;
        std::io::Write::write_all(&mut file, b"\n")?;
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .sync_all()
    });
    written.map_err(|error| {
        Failure::could_not_try(format!(
            "the report {} cannot be written: {error}",
            path.display()
        ))
    })
}
