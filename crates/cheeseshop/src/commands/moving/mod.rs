//! What `import` and `export` have in common: showing how far they are, and telling what became of everything.

mod progress;
mod report;

pub(crate) use self::progress::{bytes, watched};
pub(crate) use self::report::{Told, printable, tell};
