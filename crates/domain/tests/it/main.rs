//! The rules of the domain as tables of cases, most of them taken from devpi's observed behaviour.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod directory;
mod index_config;
mod mirror_config;
mod permission;
mod resolution;
mod support;
mod token;
mod user;
