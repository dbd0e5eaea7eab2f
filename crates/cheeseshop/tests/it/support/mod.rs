//! The program under test and what tests do with it.

mod api;
mod bucket;
mod home;
mod server;
mod small_disk;
mod surroundings;

pub(crate) use api::{Api, digest};
pub(crate) use bucket::{in_bucket, in_bucket_and_database};
pub(crate) use cheeseshop_test_support::noise;
pub(crate) use home::{Home, Output, finish, finish_aside};
pub(crate) use server::{BETWEEN_LOOKS, CHEAP_HASH, DEADLINE, PATIENT, Server};
pub(crate) use small_disk::on_small_disk;
pub(crate) use surroundings::Surroundings;
