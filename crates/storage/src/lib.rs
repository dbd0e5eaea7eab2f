//! Storage: the database and the blobs, the only place with SQL or object paths.
//!
//! What lives here knows rows and bytes, no rules: who may do what, and what an operation
//! consists of, is the app's business. A file's bytes come first ([`blobs`]), the row that names
//! them second ([`database`]), so that a row without its blob cannot exist.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod backup;
pub mod blobs;
mod config;
pub mod database;
mod hashing;
mod holder;
mod lock_file;
mod owner;

pub use blobs::{
    Blob, BlobConfig, BlobEntry, BlobError, BlobStore, BlobWriter, ByteStream, Removal,
    S3BlobConfig, Spool, SpooledBlob, StoredBlob, TakeError, Taking,
};
pub use config::{DatabaseConfig, DatabaseUrl};
pub use database::{
    Committed, Committer, Connection, Database, DatabaseError, Origin, Reader, RemovalLock,
    Transaction, Turn, WriteStatistics,
};
pub use lock_file::{LockFile, LockFileError};
