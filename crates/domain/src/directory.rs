//! All users and indexes at one moment.
//!
//! A snapshot that never changes: whoever holds one sees one state. It is made anew after every change of
//! a user or an index, and asked on every request, so questions by name do not allocate.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};

use crate::{
    Caller, Index, IndexConfig, IndexId, IndexName, User, permission::may_read, resolution,
};

/// A snapshot of all users and indexes, with the resolution order of each index.
#[derive(Debug, Default)]
pub struct Directory {
    /// Sorted by name.
    users: Vec<Arc<User>>,
    /// Sorted by user, then index.
    entries: Vec<Entry>,
    user_positions: HashMap<Arc<str>, usize>,
    positions: HashMap<Arc<str>, HashMap<Arc<str>, usize>>,
    positions_by_id: HashMap<IndexId, usize>,
    login_required: bool,
}

#[derive(Debug)]
struct Entry {
    index: Arc<Index>,
    is_public: bool,
    /// Made when it is first asked for: a snapshot is made after every change, and with long chains of
    /// bases all orders together are quadratic in the number of indexes.
    order: OnceLock<Order>,
}

#[derive(Debug)]
struct Order {
    indexes: Arc<[IndexId]>,
    /// The same as positions in the directory's list.
    positions: Box<[usize]>,
    /// Whether everybody may see all of it.
    is_public: bool,
}

impl Directory {
    /// Makes a snapshot. Takes plain nouns, or those of an earlier snapshot, which are then shared.
    ///
    /// Of two users or indexes of one name the later one counts; storage does not let that happen.
    pub fn build<U: Into<Arc<User>>, I: Into<Arc<Index>>>(
        users: impl IntoIterator<Item = U>,
        indexes: impl IntoIterator<Item = I>,
    ) -> Self {
        let users: BTreeMap<_, Arc<User>> = users
            .into_iter()
            .map(Into::into)
            .map(|user: Arc<User>| (user.name.clone(), user))
            .collect();
        let indexes: BTreeMap<_, Arc<Index>> = indexes
            .into_iter()
            .map(Into::into)
            .map(|index: Arc<Index>| (index.name.clone(), index))
            .collect();
        let entry = |index: Arc<Index>| Entry {
            is_public: index.config.acl_read.is_public(),
            index,
            order: OnceLock::new(),
        };
        let mut directory = Self {
            users: users.into_values().collect(),
            entries: indexes.into_values().map(entry).collect(),
            ..Self::default()
        };
        for (position, user) in directory.users.iter().enumerate() {
            let name = user.name.as_str().into();
            directory.user_positions.insert(name, position);
        }
        for (position, entry) in directory.entries.iter().enumerate() {
            let name = &entry.index.name;
            directory.positions_by_id.insert(entry.index.id, position);
            directory
                .positions
                .entry(name.user.as_str().into())
                .or_default()
                .insert(name.index.clone(), position);
        }
        directory
    }

    /// The same snapshot on a server where nobody reads anything without saying who they are
    /// ([`crate::PermissionPolicy::login_required`]).
    #[must_use]
    pub fn requiring_login(mut self, login_required: bool) -> Self {
        self.login_required = login_required;
        for entry in &mut self.entries {
            entry.is_public = !login_required && entry.index.config.acl_read.is_public();
            // What was made of it before may say otherwise.
            entry.order = OnceLock::new();
        }
        self
    }

    /// Finds a user by name.
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(*self.user_positions.get(name)?)
    }

    /// All users, sorted by name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.iter()
    }

    /// Finds an index by its two names, as they stand in a URL.
    pub fn index(&self, user: &str, index: &str) -> Option<&Arc<Index>> {
        Some(&self.entries[self.position(user, index)?].index)
    }

    /// Finds an index by its full name.
    pub fn index_by_name(&self, name: &IndexName) -> Option<&Arc<Index>> {
        self.index(name.user.as_str(), &name.index)
    }

    /// Finds an index by identity.
    pub fn index_by_id(&self, id: IndexId) -> Option<&Arc<Index>> {
        Some(&self.find(id)?.index)
    }

    /// All indexes, sorted by user and name.
    pub fn indexes(&self) -> impl ExactSizeIterator<Item = &Arc<Index>> {
        self.entries.iter().map(|entry| &entry.index)
    }

    /// The indexes of one user, sorted by name; none for an unknown user.
    pub fn indexes_of(&self, user: &str) -> impl ExactSizeIterator<Item = &Arc<Index>> {
        let of_user = |entry: &Entry| entry.index.name.user.as_str().cmp(user);
        let start = self.entries.partition_point(|entry| of_user(entry).is_lt());
        let end = self.entries.partition_point(|entry| of_user(entry).is_le());
        self.entries[start..end].iter().map(|entry| &entry.index)
    }

    /// The resolution order of an index, itself first; empty for an unknown one. Holds also what a caller
    /// may not read, which must count when it is decided whether a mirror may be asked.
    pub fn order(&self, index: IndexId) -> &[IndexId] {
        self.find(index)
            .map_or(&[], |entry| &self.order_of(entry).indexes)
    }

    /// Whether the caller may see the index; false for an unknown one.
    pub fn readable(&self, caller: &Caller, index: IndexId) -> bool {
        self.find(index)
            .is_some_and(|entry| self.is_readable(caller, entry))
    }

    /// The resolution order without what the caller may not see. Empty when the index itself is hidden
    /// from them or unknown. Callers who see the same get equal answers, so this may be part of the key
    /// of a cache.
    pub fn visible_order(&self, caller: &Caller, index: IndexId) -> Arc<[IndexId]> {
        let Some(entry) = self.find(index) else {
            return Arc::default();
        };
        let order = self.order_of(entry);
        if order.is_public {
            return order.indexes.clone();
        }
        if !self.is_readable(caller, entry) {
            return Arc::default();
        }
        let visible: Vec<_> = self
            .entries_of(order)
            .filter(|base| self.is_readable(caller, base))
            .map(|base| base.index.id)
            .collect();
        if visible.len() == order.indexes.len() {
            order.indexes.clone()
        } else {
            visible.into()
        }
    }

    /// Whether the order of the index holds anything that the caller may not see.
    pub fn hides_something(&self, caller: &Caller, index: IndexId) -> bool {
        let Some(entry) = self.find(index) else {
            return false;
        };
        let order = self.order_of(entry);
        !order.is_public
            && self
                .entries_of(order)
                .any(|base| !self.is_readable(caller, base))
    }

    /// Whether the caller may name the index as a base: it exists and they may see it, or it is a base
    /// already in the configuration that they change. What they may not see does not exist for them,
    /// but must not keep them from changing something else.
    pub fn may_be_base(
        &self,
        caller: &Caller,
        changed: Option<&IndexConfig>,
        base: &IndexName,
    ) -> bool {
        let is_present = changed.is_some_and(|config| config.kind.bases().contains(base));
        self.index_by_name(base)
            .is_some_and(|index| is_present || may_read(self.login_required, caller, index))
    }

    fn is_readable(&self, caller: &Caller, entry: &Entry) -> bool {
        entry.is_public || may_read(self.login_required, caller, &entry.index)
    }

    fn order_of<'a>(&'a self, entry: &'a Entry) -> &'a Order {
        entry.order.get_or_init(|| {
            let find = |name: &IndexName| self.index_by_name(name).map(|index| &**index);
            let indexes = resolution::order(&entry.index, &find);
            let position = |id| self.positions_by_id.get(id).copied();
            let positions: Box<[usize]> = indexes.iter().filter_map(position).collect();
            Order {
                indexes: indexes.into(),
                is_public: positions
                    .iter()
                    .all(|&position| self.entries[position].is_public),
                positions,
            }
        })
    }

    fn entries_of<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = &'a Entry> {
        order
            .positions
            .iter()
            .map(|&position| &self.entries[position])
    }

    fn position(&self, user: &str, index: &str) -> Option<usize> {
        self.positions.get(user)?.get(index).copied()
    }

    fn find(&self, id: IndexId) -> Option<&Entry> {
        self.entries.get(*self.positions_by_id.get(&id)?)
    }
}
