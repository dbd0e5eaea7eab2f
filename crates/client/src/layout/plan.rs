//! A plan: what is to be done, step by step.

use std::fmt;

use cheeseshop_domain::{IndexName, JsonMap, UserName};
use secrecy::SecretString;
use serde_json::Value;

use super::shown;

/// What a plan may do.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Remove users and indexes that the layout does not name. `root`, `root`'s indexes and the caller stay.
    pub prune: bool,
    /// Send URLs with credentials again that look right, though the server hides the credentials.
    pub send_secrets: bool,
    /// Make mirrors without an upstream. Some versions of devpi-server stumble over them.
    pub allow_empty_mirrors: bool,
    /// Who will apply it: is never removed, and gets a new password last, since that ends the login.
    pub caller: Option<String>,
}

/// A user or an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A user.
    User(UserName),
    /// An index.
    Index(IndexName),
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(formatter, "user {name}"),
            Self::Index(name) => write!(formatter, "index {name}"),
        }
    }
}

/// What becomes of a user or an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create,
    /// Keys get other values.
    Change,
    /// It is removed, with all that it holds.
    Remove,
}

/// A key that gets another value, both as they may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What it was. `None`: it had no value, or none that can be shown.
    pub old: Option<Value>,
    /// What it becomes. `None`: nothing, or nothing that can be shown.
    pub new: Option<Value>,
}

/// One thing to do.
#[derive(Debug)]
pub struct Step {
    /// To whom or what.
    pub subject: Subject,
    /// What.
    pub action: Action,
    /// The keys that are set; of a password only the key is told.
    pub changes: Vec<Change>,
    pub(super) settings: Settings,
    pub(super) password: Password,
    /// What has to be there first.
    pub(super) needs: Vec<Subject>,
}

/// What is sent. Is not shown, since it may hold secrets.
#[derive(Default)]
pub(super) struct Settings(pub(super) JsonMap);

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// What becomes of a user's password.
#[derive(Debug)]
pub(super) enum Password {
    Stays,
    Given(SecretString),
    Generated,
}

/// What to do, in an order that a server can follow: users before their indexes, bases before their heirs.
#[derive(Debug, Default)]
pub struct Plan {
    /// One after the other.
    pub steps: Vec<Step>,
    /// What is as it should be already.
    pub unchanged: Vec<Subject>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many steps do this.
    pub fn count(&self, action: Action) -> usize {
        self.steps
            .iter()
            .filter(|step| step.action == action)
            .count()
    }

    pub(super) fn push(&mut self, step: Step) {
        if step.action == Action::Change && step.changes.is_empty() {
            self.unchanged.push(step.subject);
        } else {
            self.steps.push(step);
        }
    }
}

impl Step {
    /// Sets keys: name, old value, new value as a server keeps it, new value as it is sent.
    pub(super) fn set<'a>(
        &mut self,
        keys: impl Iterator<Item = (&'a str, Option<&'a Value>, &'a Value, &'a Value)>,
    ) {
        for (key, old, kept, sent) in keys {
            let shown = |value: &Value| {
                let value = shown::shown(key, value);
                (!value.is_null()).then_some(value)
            };
            self.changes.push(Change {
                key: key.to_owned(),
                old: old.and_then(shown),
                new: shown(kept),
            });
            self.settings.0.insert(key.to_owned(), sent.clone());
        }
    }

    /// Whether a password will be made up.
    pub fn generates_password(&self) -> bool {
        matches!(self.password, Password::Generated)
    }
}
