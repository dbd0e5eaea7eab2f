//! Users: list, create, change, remove.

use std::sync::Arc;

use cheeseshop_domain::{
    Action, Caller, Directory, Event, EventKind, Index, NewPassword, NewUser, User, UserName,
    UserPatch, permission,
};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::database::{indexes, users};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::auth::{LoginToken, check_foreign_hash};
use crate::{App, Error};

/// A user with those of their indexes that the caller may read.
#[derive(Clone, Debug)]
pub struct UserView {
    /// The user.
    pub user: Arc<User>,
    /// Readable indexes, sorted by name, as [`App::shown_index`] shows them.
    pub indexes: Vec<Arc<Index>>,
}

/// What [`App::update_user`] did.
#[derive(Debug)]
pub struct UserUpdated {
    /// A new login when a password was given: devpi's `userpassword` answer. It is the changed
    /// user's, also when somebody else changed it.
    pub new_login: Option<LoginToken>,
}

impl App {
    /// All users, sorted by name, with the indexes that the caller may read.
    pub async fn list_users(&self, caller: &Caller) -> Result<Vec<UserView>, Error> {
        self.catch_up().await?;
        let directory = self.directory();
        Ok(directory
            .users()
            .map(|user| self.view(&directory, caller, user))
            .collect())
    }

    /// One user.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `no user 'x'`.
    pub async fn user(&self, caller: &Caller, name: &str) -> Result<UserView, Error> {
        self.catch_up().await?;
        let directory = self.directory();
        let user = directory.user(name).ok_or_else(|| user_not_found(name))?;
        Ok(self.view(&directory, caller, user))
    }

    /// Creates a user from the body of devpi's `PUT /USER`.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Conflict`] `user already exists`, [`Error::Invalid`].
    pub async fn create_user(
        &self,
        caller: &Caller,
        name: &str,
        body: &Map<String, Value>,
    ) -> Result<UserView, Error> {
        self.permit(caller, Action::CreateUser)?;
        self.catch_up().await?;
        if self.directory().user(name).is_some() {
            return Err(user_exists());
        }
        let name = UserName::parse(name).map_err(invalid)?;
        let new = NewUser::parse(body).map_err(invalid)?;
        let hash = self.stored_form(&new.password).await?;
        let now = self.clock().now();
        let created = self
            .write(caller, move |tx| {
                Box::pin(async move {
                    if users::find(tx, name.as_str()).await?.is_some() {
                        return Err(user_exists());
                    }
                    let user = users::create(tx, &name, Some(&hash), &new.profile, now).await?;
                    tx.record(Event::of_user(EventKind::UserCreated, &name, json!({})));
                    Ok(user)
                })
            })
            .await?;
        Ok(UserView {
            user: Arc::new(created.value),
            indexes: Vec::new(),
        })
    }

    /// Merges the body of devpi's `PATCH /USER` into a user. A new password ends all login
    /// tokens of the user (devpi's outlive it).
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `no user 'x'`, [`Error::Forbidden`], [`Error::Invalid`].
    pub async fn update_user(
        &self,
        caller: &Caller,
        name: &str,
        body: &Map<String, Value>,
    ) -> Result<UserUpdated, Error> {
        self.catch_up().await?;
        let known = self
            .directory()
            .user(name)
            .cloned()
            .ok_or_else(|| user_not_found(name))?;
        let patch = UserPatch::parse(body).map_err(invalid)?;
        self.permit(caller, patch.action(&known.name))?;
        let hash = match &patch.password {
            Some(password) => Some(self.stored_form(password).await?),
            None => None,
        };
        let gives_login = matches!(patch.password, Some(NewPassword::Plain(_)));
        if patch.changed_keys(&known.profile).is_empty() {
            return Ok(UserUpdated { new_login: None });
        }
        let now = self.clock().now();
        let name = known.name.clone();
        let user = self
            .write(caller, move |tx| {
                Box::pin(async move {
                    let mut user = still_there(tx, &known).await?;
                    let changed: Vec<String> = patch
                        .changed_keys(&user.profile)
                        .into_iter()
                        .map(str::to_owned)
                        .collect();
                    if changed.is_empty() {
                        return Ok(user);
                    }
                    user.profile = patch.apply(&user.profile);
                    user.modified = Some(now);
                    let kind = if hash.is_some() {
                        EventKind::PasswordChanged
                    } else {
                        EventKind::UserUpdated
                    };
                    if hash.is_some() {
                        user.password_hash = hash;
                    }
                    users::update(tx, &user).await?;
                    tx.record(Event::of_user(kind, &name, json!({ "changed": changed })));
                    Ok(user)
                })
            })
            .await?
            .value;
        Ok(UserUpdated {
            new_login: gives_login.then(|| self.auth().issue_token(&user)),
        })
    }

    /// Removes a user with all indexes and their contents. A non-volatile index forbids it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `no user 'x'`, [`Error::Forbidden`].
    pub async fn remove_user(&self, caller: &Caller, name: &str) -> Result<(), Error> {
        self.catch_up().await?;
        let known = self
            .directory()
            .user(name)
            .cloned()
            .ok_or_else(|| user_not_found(name))?;
        self.permit(caller, Action::RemoveUser(&known.name))?;
        let name = known.name.clone();
        self.write(caller, move |tx| {
            Box::pin(async move {
                let user = still_there(tx, &known).await?;
                let mut owned: Vec<Index> = indexes::list(tx).await?;
                owned.retain(|index| index.name.user == name);
                owned.sort_by(|one, other| one.name.cmp(&other.name));
                if let Some(index) = owned.iter().find(|index| !index.config.volatile) {
                    return Err(Error::Forbidden(format!(
                        "user '{name}' has non-volatile index: {}",
                        index.name.index
                    )));
                }
                for index in &owned {
                    indexes::remove(tx, index.id).await?;
                    tx.record(Event::of_index(
                        EventKind::IndexRemoved,
                        &index.name,
                        json!({}),
                    ));
                }
                users::remove(tx, user.id).await?;
                tx.record(Event::of_user(EventKind::UserRemoved, &name, json!({})));
                Ok(())
            })
        })
        .await?;
        Ok(())
    }

    /// Asks [`permission::judge`], with the policy of this server.
    pub(crate) fn permit(&self, caller: &Caller, action: Action<'_>) -> Result<(), Error> {
        permission::judge(self.auth().policy(), caller, action)
            .into_result()
            .map_err(|reason| Error::Forbidden(reason.to_string()))
    }

    fn view(&self, directory: &Directory, caller: &Caller, user: &Arc<User>) -> UserView {
        UserView {
            user: Arc::clone(user),
            indexes: directory
                .indexes_of(user.name.as_str())
                .filter(|index| directory.readable(caller, index.id))
                .map(|index| self.presented(directory, caller, index))
                .collect(),
        }
    }

    async fn stored_form(&self, password: &NewPassword) -> Result<String, Error> {
        match password {
            NewPassword::Plain(password) => self.auth().hash_new_password(password).await,
            NewPassword::Hash(hash) => {
                check_foreign_hash(hash.expose_secret())?;
                Ok(hash.expose_secret().to_owned())
            }
        }
    }
}

/// The user as they are now: they may have been removed while the request waited, and somebody else may have the name.
pub(crate) async fn still_there(tx: &mut Transaction, known: &User) -> Result<User, Error> {
    users::find(tx, known.name.as_str())
        .await?
        .filter(|user| user.id == known.id)
        .ok_or_else(|| user_not_found(known.name.as_str()))
}

fn user_exists() -> Error {
    Error::Conflict("user already exists".to_owned())
}

pub(crate) fn user_not_found(name: &str) -> Error {
    Error::NotFound(format!("no user '{name}'"))
}

pub(crate) fn invalid(error: impl std::fmt::Display) -> Error {
    Error::Invalid(error.to_string())
}
