//! What a server has, as far as a layout is concerned.

use std::collections::{BTreeMap, BTreeSet};

use cheeseshop_domain::{IndexName, JsonMap, UserName};
use serde_json::Value;

/// What a server has.
#[derive(Debug, Default)]
pub struct Present {
    pub(super) users: BTreeMap<String, JsonMap>,
    pub(super) wrong_passwords: BTreeSet<UserName>,
}

impl Present {
    /// The users of a server with their indexes, as [`crate::Server::users`] gives them.
    pub fn new(users: BTreeMap<String, JsonMap>) -> Self {
        Self {
            users,
            wrong_passwords: BTreeSet::new(),
        }
    }

    /// Notes that a user has another password than the layout wants.
    pub fn note_wrong_password(&mut self, user: &UserName) {
        self.wrong_passwords.insert(user.clone());
    }

    /// Whether there is such a user.
    pub fn has_user(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    pub(super) fn index(&self, name: &IndexName) -> Option<&JsonMap> {
        let indexes = self.users.get(name.user.as_str())?.get("indexes")?;
        indexes.get(&*name.index)?.as_object()
    }

    /// Every index with its settings; what has no legal name cannot be spoken of.
    pub(super) fn indexes(&self) -> impl Iterator<Item = (IndexName, &JsonMap)> {
        self.users.iter().flat_map(|(user, settings)| {
            let indexes = settings.get("indexes").and_then(Value::as_object);
            indexes
                .into_iter()
                .flatten()
                .filter_map(move |(index, settings)| {
                    Some((IndexName::new(user, index).ok()?, settings.as_object()?))
                })
        })
    }
}
