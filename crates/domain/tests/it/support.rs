//! Indexes, users and callers in few words.

use cheeseshop_domain::{
    Caller, Directory, Index, IndexConfig, IndexId, IndexName, JsonMap, User, UserId, UserName,
    UserProfile,
};
use jiff::Timestamp;
use serde_json::Value;

pub(crate) fn user_name(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn index_name(name: &str) -> IndexName {
    IndexName::parse(name).unwrap()
}

pub(crate) fn map(value: &Value) -> JsonMap {
    value.as_object().unwrap().clone()
}

/// Bases exist.
pub(crate) fn create(owner: &str, body: &Value) -> Result<IndexConfig, String> {
    IndexConfig::create(&user_name(owner), &map(body), &|_| true).map_err(|error| error.to_string())
}

pub(crate) fn index(id: i64, name: &str, body: &Value) -> Index {
    let name = index_name(name);
    Index {
        id: IndexId(id),
        config: create(name.user.as_str(), body).unwrap(),
        name,
        created: Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn user(id: i64, name: &str) -> User {
    User {
        id: UserId(id),
        name: user_name(name),
        password_hash: None,
        profile: UserProfile::default(),
        created: Timestamp::UNIX_EPOCH,
        modified: None,
    }
}

pub(crate) fn caller(name: &str) -> Caller {
    Caller::user(user_name(name))
}

/// Indexes are numbered from 1 in the order given; each owner is made once.
pub(crate) fn directory(indexes: &[(&str, Value)]) -> Directory {
    let mut owners = Vec::new();
    for (name, _) in indexes {
        let owner = index_name(name).user.to_string();
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    let users = (1..).zip(&owners).map(|(id, name)| user(id, name));
    let indexes = (1..)
        .zip(indexes)
        .map(|(id, (name, body))| index(id, name, body));
    Directory::build(users, indexes)
}

pub(crate) fn id_of(directory: &Directory, name: &str) -> IndexId {
    directory.index_by_name(&index_name(name)).unwrap().id
}

pub(crate) fn names(directory: &Directory, order: &[IndexId]) -> Vec<String> {
    order
        .iter()
        .map(|&id| directory.index_by_id(id).unwrap().name.to_string())
        .collect()
}
