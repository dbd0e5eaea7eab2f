//! Why a directory cannot be read.

use std::path::PathBuf;

/// The version of the layout that devpi-server 4 to 6 write.
pub(super) const LAYOUT: &str = "4";

/// Why a directory cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerDirectoryError {
    /// It is something else.
    #[error("{} is no directory of a devpi-server: it has no readable `{file}`", path.display())]
    NotOne {
        /// The directory.
        path: PathBuf,
        /// What is missing in it.
        file: &'static str,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// Another layout.
    #[error(
        "{} has the layout `{found}` of devpi-server's data, and only `{LAYOUT}` (devpi-server 4 \
         to 6) is known: export it with its own devpi-server, and import the export",
        path.display()
    )]
    Layout {
        /// The directory.
        path: PathBuf,
        /// What `.serverversion` says.
        found: String,
    },
    /// The keys are not here.
    #[error(
        "{} has no `.sqlite`: its devpi-server keeps its data in PostgreSQL, so name that \
         database with postgres://… instead",
        path.display()
    )]
    NoDatabase {
        /// The directory.
        path: PathBuf,
    },
    /// A server may write while we read.
    #[error(
        "the devpi-server of {} is still running: {holder}. Stop it first, or \
         follow it while it runs (`cheeseshop import --follow URL`)",
        path.display()
    )]
    Running {
        /// The directory.
        path: PathBuf,
        /// The process, for people.
        holder: String,
    },
    /// The last commit may be half done.
    #[error(
        "the devpi-server of {} did not stop cleanly: beside its database lies `{file}`. Start \
         it once more and stop it with SIGTERM",
        path.display()
    )]
    Unclean {
        /// The directory.
        path: PathBuf,
        /// The leftover.
        file: String,
    },
    /// SQLite cannot read it.
    #[error("the database {} cannot be read", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}
