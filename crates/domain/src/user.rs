//! A user: who they are and what they say about themselves.

use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use crate::{Action, JsonMap, UserId, UserName, is_empty};

/// Keys that may be sent back, as the client does with a record that it has read, and mean nothing.
const IGNORED_KEYS: [&str; 4] = ["username", "indexes", "created", "modified"];

/// A user of this server.
#[derive(Clone, PartialEq)]
pub struct User {
    /// Their identity.
    pub id: UserId,
    /// Their name.
    pub name: UserName,
    /// The password as an argon2 PHC string. `None`: they cannot log in with a password kept here.
    pub password_hash: Option<String>,
    /// What they say about themselves.
    pub profile: UserProfile,
    /// When the user was made.
    pub created: Timestamp,
    /// When the profile or the password last changed; `None` until then.
    pub modified: Option<Timestamp>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("has_password", &self.password_hash.is_some())
            .field("profile", &self.profile)
            .field("created", &self.created)
            .field("modified", &self.modified)
            .finish()
    }
}

/// What a user may write about themselves; any JSON, as in devpi. An empty value is an absent one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserProfile {
    /// Where to reach them.
    pub email: Option<Value>,
    /// Their name for people.
    pub title: Option<Value>,
    /// More about them.
    pub description: Option<Value>,
    /// Whatever else a tool wants to keep.
    pub custom_data: Option<Value>,
}

impl UserProfile {
    /// The present values under their keys.
    pub fn to_json(&self) -> JsonMap {
        let entries = [
            ("email", &self.email),
            ("title", &self.title),
            ("description", &self.description),
            ("custom_data", &self.custom_data),
        ];
        entries
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)))
            .collect()
    }

    /// Reads what [`UserProfile::to_json`] wrote; other keys are left alone.
    pub fn from_json(map: &JsonMap) -> Self {
        let mut profile = Self::default();
        for (key, value) in map {
            profile.set(key, value);
        }
        profile
    }

    /// Sets one key, or removes it when the value is empty. False for a key that no profile has.
    fn set(&mut self, key: &str, value: &Value) -> bool {
        let slot = match key {
            "email" => &mut self.email,
            "title" => &mut self.title,
            "description" => &mut self.description,
            "custom_data" => &mut self.custom_data,
            _ => return false,
        };
        *slot = (!is_empty(value)).then(|| value.clone());
        true
    }
}

/// A password as it arrives.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// In clear, to be hashed.
    Plain(SecretString),
    /// An argon2 PHC string, taken as it is.
    Hash(SecretString),
}

/// The body of the request that makes a user.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The password; an empty one is legal.
    pub password: NewPassword,
    /// What they say about themselves.
    pub profile: UserProfile,
}

impl NewUser {
    /// Reads the body of `PUT /USER`. Unknown keys are errors.
    pub fn parse(body: &JsonMap) -> Result<Self, UserConfigError> {
        let password = parse_password(body)?;
        if body.get("password").is_none_or(Value::is_null) {
            return Err(UserConfigError::PasswordMissing);
        }
        let password = password.ok_or(UserConfigError::PasswordMissing)?;
        let mut profile = UserProfile::default();
        let mut unknown = Vec::new();
        for (key, value) in body {
            let known = IGNORED_KEYS.contains(&key.as_str())
                || is_password_key(key)
                || profile.set(key, value);
            if !known {
                unknown.push(crate::name::printable(key));
            }
        }
        if unknown.is_empty() {
            Ok(Self { password, profile })
        } else {
            Err(UserConfigError::UnknownKeys(unknown))
        }
    }
}

/// The body of the request that changes a user.
#[derive(Debug, Clone)]
pub struct UserPatch {
    /// The new password, when there is one.
    pub password: Option<NewPassword>,
    changes: JsonMap,
    only_password: bool,
}

impl UserPatch {
    /// Reads the body of `PATCH /USER`. Unknown keys are dropped; absent keys stay as they are.
    pub fn parse(body: &JsonMap) -> Result<Self, UserConfigError> {
        let changes = body
            .iter()
            .filter(|(key, value)| UserProfile::default().set(key, value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Ok(Self {
            password: parse_password(body)?,
            changes,
            only_password: body.len() == 1 && body.contains_key("password"),
        })
    }

    /// What the caller must be allowed to do: a body that holds nothing but `password` needs less.
    pub fn action<'a>(&self, user: &'a UserName) -> Action<'a> {
        if self.only_password {
            Action::ChangePassword(user)
        } else {
            Action::ModifyUser(user)
        }
    }

    /// The profile after the patch.
    pub fn apply(&self, profile: &UserProfile) -> UserProfile {
        let mut changed = profile.clone();
        for (key, value) in &self.changes {
            changed.set(key, value);
        }
        changed
    }

    /// The names of the keys that change something, `password` first: what the change log may say.
    pub fn changed_keys(&self, profile: &UserProfile) -> Vec<&str> {
        let before = profile.to_json();
        let after = self.apply(profile).to_json();
        let password = self.password.as_ref().map(|_| "password");
        let changed = |key: &&String| before.get(*key) != after.get(*key);
        let keys = self.changes.keys().filter(changed).map(String::as_str);
        password.into_iter().chain(keys).collect()
    }
}

/// Why the body of a request about a user was refused. Texts are devpi's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserConfigError {
    /// A new user needs a password, be it an empty one.
    #[error("password needs to be set")]
    PasswordMissing,
    /// A password that is no text.
    #[error("password must be a string")]
    PasswordNotText,
    /// A hash in a form that could never be verified.
    #[error("pwhash must be an argon2 hash in PHC string format")]
    UnusableHash,
    /// Keys that no user has.
    #[error("Unknown keys in user config: {}", .0.join(", "))]
    UnknownKeys(Vec<String>),
}

/// The hash wins over the password, as in devpi; an empty hash counts as none.
fn parse_password(body: &JsonMap) -> Result<Option<NewPassword>, UserConfigError> {
    match body.get("pwhash") {
        Some(Value::String(hash)) if hash.starts_with("$argon2") => {
            return Ok(Some(NewPassword::Hash(SecretString::from(hash.as_str()))));
        }
        Some(value) if !is_empty(value) => return Err(UserConfigError::UnusableHash),
        _ => {}
    }
    match body.get("password") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(password)) => Ok(Some(NewPassword::Plain(SecretString::from(
            password.as_str(),
        )))),
        Some(_) => Err(UserConfigError::PasswordNotText),
    }
}

/// `pwsalt` belongs to data of old servers; it is accepted and means nothing.
fn is_password_key(key: &str) -> bool {
    matches!(key, "password" | "pwhash" | "pwsalt")
}
