//! Storage against the real things: SQLite, PostgreSQL, disks and an S3 server.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

#[cfg(test)]
mod support;

mod before_migration;
mod blobs;
mod change_log;
mod crash;
mod lost_answer;
mod opening;
mod removal_lock;
mod rows;
mod scale;
mod schema;
mod writing;
