//! Users and indexes as data: a file says what there is to be, and a server is made to agree.
//!
//! Three steps, of which the first two are functions of data: [`Layout::read`] takes a file apart and
//! finds everything that is wrong with it, [`Layout::plan`] compares it with what a server has
//! ([`Present`]), and [`Plan::apply`] sends what is missing, in an order that the server can follow. What
//! the layout does not name stays as it is: keys of an index, and (unless [`PlanOptions::prune`] says
//! otherwise) whole users and indexes. [`export`] is the way back, from a server to a file.

mod apply;
mod export;
mod order;
mod plan;
mod planning;
mod present;
mod read;
mod secret;
mod shown;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use cheeseshop_domain::{IndexName, JsonMap, UserName};
use secrecy::SecretString;
use serde_json::Value;

pub use self::apply::{Outcome, generate_password};
pub use self::export::export;
pub use self::plan::{Action, Change, Plan, PlanOptions, Step, Subject};
pub use self::present::Present;
pub use self::secret::SecretSource;
pub use self::text::text_of;

/// The version of the format that is understood.
pub const VERSION: i64 = 1;

/// What there is to be.
#[derive(Debug, Default)]
pub struct Layout {
    users: BTreeMap<UserName, WishedUser>,
    indexes: BTreeMap<IndexName, WishedIndex>,
}

impl Layout {
    /// Reads the text of a layout file. `secret` gets what the file only points at.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(
        text: &str,
        secret: &mut dyn FnMut(&SecretSource) -> Result<SecretString, String>,
    ) -> Result<Self, Problems> {
        read::read(text, secret)
    }

    /// The passwords that users have to have, those of users without one left out.
    pub fn passwords(&self) -> impl Iterator<Item = (&UserName, &SecretString)> {
        self.users
            .iter()
            .filter_map(|(name, user)| Some((name, user.password.as_ref()?)))
    }

    /// The full names of the indexes.
    pub fn indexes(&self) -> impl Iterator<Item = &IndexName> {
        self.indexes.keys()
    }
}

/// A user as there is to be one.
#[derive(Debug, Default)]
struct WishedUser {
    /// `None`: a new user gets a generated one, and that of a present user stays.
    password: Option<SecretString>,
    /// `email`, `title`, `description` and `custom_data`, those that are named.
    profile: JsonMap,
}

/// An index as there is to be one.
struct WishedIndex {
    /// The keys that are named, as they are written. May hold secrets.
    written: JsonMap,
    /// The same, all keys with a default among them, as a server keeps them. May hold secrets.
    kept: JsonMap,
    /// The same, as a server shows them.
    shown: JsonMap,
    bases: Vec<IndexName>,
}

impl fmt::Debug for WishedIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(formatter)
    }
}

impl WishedIndex {
    fn type_name(&self) -> &str {
        type_of(&self.kept)
    }
}

/// One thing that is wrong with a layout, or in the way of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `users.bob`, `indexes."bob/dev".volatile`.
    pub place: String,
    /// What. Holds no secret.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.text)
    }
}

/// Everything that is wrong with a layout, or in the way of it; one line each. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The single ones.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }

    fn unless_any<T>(value: T, problems: Vec<Problem>) -> Result<T, Self> {
        if problems.is_empty() {
            Ok(value)
        } else {
            Err(Self(problems))
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The kind of an index that a server shows; devpi leaves it out of very old ones.
fn type_of(settings: &JsonMap) -> &str {
    settings
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("stage")
}

/// The full names in a list of bases; those that are no names of indexes lead nowhere.
fn bases_of(settings: &JsonMap) -> Vec<IndexName> {
    let bases = settings.get("bases").and_then(Value::as_array);
    bases
        .into_iter()
        .flatten()
        .filter_map(|base| IndexName::parse(base.as_str()?).ok())
        .collect()
}
