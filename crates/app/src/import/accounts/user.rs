//! Users of another server as they are to be here.

use cheeseshop_domain::api::parse_time;
use cheeseshop_domain::{
    Event, EventKind, JsonMap, User as OurUser, UserId, UserName, UserProfile,
};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::database::users;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Error;
use crate::auth::stored_form_of_import;
use crate::import::model::User;
use crate::import::report::{Entry, Kind};

/// Keys of a user's record that are dealt with one by one.
const KNOWN_KEYS: [&str; 11] = [
    "username",
    "indexes",
    "created",
    "modified",
    "pwhash",
    "pwsalt",
    "email",
    "title",
    "description",
    "custom_data",
    "tokens",
];

/// A user who is to be here.
#[derive(Clone)]
pub(super) struct PlannedUser {
    pub(super) name: UserName,
    pub(super) password_hash: Option<String>,
    pub(super) profile: UserProfile,
    pub(super) created: Timestamp,
    pub(super) modified: Option<Timestamp>,
    pub(super) differences: Vec<String>,
}

impl PlannedUser {
    pub(super) fn of(user: &User, entries: &mut Vec<Entry>) -> Result<Self, String> {
        let name = UserName::parse(&user.name).map_err(|error| error.to_string())?;
        let mut differences = Vec::new();
        let password_hash = password_hash(&user.record, &mut differences);
        let created = time(&user.record, "created", &mut differences);
        let modified = time(&user.record, "modified", &mut differences);
        for id in user
            .record
            .get("tokens")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(JsonMap::keys)
        {
            entries.push(Entry::skipped(
                Kind::Token,
                format!("{}/{id}", user.name),
                "tokens of devpi-tokens are bound to the secret of the server that made them: make a new one",
            ));
        }
        let unknown: Vec<&str> = user
            .record
            .keys()
            .map(String::as_str)
            .filter(|key| !KNOWN_KEYS.contains(key))
            .collect();
        if !unknown.is_empty() {
            differences.push(format!(
                "keys without meaning here were left out: {}",
                unknown.join(", ")
            ));
        }
        Ok(Self {
            name,
            password_hash,
            profile: UserProfile::from_json(&user.record),
            created: created.unwrap_or(Timestamp::UNIX_EPOCH),
            modified,
            differences,
        })
    }

    /// Whether the user is here already, in all that counts.
    pub(super) fn is(&self, held: &OurUser) -> bool {
        held.password_hash == self.password_hash
            && held.profile == self.profile
            && held.created == self.created
    }

    pub(super) async fn create(&self, tx: &mut Transaction) -> Result<UserId, Error> {
        let hash = self.password_hash.as_deref();
        let mut user = users::create(tx, &self.name, hash, &self.profile, self.created).await?;
        if self.modified.is_some() {
            user.modified = self.modified;
            users::update(tx, &user).await?;
        }
        tx.record(Event::of_user(
            EventKind::UserCreated,
            &self.name,
            json!({}),
        ));
        Ok(user.id)
    }

    pub(super) async fn replace(
        &self,
        tx: &mut Transaction,
        mut held: OurUser,
    ) -> Result<UserId, Error> {
        let kind = if held.password_hash == self.password_hash {
            EventKind::UserUpdated
        } else {
            EventKind::PasswordChanged
        };
        held.password_hash.clone_from(&self.password_hash);
        held.profile = self.profile.clone();
        held.created = self.created;
        held.modified = self.modified;
        users::update(tx, &held).await?;
        tx.record(Event::of_user(kind, &self.name, json!({"by": "import"})));
        Ok(held.id)
    }
}

fn password_hash(record: &JsonMap, differences: &mut Vec<String>) -> Option<String> {
    const CANNOT: &str = "so that there is no login until a new password is set";
    let hash = match record.get("pwhash") {
        None | Some(Value::Null) => return None,
        Some(Value::String(hash)) if hash.is_empty() => return None,
        Some(Value::String(hash)) => hash,
        Some(_) => {
            differences.push(format!(
                "the password hash is no text and was left out, {CANNOT}"
            ));
            return None;
        }
    };
    let salt = record.get("pwsalt").and_then(Value::as_str);
    let stored = stored_form_of_import(hash, salt.filter(|salt| !salt.is_empty())).ok();
    if stored.is_none() {
        differences.push(format!(
            "the password hash is of a form that no devpi-server wrote and was left out, {CANNOT}"
        ));
    }
    stored
}

fn time(record: &JsonMap, key: &str, differences: &mut Vec<String>) -> Option<Timestamp> {
    let value = record.get(key).filter(|value| !value.is_null())?;
    let time = value.as_str().and_then(parse_time);
    if time.is_none() {
        differences.push(format!("`{key}` is no time and was left out"));
    }
    time
}
