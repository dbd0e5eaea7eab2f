//! Indexes: show, create, change, remove.

use std::sync::Arc;

use cheeseshop_domain::permission::Reason;
use cheeseshop_domain::{
    Action, Caller, ConfigErrors, Directory, Event, EventKind, Index, IndexConfig, IndexKind,
    IndexName, mirror, permission,
};
use cheeseshop_storage::database::{indexes, mirrors, users};
use serde_json::{Map, Value, json};

use crate::publish::current_index;
use crate::resolve::index_not_found;
use crate::users::user_not_found;
use crate::{App, Error};

/// The two bodies of devpi's `PATCH /USER/INDEX`.
#[derive(Clone, Debug)]
pub enum IndexPatch {
    /// An object that is merged. A wrapped reply (`{"type": "indexconfig", "result": …}`) is unwrapped.
    Object(Map<String, Value>),
    /// devpi's `key=value`, `key+=value`, `key-=value` items.
    Operations(Vec<String>),
}

/// What a change that changes nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoChange {
    /// Fine.
    #[default]
    Accept,
    /// An error: devpi's `error_on_noop`.
    Refuse,
}

impl App {
    /// One index.
    ///
    /// # Errors
    ///
    /// See [`App::readable_index`].
    pub async fn index(&self, caller: &Caller, name: &IndexName) -> Result<Arc<Index>, Error> {
        self.catch_up().await?;
        self.readable_index(caller, name)
    }

    /// One index as this caller is shown it: a base that they may not read does not exist for
    /// them. Whoever may change the list is shown all of it, for it is written as a whole.
    ///
    /// # Errors
    ///
    /// See [`App::readable_index`].
    pub async fn shown_index(
        &self,
        caller: &Caller,
        name: &IndexName,
    ) -> Result<Arc<Index>, Error> {
        let index = self.index(caller, name).await?;
        Ok(self.presented(&self.directory(), caller, &index))
    }

    /// As [`App::shown_index`], for an index that the caller may read.
    pub(crate) fn presented(
        &self,
        directory: &Directory,
        caller: &Caller,
        index: &Arc<Index>,
    ) -> Arc<Index> {
        let is_hidden = |base: &IndexName| {
            directory
                .index_by_name(base)
                .is_some_and(|base| !directory.readable(caller, base.id))
        };
        if !index.bases().iter().any(is_hidden)
            || self.permit(caller, Action::ModifyIndex(index)).is_ok()
        {
            return Arc::clone(index);
        }
        let mut shown = Index::clone(index);
        if let IndexKind::Hosted(config) = &mut shown.config.kind {
            config.bases.retain(|base| !is_hidden(base));
        }
        Arc::new(shown)
    }

    /// Creates an index from the body of devpi's `PUT /USER/INDEX`.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] `no permission to create index u/i`, [`Error::NotFound`]
    /// `no user 'u'`, [`Error::Conflict`] `index 'u/i' exists`, [`Error::Invalid`].
    pub async fn create_index(
        &self,
        caller: &Caller,
        name: &IndexName,
        body: &Map<String, Value>,
    ) -> Result<Arc<Index>, Error> {
        self.catch_up().await?;
        let directory = self.directory();
        // Before the right, as in devpi: who there is, is no secret.
        if directory.user(name.user.as_str()).is_none() {
            return Err(user_not_found(name.user.as_str()));
        }
        self.permit(caller, Action::CreateIndex(name))?;
        if directory.index(name.user.as_str(), &name.index).is_some() {
            return Err(index_exists(name));
        }
        let config = IndexConfig::create(&name.user, body, &|base| {
            directory.may_be_base(caller, None, base)
        })
        .map_err(|errors| invalid_config(&errors))?;
        let now = self.clock().now();
        let name = name.clone();
        let created = self
            .write(caller, move |tx| {
                Box::pin(async move {
                    let owner = users::find(tx, name.user.as_str())
                        .await?
                        .ok_or_else(|| user_not_found(name.user.as_str()))?;
                    if indexes::find(tx, &name).await?.is_some() {
                        return Err(index_exists(&name));
                    }
                    let index = indexes::create(tx, owner.id, &name, &config, now).await?;
                    tx.record(Event::of_index(
                        EventKind::IndexCreated,
                        &name,
                        Value::Object(config.to_json()),
                    ));
                    Ok(index)
                })
            })
            .await?;
        Ok(Arc::new(created.value))
    }

    /// Changes an index. A mirror that is to follow another upstream forgets, in the same
    /// transaction, all that it kept of the old one.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], also for an index that does not exist unless the caller could
    /// change it if it did ([`Error::NotFound`]); [`Error::Invalid`].
    pub async fn update_index(
        &self,
        caller: &Caller,
        name: &IndexName,
        patch: &IndexPatch,
        no_change: NoChange,
    ) -> Result<Arc<Index>, Error> {
        self.catch_up().await?;
        let directory = self.directory();
        let known = match directory.index(name.user.as_str(), &name.index) {
            Some(index) => {
                self.permit(caller, Action::ModifyIndex(index))?;
                index
            }
            None => {
                return Err(self.absent_for(
                    caller,
                    name,
                    &Reason::MayNotModifyIndex(name.clone()),
                ));
            }
        };
        // The common mistake, an unusable patch, does not have to wait for the write queue.
        patched(known, patch, &directory, caller)?;
        let (id, name) = (known.id, name.clone());
        let (patch, asker) = (patch.clone(), caller.clone());
        let updated = self
            .write(caller, move |tx| {
                Box::pin(async move {
                    let mut index = current_index(tx, id, &name).await?;
                    let config = patched(&index, &patch, &directory, &asker)?;
                    if config == index.config {
                        return match no_change {
                            NoChange::Accept => Ok(index),
                            NoChange::Refuse => Err(Error::Invalid(
                                "The requested modifications resulted in no changes".to_owned(),
                            )),
                        };
                    }
                    indexes::update(tx, index.id, &config).await?;
                    tx.record(Event::of_index(
                        EventKind::IndexUpdated,
                        &name,
                        Value::Object(changes(&index.config, &config)),
                    ));
                    if starts_over(&index.config, &config) {
                        mirrors::clear(tx, index.id).await?;
                        tx.record(Event::of_index(EventKind::MirrorReset, &name, json!({})));
                    }
                    index.config = config;
                    Ok(index)
                })
            })
            .await?;
        Ok(Arc::new(updated.value))
    }

    /// Removes a volatile index with all that it holds. Its blobs become garbage.
    ///
    /// # Errors
    ///
    /// As [`App::update_index`]; [`Error::Forbidden`] `index u/i non-volatile, cannot delete`.
    pub async fn remove_index(&self, caller: &Caller, name: &IndexName) -> Result<(), Error> {
        self.catch_up().await?;
        let directory = self.directory();
        let id = match directory.index(name.user.as_str(), &name.index) {
            Some(index) => {
                self.permit(caller, Action::RemoveIndex(index))?;
                index.id
            }
            None => {
                return Err(self.absent_for(
                    caller,
                    name,
                    &Reason::MayNotRemoveIndex(name.clone()),
                ));
            }
        };
        let name = name.clone();
        self.write(caller, move |tx| {
            Box::pin(async move {
                let index = current_index(tx, id, &name).await?;
                if !index.config.volatile {
                    return Err(Error::Forbidden(format!(
                        "index {name} non-volatile, cannot delete"
                    )));
                }
                indexes::remove(tx, index.id).await?;
                tx.record(Event::of_index(EventKind::IndexRemoved, &name, json!({})));
                Ok(())
            })
        })
        .await?;
        Ok(())
    }

    /// The answer about an index that does not exist: the same refusal as for an index of
    /// somebody else, unless it would be the caller's to administer.
    fn absent_for(&self, caller: &Caller, name: &IndexName, refusal: &Reason) -> Error {
        let verdict = permission::judge(self.auth().policy(), caller, Action::CreateIndex(name));
        if verdict.is_allowed() {
            index_not_found(name)
        } else {
            Error::Forbidden(refusal.to_string())
        }
    }
}

/// The configuration after a patch. Bases that are there already may stay even when the caller
/// cannot read them; new ones must be readable, for what one may not read does not exist.
fn patched(
    index: &Index,
    patch: &IndexPatch,
    directory: &Directory,
    caller: &Caller,
) -> Result<IndexConfig, Error> {
    let base_exists = |base: &IndexName| directory.may_be_base(caller, Some(&index.config), base);
    match patch {
        IndexPatch::Object(body) => index.config.patch_object(body, &base_exists),
        IndexPatch::Operations(items) => index.config.patch_operations(items, &base_exists),
    }
    .map_err(|errors| invalid_config(&errors))
}

/// The keys that differ, with their new values (`null`: removed); credentials hidden.
fn changes(before: &IndexConfig, after: &IndexConfig) -> Map<String, Value> {
    let (before, after) = (before.to_json(), after.to_json());
    let removed = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .chain(removed)
        .collect()
}

/// Whether a mirror follows another upstream after the change.
pub(crate) fn starts_over(before: &IndexConfig, after: &IndexConfig) -> bool {
    match (&before.kind, &after.kind) {
        (IndexKind::Mirror(before), IndexKind::Mirror(after)) => mirror::starts_over(before, after),
        _ => false,
    }
}

fn index_exists(name: &IndexName) -> Error {
    Error::Conflict(format!("index '{name}' exists"))
}

fn invalid_config(errors: &ConfigErrors) -> Error {
    Error::Invalid(errors.to_string())
}
