//! devpi-server's own formats, read into the model of `cheeseshop_app::import` and written from the app.
//!
//! Nothing outside this crate knows how devpi lays out an export, a server directory or its change log.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod change_log;
pub mod export_directory;
mod jail;
pub mod live;
pub mod postgresql;
pub mod server_directory;
mod state;
