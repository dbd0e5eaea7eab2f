//! Tokens of users: make, list, remove.

use cheeseshop_domain::token::{TokenRequest, TokenRequestError};
use cheeseshop_domain::{Action, Caller, Event, EventKind, JsonMap, TokenAct, User, permission};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::database::tokens::{self, TokenRow};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use crate::auth::api_token::new_id;
use crate::users::{still_there, user_not_found};
use crate::{App, Error};

/// A token that was just made: the only time that anybody sees it.
#[derive(Debug)]
pub struct CreatedToken {
    /// Its public name.
    pub id: String,
    /// The token itself.
    pub text: SecretString,
}

/// What is known of a token; not the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    /// Its public name.
    pub id: String,
    /// What was written into it, as `key=value`.
    pub restrictions: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
}

impl App {
    /// Makes a token of a user from the body of devpi-tokens' `POST /USER/+token-create`. Those that
    /// have expired make room.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `no user 'x'`, [`Error::Forbidden`], also for one that would last longer
    /// than the caller may decide, [`Error::Invalid`] with devpi-tokens' texts, [`Error::Conflict`]
    /// for a user who has as many as they may.
    pub async fn create_token(
        &self,
        caller: &Caller,
        user: &str,
        body: &JsonMap,
    ) -> Result<CreatedToken, Error> {
        let user = self.token_owner(caller, user, TokenAct::Create).await?;
        let may_last = permission::may_make_lasting_tokens(self.auth().policy(), caller);
        let now = self.clock().now();
        let request = TokenRequest::parse(body, now, may_last).map_err(|error| refused(&error))?;
        let restrictions: Vec<String> = request
            .restrictions
            .iter()
            .map(ToString::to_string)
            .collect();
        let expires = request
            .expires()
            .and_then(|second| Timestamp::from_second(second).ok());
        let app = self.clone();
        let created = self
            .write(caller, move |tx| {
                Box::pin(async move {
                    let user = still_there(tx, &user).await?;
                    app.make_room(tx, &user, now).await?;
                    loop {
                        let id = new_id()?;
                        // Looked for first: a refused row would end the transaction.
                        if tokens::find(tx, &id).await?.is_some() {
                            continue;
                        }
                        let new =
                            app.auth()
                                .held
                                .key
                                .mint(&user.name, &id, restrictions.clone())?;
                        let row = TokenRow {
                            id,
                            user: user.id,
                            secret: new.digest,
                            restrictions,
                            created: now,
                            expires,
                        };
                        tokens::create(tx, &row).await?;
                        tx.record(Event::of_user(
                            EventKind::TokenCreated,
                            &user.name,
                            json!({"token": row.id, "restrictions": row.restrictions}),
                        ));
                        return Ok(CreatedToken {
                            id: row.id,
                            text: new.text,
                        });
                    }
                })
            })
            .await?;
        Ok(created.value)
    }

    /// A user's tokens, sorted by id; those that have expired are among them until a new one is made.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `no user 'x'`, [`Error::Forbidden`].
    pub async fn list_tokens(&self, caller: &Caller, user: &str) -> Result<Vec<TokenView>, Error> {
        let user = self.token_owner(caller, user, TokenAct::List).await?;
        let mut reader = self.db().reader().await?;
        let rows = tokens::list_of_user(&mut reader, user.id).await?;
        Ok(rows
            .into_iter()
            .map(|row| TokenView {
                id: row.id,
                restrictions: row.restrictions,
                created: row.created,
            })
            .collect())
    }

    /// Removes a token; those derived from it end with it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `No token with id x`, also for one of another user; else as
    /// [`App::list_tokens`].
    pub async fn remove_token(&self, caller: &Caller, user: &str, id: &str) -> Result<(), Error> {
        let user = self.token_owner(caller, user, TokenAct::Remove).await?;
        let id = id.to_owned();
        self.write(caller, move |tx| {
            Box::pin(async move {
                let user = still_there(tx, &user).await?;
                if !tokens::remove(tx, user.id, &id).await? {
                    return Err(Error::NotFound(format!("No token with id {id}")));
                }
                record_removed(tx, &user, &id, "removed");
                Ok(())
            })
        })
        .await?;
        Ok(())
    }

    /// The user, if the caller may see to their tokens.
    async fn token_owner(&self, caller: &Caller, name: &str, act: TokenAct) -> Result<User, Error> {
        self.catch_up().await?;
        let directory = self.directory();
        let user = directory.user(name).ok_or_else(|| user_not_found(name))?;
        self.permit(caller, Action::ManageTokens(act, &user.name))?;
        Ok(User::clone(user))
    }

    /// Removes what has expired, and sees whether there is room for one more.
    async fn make_room(
        &self,
        tx: &mut Transaction,
        user: &User,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut held = 0;
        for row in tokens::list_of_user(tx, user.id).await? {
            if row.expires.is_some_and(|expires| expires <= now) {
                tokens::remove(tx, user.id, &row.id).await?;
                record_removed(tx, user, &row.id, "expired");
            } else {
                held += 1;
            }
        }
        if held < self.auth().tokens_per_user() {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "user '{}' has {held} tokens, and may not have more; remove one first",
            user.name
        )))
    }
}

fn record_removed(tx: &mut Transaction, user: &User, id: &str, why: &str) {
    tx.record(Event::of_user(
        EventKind::TokenRemoved,
        &user.name,
        json!({"token": id, "why": why}),
    ));
}

fn refused(error: &TokenRequestError) -> Error {
    let text = error.to_string();
    if error.is_about_permission() {
        Error::Forbidden(text)
    } else {
        Error::Invalid(text)
    }
}
