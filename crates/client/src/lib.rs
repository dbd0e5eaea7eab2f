//! The other end of the wire: typed calls to a server, and the commands made of them.
//!
//! # As a library
//! [`Server`] knows the addresses and documents of the JSON API (ours, and a devpi-server's); each
//! call is a method of it, in the module of its noun. What the answers mean is left to the caller,
//! and nothing is printed. A rustls crypto provider has to be installed first.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cheeseshop_client::Server;
//! let server = Server::new("http://localhost:3141".parse()?)?;
//! let login = server.log_in("bob", "secret").await?;
//! let server = server.with_login(Some(login.credentials));
//! # Ok(()) }
//! ```
//!
//! # As commands
//! [`commands`] holds what a user types: `devpi upload`, `cheeseshop env` and the others, one file
//! each, made of a [`commands::Session`]: the surroundings, the output, and the state that
//! [`state`] keeps in the client directory, in the files and formats of devpi-client.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod commands;
pub mod layout;
pub mod state;
pub mod tool_config;
pub mod trust;

mod answer;
mod api;
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
mod status;
mod test_results;
mod tokens;
mod unpack;
mod uploads;
mod users;
mod vcs;

pub use crate::answer::Answer;
pub use crate::api::{Api, AuthStatus};
pub use crate::credentials::Credentials;
pub use crate::environment::Environment;
pub use crate::error::Error;
pub use crate::files::Download;
pub use crate::login::Login;
pub use crate::projects::{Link, LinkKind, Project, Release};
pub use crate::pypirc::{PypircError, Repository};
pub use crate::request::Request;
pub use crate::server::Server;
pub use crate::status::Status;
pub use crate::tokens::{Token, TokenInfo, TokenLimits};
pub use crate::unpack::{UnpackError, default_limits, unpack};
pub use crate::uploads::{
    Content, Distribution, DistributionError, DocumentationName, Progress, repack, zip_folder,
};
