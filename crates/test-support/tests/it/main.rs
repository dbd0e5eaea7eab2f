//! Whether the tools of the tests do what they say.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod clients;
mod http_client;
mod servers;
mod upstream;
