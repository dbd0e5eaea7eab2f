//! The directory of a stopped devpi-server, read in place (protocol reference §20).
//!
//! The keys are in `.sqlite`: `kv` tells which commit wrote a key last, `changelog` has the
//! commits. Files lie below `+files` under their paths, and are handed on as paths, so that they
//! can be linked instead of copied. Nothing in the directory is written.

mod database;
mod directory;
mod error;
mod files;
mod running;
mod state;

pub use self::directory::ServerDirectory;
pub use self::error::ServerDirectoryError;
