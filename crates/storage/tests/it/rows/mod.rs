//! Each noun's rows: round trips, unique keys, references, cascades.

#[macro_use]
mod writes;

mod attached;
mod blobs;
mod hosted;
mod inventory;
mod links;
mod mirrors;
mod references;
mod tokens;

use cheeseshop_domain::{Index, UserName};
use cheeseshop_storage::Database;

use crate::support::create_index;

pub(crate) async fn index(database: &Database, name: &'static str) -> Index {
    write!(database, |tx| create_index(tx, name).await)
}

pub(crate) fn user_name(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}
