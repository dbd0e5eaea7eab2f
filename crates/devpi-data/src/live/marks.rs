//! Which users, indexes and projects a changed key touches.

use std::collections::{BTreeMap, BTreeSet};

use crate::change_log::{Key, Value};

/// The type of an index that names none.
const STAGE: &str = "stage";

/// Something that has to be taken in again, or removed here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// An index that was removed (and maybe made anew since): `user/index`, and the type that it
    /// had. First, since what it held goes with it.
    RemovedIndex(String, String),
    /// A user with the configuration of their indexes.
    User(String),
    /// A project: `user/index`, and its normalized name.
    Project(String, String),
}

impl Subject {
    /// What the file of the store calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::RemovedIndex(..) => "removed index",
            Self::User(_) => "user",
            Self::Project(..) => "project",
        }
    }

    /// Which one.
    pub(super) fn item(&self) -> String {
        match self {
            Self::User(name) => name.clone(),
            Self::RemovedIndex(index, part) | Self::Project(index, part) => {
                format!("{index}/{part}")
            }
        }
    }

    /// Reads what [`Subject::kind`] and [`Subject::item`] wrote.
    pub(super) fn parse(kind: &str, item: String) -> Option<Self> {
        match kind {
            "user" => Some(Self::User(item)),
            "removed index" => {
                let (index, kind) = split(&item)?;
                Some(Self::RemovedIndex(index, kind))
            }
            "project" => {
                let (index, project) = split(&item)?;
                Some(Self::Project(index, project))
            }
            _ => None,
        }
    }
}

/// `user/index`, and what follows it.
fn split(item: &str) -> Option<(String, String)> {
    let (user, rest) = item.split_once('/')?;
    let (index, part) = rest.split_once('/')?;
    Some((format!("{user}/{index}"), part.to_owned()))
}

/// What a key's change from one value to another touches.
pub(super) fn touched(
    key: &Key<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
) -> BTreeSet<Subject> {
    let project = |user: &str, index: &str, project: &str| {
        Subject::Project(format!("{user}/{index}"), project.to_owned())
    };
    match *key {
        // What is in the lists shows in the records; what mirrors list comes from upstream.
        Key::Users | Key::Links(..) | Key::Other => BTreeSet::new(),
        Key::User(user) => {
            let (before, after) = (index_types(old), index_types(new));
            before
                .into_iter()
                .filter(|(index, _)| !after.contains_key(index))
                .map(|(index, kind)| {
                    Subject::RemovedIndex(format!("{user}/{index}"), kind.to_owned())
                })
                .chain([Subject::User(user.to_owned())])
                .collect()
        }
        Key::Projects(user, index) => {
            let (before, after) = (names(old), names(new));
            before
                .symmetric_difference(&after)
                .map(|name| project(user, index, name))
                .collect()
        }
        Key::Versions(user, index, name) | Key::Release(user, index, name, _) => {
            BTreeSet::from([project(user, index, name)])
        }
        // A file without a date is only a line on a mirror's page.
        Key::File(user, index, _) => [old, new]
            .into_iter()
            .flatten()
            .filter_map(held_project)
            .map(|name| project(user, index, name))
            .collect(),
    }
}

/// The project of a file's entry, if the server has its bytes.
pub(super) fn held_project(entry: &Value) -> Option<&str> {
    entry.get("last_modified")?;
    entry.text("project")
}

fn names(value: Option<&Value>) -> BTreeSet<&str> {
    value.into_iter().flat_map(Value::texts).collect()
}

/// The types of a user's indexes.
fn index_types(record: Option<&Value>) -> BTreeMap<&str, &str> {
    let indexes = record.and_then(|record| record.get("indexes"));
    let Some(Value::Dict(items)) = indexes else {
        return BTreeMap::new();
    };
    items
        .iter()
        .filter_map(|(name, config)| Some((name.as_text()?, config.text("type").unwrap_or(STAGE))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(items: &[(&str, Value)]) -> Value {
        let pair = |(key, value): &(&str, Value)| (Value::from(*key), value.clone());
        Value::Dict(items.iter().map(pair).collect())
    }

    fn set(names: &[&str]) -> Value {
        Value::Set(names.iter().map(|name| Value::from(*name)).collect())
    }

    fn items(key: &Key<'_>, old: Option<&Value>, new: Option<&Value>) -> Vec<String> {
        touched(key, old, new)
            .into_iter()
            .map(|subject| {
                let (kind, item) = (subject.kind(), subject.item());
                assert_eq!(Subject::parse(kind, item.clone()), Some(subject));
                format!("{kind} {item}")
            })
            .collect()
    }

    #[test]
    fn a_record_touches_its_user_and_the_indexes_that_went() {
        let record = |names: &[&str]| {
            let config = |name: &str| match name {
                "c" => dict(&[("type", "mirror".into())]),
                _ => dict(&[]),
            };
            let indexes: Vec<_> = names.iter().map(|name| (*name, config(name))).collect();
            dict(&[("indexes", dict(&indexes))])
        };
        let (two, one) = (record(&["a", "b"]), record(&["b", "c"]));
        let key = Key::User("bob");
        assert_eq!(items(&key, None, Some(&two)), ["user bob"]);
        assert_eq!(
            items(&key, Some(&two), Some(&one)),
            ["removed index bob/a/stage", "user bob"]
        );
        assert_eq!(
            items(&key, Some(&one), None),
            [
                "removed index bob/b/stage",
                "removed index bob/c/mirror",
                "user bob"
            ]
        );
    }

    #[test]
    fn lists_touch_what_came_and_went() {
        let key = Key::Projects("bob", "dev");
        assert_eq!(
            items(&key, Some(&set(&["a", "b"])), Some(&set(&["b", "c"]))),
            ["project bob/dev/a", "project bob/dev/c"]
        );
        assert_eq!(
            items(&Key::Users, None, Some(&set(&["bob"]))),
            [] as [&str; 0]
        );
    }

    #[test]
    fn files_touch_their_project_when_there_are_bytes() {
        let key = Key::File("root", "pypi", "root/pypi/+f/7f0/c4e/x.whl");
        let listed = dict(&[("project", "x".into())]);
        let held = dict(&[("project", "x".into()), ("last_modified", "then".into())]);
        assert_eq!(items(&key, None, Some(&listed)), [] as [&str; 0]);
        for (old, new) in [
            (Some(&listed), Some(&held)),
            (Some(&held), Some(&listed)),
            (Some(&held), None),
        ] {
            assert_eq!(items(&key, old, new), ["project root/pypi/x"]);
        }
    }
}
