//! The one place that prints.
//!
//! What the user asked for (addresses, passwords, values) goes to standard output, all talk about
//! it to standard error. A reader that went away (`cheeseshop config show | head`) is no error.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use crate::failure::Failure;

/// Why a line of what was asked for could not be written, the first time.
static TROUBLE: OnceLock<String> = OnceLock::new();

/// Prints one line of what was asked for.
pub(crate) fn data(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    // A closed pipe means that nobody reads on, which is the reader's right.
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // The first trouble is as good as the others.
        let _ = TROUBLE.set(error.to_string());
    }
}

/// Whether all that was asked for has been written: nobody shall take half a file for the whole.
pub(crate) fn all_written() -> Result<(), Failure> {
    match TROUBLE.get() {
        None => Ok(()),
        Some(trouble) => Err(Failure::could_not_try(format!(
            "standard output cannot be written to: {trouble}"
        ))
        .with_hint("what has come there is a part of it at most; make room, and ask again")),
    }
}

/// Whether somebody reads what is printed, who is there only now. Whatever else takes it (the journal, a log of
/// supervisord or of a container, a file) keeps it.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Shows a line in place of the one shown before, on a terminal; an empty one ends that.
pub(crate) fn passing(line: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "\r\x1b[K{line}");
    let _ = stderr.flush();
}

/// Prints one line of talk: progress, counts, advice.
pub(crate) fn talk(line: &str) {
    // Nobody may be reading this either.
    let _ = writeln!(std::io::stderr(), "{line}");
}
