//! devpi's current state, wherever it lies: keys and their values, and the bytes of files.
//!
//! A server directory, a PostgreSQL database and our own copy of a running server's state are
//! read through [`State`]; [`StateSource`] puts the keys together into users, indexes and
//! projects, the same way for all three (protocol reference §20.2).

mod commits;
mod hosted;
mod links;
mod mirrored;
mod source;

use std::collections::HashMap;

use cheeseshop_app::ByteStream;
use cheeseshop_app::import::SourceError;
use cheeseshop_app::import::model::Content;
use cheeseshop_packaging::hash::Hashes;
use futures_util::future::BoxFuture;

use crate::change_log::Value;

pub(crate) use self::commits::{Decoded, collect, held_file};
pub(crate) use self::source::{StateSource, is_mirror};

/// The keys that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Keys that have a value.
    pub(crate) found: HashMap<String, Value>,
    /// Keys whose value should be there and cannot be read, and why.
    pub(crate) unreadable: Vec<(String, String)>,
}

/// A file whose bytes the server says to have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeldFile {
    /// The normalized name of its project.
    pub(crate) project: String,
    /// Its key, which is also its path: `root/pypi/+f/…`.
    pub(crate) path: String,
}

/// One devpi-server's state at one moment.
pub(crate) trait State: Send + Sync {
    /// What it is, for people.
    fn describe(&self) -> String;

    /// The values under these keys. One commit may hold thousands of them and is decoded once
    /// for all, so ask for many at once.
    fn values(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Values, SourceError>>;

    /// The files of an index, given as `user/index`, that have a date and so bytes: all, or those
    /// of one project.
    fn held_files<'a>(
        &'a self,
        index: &'a str,
        project: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<HeldFile>, SourceError>>;

    /// Where the bytes of a file are.
    fn content<'a>(&'a self, path: &'a str, hashes: &'a Hashes) -> BoxFuture<'a, Content>;

    /// Opens what [`State::content`] called remote.
    fn open<'a>(&'a self, location: &'a str) -> BoxFuture<'a, Result<ByteStream, SourceError>>;

    /// Whether all is as it was when reading began; else a sentence about what is not.
    fn verify(&self) -> Option<String> {
        None
    }
}
