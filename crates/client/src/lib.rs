//! The other end of the wire: typed calls to a server, and the commands made of them.
//!
//! # As a library
//! [`Server`] knows the addresses and documents of the JSON API (ours, and a devpi-server's); each
//! call is a method of it, in the module of its noun. What the answers mean is left to the caller,
//! and nothing is printed. [`layout`] makes users and indexes be as data says.
//!
//! A whole program (`examples/team_index.rs`; the tests build it, and run it against a server):
//!
//! ```no_run
#![doc = include_str!("../examples/team_index.rs")]
//! ```
//!
//! # As commands
//! [`commands`] holds what a user types: `devpi upload`, `cheeseshop env` and the others, one file
//! each, made of a `Session`: the surroundings, the output, and the state that
//! `state` keeps in the client directory, in the files and formats of devpi-client.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod commands;
pub mod layout;

mod answer;
mod api;
#[cfg(test)]
mod canned;
mod clean;
mod credentials;
mod environment;
mod error;
mod files;
mod fill;
mod indexes;
mod login;
mod programs;
mod projects;
mod pypirc;
mod request;
mod server;
mod simple;
mod state;
mod status;
mod test_results;
mod tokens;
mod tool_config;
mod trust;
mod unpack;
mod uploads;
mod users;
mod vcs;
mod whole_file;

pub use crate::answer::Answer;
pub use crate::api::{Api, AuthStatus};
pub use crate::credentials::Credentials;
pub use crate::environment::Environment;
pub use crate::error::Error;
pub use crate::files::Download;
pub use crate::login::Login;
pub use crate::projects::{Link, LinkKind, Project, Release};
pub use crate::request::Request;
pub use crate::server::Server;
pub use crate::status::Status;
pub use crate::tokens::{Token, TokenInfo, TokenLimits};
pub use crate::trust::{Certificate, Place, Rejection, Roots, Trust};
pub use crate::uploads::{Content, Distribution, DistributionError, DocumentationName, Progress};

pub(crate) use crate::pypirc::Repository;
pub(crate) use crate::unpack::{default_limits, unpack};
pub(crate) use crate::uploads::{repack, zip_folder};
