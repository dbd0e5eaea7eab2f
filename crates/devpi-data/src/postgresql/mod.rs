//! A devpi-server's data in PostgreSQL, where the plugin devpi-postgresql keeps it.
//!
//! The keys are as in a server directory, and the bytes of files are rows, too (protocol
//! reference §24.6). All is read in one transaction that sees one moment, so the server may even
//! be running; what it commits from then on is not seen.

mod database;
mod state;

pub use self::database::{PostgresError, is_url, open};
