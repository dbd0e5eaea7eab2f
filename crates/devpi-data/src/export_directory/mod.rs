//! The directory that `devpi-export` writes and `devpi-import` reads (protocol reference §21).

mod description;
mod outline;
mod place;
mod reader;
mod scanner;
mod writer;

pub use self::reader::ExportDirectory;
pub use self::writer::{ExportError, ExportOptions, write_export};
