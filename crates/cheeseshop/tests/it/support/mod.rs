//! The program under test and what tests do with it.

mod api;
mod home;
mod server;

pub(crate) use api::{Api, BOUNDARY, digest};
pub(crate) use cheeseshop_test_support::noise;
pub(crate) use home::{Home, Output, finish, finish_aside};
pub(crate) use server::{CHEAP_HASH, DEADLINE, Server};
