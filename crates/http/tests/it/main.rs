//! The routes of the product, asked as clients ask them: a whole app on SQLite in a temporary
//! directory, a fake upstream, and the service called in-process or over a real connection.
//!
//! The tree mirrors `src/`; users are values (`anonymous`, `alice`).

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod devpi;
mod documentation;
mod files;
mod front;
mod health;
mod lockdown;
mod read_permission;
mod request_log;
mod simple;
#[cfg(test)]
mod support;
mod upload;
mod web;
