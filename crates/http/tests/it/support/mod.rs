//! A server under test, and users who ask it.

mod answer;
mod form;
mod server;
mod user;

pub(crate) use self::answer::Answer;
pub(crate) use self::form::Form;
pub(crate) use self::server::Server;
pub(crate) use self::user::{User, file_path};
