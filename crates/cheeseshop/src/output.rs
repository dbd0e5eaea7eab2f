//! The one place that prints.
//!
//! What the user asked for (addresses, passwords, values) goes to standard output, all talk about
//! it to standard error. A reader that went away (`cheeseshop config show | head`) is no error.

use std::io::{IsTerminal as _, Write as _};

/// Prints one line of what was asked for.
pub(crate) fn data(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // A closed pipe means that nobody reads on, which is the reader's right.
    let _ = writeln!(stdout, "{line}");
    let _ = stdout.flush();
}

/// Whether standard output is the journal of systemd, which keeps what it is given: then it is the file that
/// `JOURNAL_STREAM` (systemd.exec(5)) names as `DEVICE:INODE`. The variable alone proves nothing, since
/// programs hand it on. Or a log of supervisord, which tells its programs that they are its own.
pub(crate) fn is_kept(journal_stream: Option<&str>, is_supervised: bool) -> bool {
    if is_supervised && !std::io::stdout().is_terminal() {
        return true;
    }
    let Some(journal) = journal_stream else {
        return false;
    };
    rustix::fs::fstat(std::io::stdout())
        .is_ok_and(|file| journal == format!("{}:{}", file.st_dev, file.st_ino))
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
