//! The released clients, unmodified, against the real program.

mod devpi;
mod install;
mod publish;
mod shop;
mod team_layout;
