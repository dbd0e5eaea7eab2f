//! The other end of the wire: typed calls to a server.
//!
//! [`Server`] knows the addresses and documents of the JSON API; each call is a method of it, in
//! the module of its noun. What the answers mean is left to the caller, and nothing is printed.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod api;
mod error;
mod server;
mod status;

pub use crate::api::{Api, AuthStatus};
pub use crate::error::Error;
pub use crate::server::Server;
pub use crate::status::Status;
