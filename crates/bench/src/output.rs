//! The one place that prints.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command-line tool talks"
)]

/// A line of talk about what is going on.
pub(crate) fn say(text: &str) {
    eprintln!("bench: {text}");
}

/// What the program is run for.
pub(crate) fn data(text: &str) {
    println!("{text}");
}
