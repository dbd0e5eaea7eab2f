//! What a database needs before anybody can log in, and passwords set from the command line.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cheeseshop_domain::{Event, EventKind, IndexConfig, IndexName, User, UserName, UserProfile};
use cheeseshop_storage::database::{indexes, settings, users};
use cheeseshop_storage::{Database, Origin};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::password::check_foreign_hash;
use crate::users::user_not_found;
use crate::{App, Error};

/// The setting that holds the key of login tokens.
const TOKEN_KEY: &str = "auth.token_key";

/// What [`App::ensure_root`] found or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// `root`, and `root/pypi` if asked for, were created by this call.
    Created,
    /// There was a `root` already; nothing was changed.
    AlreadyThere,
}

impl App {
    /// Sets a user's password without asking for permission: for the command line.
    /// All login tokens of the user end.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] with `no user 'x'`, [`Error::Invalid`] for an empty
    /// password where those are not allowed.
    pub async fn set_password(&self, name: &str, password: &SecretString) -> Result<(), Error> {
        let hash = self.auth().hash_new_password(password).await?;
        let name = name.to_owned();
        let now = self.clock().now();
        self.write_as(system(None), move |tx| {
            Box::pin(async move {
                let mut user = users::find(tx, &name)
                    .await?
                    .ok_or_else(|| Error::NotFound(format!("no user '{name}'")))?;
                user.password_hash = Some(hash);
                user.modified = Some(now);
                users::update(tx, &user).await?;
                tx.record(Event {
                    kind: EventKind::PasswordChanged,
                    subject: name,
                    detail: json!({"by": "command line"}),
                });
                Ok(())
            })
        })
        .await?;
        Ok(())
    }

    /// Whether this is the password of a user at this moment: for what this machine itself has kept, not for callers, whose
    /// guesses are counted.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] with `no user 'x'`, and whatever the database gives.
    pub async fn has_password(&self, name: &str, password: &SecretString) -> Result<bool, Error> {
        let mut reader = self.db().reader().await?;
        let user = users::find(&mut reader, name).await?;
        drop(reader);
        let user = user.ok_or_else(|| user_not_found(name))?;
        let stored = user.password_hash.as_deref();
        self.auth().passwords.verify(password, stored).await
    }

    /// Creates user `root` with `password` and, when `upstream` is given, the
    /// mirror `root/pypi` of it, unless there is a `root` already.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for an unusable password or upstream.
    pub async fn ensure_root(
        &self,
        password: &SecretString,
        upstream: Option<&str>,
    ) -> Result<FirstStart, Error> {
        self.catch_up().await?;
        if self.directory().user("root").is_some() {
            return Ok(FirstStart::AlreadyThere);
        }
        let hash = self.auth().hash_new_password(password).await?;
        self.create_root(hash, upstream).await
    }

    /// As [`App::ensure_root`], with a password that was hashed elsewhere: devpi-init's
    /// `--root-passwd-hash`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for what is no affordable argon2 hash in PHC format, and for an unusable
    /// upstream.
    pub async fn ensure_root_with_hash(
        &self,
        hash: &SecretString,
        upstream: Option<&str>,
    ) -> Result<FirstStart, Error> {
        let hash = hash.expose_secret();
        check_foreign_hash(hash)?;
        self.catch_up().await?;
        if self.directory().user("root").is_some() {
            return Ok(FirstStart::AlreadyThere);
        }
        self.create_root(hash.to_owned(), upstream).await
    }

    async fn create_root(&self, hash: String, upstream: Option<&str>) -> Result<FirstStart, Error> {
        let root = UserName::parse("root").expect("`root` is a legal user name");
        let mirror = upstream
            .map(|upstream| default_mirror(&root, upstream))
            .transpose()?;
        let now = self.clock().now();
        let committed = self
            .write_as(system(None), move |tx| {
                Box::pin(async move {
                    // Another node may start on the same new database.
                    if users::find(tx, "root").await?.is_some() {
                        return Ok(FirstStart::AlreadyThere);
                    }
                    let user =
                        users::create(tx, &root, Some(&hash), &UserProfile::default(), now).await?;
                    tx.record(Event {
                        kind: EventKind::UserCreated,
                        subject: "root".to_owned(),
                        detail: json!({}),
                    });
                    if let Some((name, config)) = mirror {
                        indexes::create(tx, user.id, &name, &config, now).await?;
                        tx.record(Event {
                            kind: EventKind::IndexCreated,
                            subject: name.to_string(),
                            detail: json!({"type": "mirror"}),
                        });
                    }
                    Ok(FirstStart::Created)
                })
            })
            .await?;
        Ok(committed.value)
    }

    /// Rewrites a stored hash whose cost is not today's; `None` when it is.
    ///
    /// Login tokens are bound to the stored hash, so older tokens of the user end here; that
    /// happens once after a change of the settings.
    pub(super) async fn renew_outdated_hash(
        &self,
        user: &Arc<User>,
        password: &SecretString,
        address: Option<IpAddr>,
    ) -> Result<Option<User>, Error> {
        let Some(old) = user.password_hash.clone() else {
            return Ok(None);
        };
        if !self.auth().passwords.is_outdated(&old) {
            return Ok(None);
        }
        let hash = self.auth().passwords.hash(password).await?;
        let name = user.name.clone();
        let committed = self
            .write_as(system(address), move |tx| {
                Box::pin(async move {
                    let Some(mut user) = users::find(tx, name.as_str()).await? else {
                        return Ok(None);
                    };
                    // Somebody changed the password meanwhile: theirs stands.
                    if user.password_hash.as_deref() != Some(&old) {
                        return Ok(None);
                    }
                    user.password_hash = Some(hash);
                    users::update(tx, &user).await?;
                    tx.record(Event {
                        kind: EventKind::UserUpdated,
                        subject: name.to_string(),
                        detail: json!({"rehashed": true}),
                    });
                    Ok(Some(user))
                })
            })
            .await?;
        Ok(committed.value)
    }
}

/// The key of login tokens, made once and kept in the database for all nodes.
pub(super) async fn token_key(database: &Database) -> Result<[u8; 32], Error> {
    let mut reader = database.reader().await?;
    let known = settings::get(&mut reader, TOKEN_KEY).await?;
    drop(reader);
    let text = match known {
        Some(text) => text,
        None => {
            database
                .write::<_, Error, _>(system(None), |tx| {
                    Box::pin(async move {
                        if let Some(text) = settings::get(tx, TOKEN_KEY).await? {
                            return Ok(text);
                        }
                        let mut key = [0_u8; 32];
                        getrandom::fill(&mut key).map_err(Error::internal)?;
                        let text = STANDARD_NO_PAD.encode(key);
                        settings::set(tx, TOKEN_KEY, &text).await?;
                        Ok(text)
                    })
                })
                .await?
                .value
        }
    };
    STANDARD_NO_PAD
        .decode(&text)
        .ok()
        .and_then(|key| key.try_into().ok())
        .ok_or_else(|| Error::internal(format!("the setting `{TOKEN_KEY}` is damaged")))
}

/// Who acts when no caller asked for it.
fn system(address: Option<IpAddr>) -> Origin {
    Origin {
        actor: "system".to_owned(),
        address,
    }
}

/// The mirror that devpi's first start makes: `root/pypi`, never volatile.
fn default_mirror(root: &UserName, upstream: &str) -> Result<(IndexName, IndexConfig), Error> {
    let name = IndexName::of(root, "pypi").expect("`pypi` is a legal index name");
    let mut body = json!({
        "type": "mirror",
        "volatile": false,
        "title": "PyPI",
        "mirror_url": upstream,
    });
    if let Some(pages) = project_pages(upstream) {
        body["mirror_web_url_fmt"] = json!(pages);
    }
    let body = body.as_object().expect("an object was written above");
    let config = IndexConfig::create(root, body, &|_| false)
        .map_err(|errors| Error::Invalid(errors.to_string()))?;
    Ok((name, config))
}

/// Where people read about projects, on servers laid out as PyPI: `/project/NAME/` beside
/// `/simple/`. Elsewhere nothing is known of it.
fn project_pages(upstream: &str) -> Option<String> {
    let mut url = Url::parse(upstream).ok()?;
    if url.path().trim_end_matches('/') != "/simple" {
        return None;
    }
    // Neither fails for a URL that has a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_path("/project/");
    url.set_query(None);
    Some(format!("{url}{{name}}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_pages_are_known_beside_a_simple_api_at_the_root_only() {
        for (upstream, pages) in [
            (
                "https://index.example/simple/",
                Some("https://index.example/project/{name}/"),
            ),
            (
                "https://u:p@index.example/simple",
                Some("https://index.example/project/{name}/"),
            ),
            ("https://index.example/root/pypi/+simple/", None),
            ("not a url", None),
        ] {
            assert_eq!(project_pages(upstream).as_deref(), pages, "{upstream}");
        }
    }
}
