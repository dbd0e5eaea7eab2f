//! The released clients, unmodified, against the real program.

mod devpi;
mod devpi_attached;
mod install;
mod lockdown;
mod outside;
mod own_tests;
mod publish;
mod shop;
mod team_layout;
pub(crate) mod tokens;
