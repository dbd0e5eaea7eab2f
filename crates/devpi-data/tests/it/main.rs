//! Tests of devpi's formats.

#![allow(clippy::unwrap_used, reason = "tests")]

mod devpi;
mod export;
mod here;
mod live;
mod picture;
mod postgresql;
mod server_directory;
