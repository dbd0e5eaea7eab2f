//! The program under test and what tests do with it.

mod api;
mod home;
mod server;

pub(crate) use api::{Api, BOUNDARY, digest, noise};
pub(crate) use home::{Home, Output, finish};
pub(crate) use server::{CHEAP_HASH, DEADLINE, Server};
