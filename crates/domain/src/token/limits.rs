//! What remains of all restrictions of a token together.

use std::collections::BTreeSet;
use std::fmt;

use cheeseshop_packaging::ProjectName;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Permission;
use crate::IndexName;

/// What a token may do at most. The default is everything that any token may.
///
/// Each [`Limits::narrow`] takes something away and nothing ever gives anything back, so whoever holds
/// a token can hand on a narrower one and never a wider one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// `None`: everything.
    allowed: Option<BTreeSet<Permission>>,
    /// Full names; `None`: all indexes.
    indexes: Option<BTreeSet<Box<str>>>,
    /// Normalized names; `None`: all projects.
    projects: Option<BTreeSet<Box<str>>>,
    /// The first second in which it holds, in Unix time.
    not_before: Option<i64>,
    /// The first second in which it no longer holds.
    expires: Option<i64>,
}

/// A restriction that this server does not know, which is why nothing can be allowed under it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Caveat not met. Unable to satisfy: {0}")]
pub struct UnknownRestriction(pub String);

/// The token does not hold at the moment. `Display` is devpi's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLimit {
    /// It has expired, at this second.
    Expired(i64),
    /// It does not hold before this second.
    NotYet(i64),
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = match self {
            Self::Expired(second) => {
                write!(f, "Token expired at {second}")?;
                second
            }
            Self::NotYet(second) => {
                write!(f, "Token not valid before {second}")?;
                second
            }
        };
        match Timestamp::from_second(*second) {
            Ok(time) => write!(f, " ({}+00:00)", time.strftime("%Y-%m-%d %H:%M:%S")),
            Err(_) => Ok(()),
        }
    }
}

impl std::error::Error for TimeLimit {}

impl Limits {
    /// The limits that these restrictions leave.
    ///
    /// # Errors
    /// [`UnknownRestriction`] for the first one that is not known.
    pub fn of<'r>(
        restrictions: impl IntoIterator<Item = &'r str>,
    ) -> Result<Self, UnknownRestriction> {
        let mut limits = Self::default();
        for restriction in restrictions {
            limits.narrow(restriction)?;
        }
        Ok(limits)
    }

    /// Adds a restriction: devpi-tokens' `key=value`, or one of the JSON forms of PyPI's tokens, which
    /// its tools can add to any token.
    ///
    /// # Errors
    /// [`UnknownRestriction`]; the token must not be used then.
    pub fn narrow(&mut self, restriction: &str) -> Result<(), UnknownRestriction> {
        let known = match restriction.split_once('=') {
            Some((key, value)) if self.narrow_by_key(key, value) => true,
            _ => serde_json::from_str(restriction).is_ok_and(|value| self.narrow_by_json(&value)),
        };
        if known {
            Ok(())
        } else {
            Err(UnknownRestriction(restriction.to_owned()))
        }
    }

    fn narrow_by_key(&mut self, key: &str, value: &str) -> bool {
        let items = || value.split(',').map(str::trim);
        match key {
            "allowed" => keep_common(&mut self.allowed, items().filter_map(Permission::parse)),
            "indexes" => keep_common(&mut self.indexes, items().map(Box::from)),
            "projects" => keep_common(&mut self.projects, items().filter_map(normalized)),
            "expires" if value == "never" => {}
            // What is no number has expired long ago, and is never valid (devpi's rule).
            "expires" => self.end_at(value.trim().parse().unwrap_or(0)),
            "not_before" => self.begin_at(value.trim().parse().unwrap_or(i64::MAX)),
            _ => return false,
        }
        true
    }

    /// `{"version": 1, "permissions": "user" | {"projects": […]}}`, `{"nbf": n, "exp": n}`,
    /// `[0, exp, nbf]` and `[1, […]]`, with no key more: it may be the one that matters.
    fn narrow_by_json(&mut self, restriction: &Value) -> bool {
        match restriction {
            Value::Object(map) => {
                if let Some([version, permissions]) = exactly(map, ["version", "permissions"]) {
                    *version == 1 && self.narrow_to_permissions(permissions)
                } else if let Some([expires, not_before]) = exactly(map, ["exp", "nbf"]) {
                    self.narrow_to_times(expires, not_before)
                } else {
                    false
                }
            }
            Value::Array(items) => match items.as_slice() {
                [kind, expires, not_before] if *kind == 0 => {
                    self.narrow_to_times(expires, not_before)
                }
                [kind, projects] if *kind == 1 => self.narrow_to_projects(projects),
                _ => false,
            },
            _ => false,
        }
    }

    fn narrow_to_permissions(&mut self, permissions: &Value) -> bool {
        match permissions {
            Value::String(whose) => whose == "user",
            Value::Object(map) => exactly(map, ["projects"])
                .is_some_and(|[projects]| self.narrow_to_projects(projects)),
            _ => false,
        }
    }

    fn narrow_to_times(&mut self, expires: &Value, not_before: &Value) -> bool {
        let (Some(expires), Some(not_before)) = (expires.as_i64(), not_before.as_i64()) else {
            return false;
        };
        self.end_at(expires);
        self.begin_at(not_before);
        true
    }

    fn narrow_to_projects(&mut self, projects: &Value) -> bool {
        let Some(projects) = projects.as_array() else {
            return false;
        };
        let names = projects.iter().filter_map(Value::as_str);
        keep_common(&mut self.projects, names.filter_map(normalized));
        true
    }

    fn end_at(&mut self, second: i64) {
        self.expires = Some(self.expires.map_or(second, |known| known.min(second)));
    }

    fn begin_at(&mut self, second: i64) {
        self.not_before = Some(self.not_before.map_or(second, |known| known.max(second)));
    }

    /// Whether the token holds now, to the second.
    ///
    /// # Errors
    /// [`TimeLimit`] when it has expired or does not hold yet.
    pub fn check_time(&self, now: Timestamp) -> Result<(), TimeLimit> {
        let now = now.as_second();
        if let Some(expires) = self.expires.filter(|expires| now >= *expires) {
            return Err(TimeLimit::Expired(expires));
        }
        match self.not_before.filter(|not_before| now < *not_before) {
            Some(not_before) => Err(TimeLimit::NotYet(not_before)),
            None => Ok(()),
        }
    }

    /// Whether this is among what the token allows at all.
    pub fn allows(&self, permission: Permission) -> bool {
        self.allowed
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&permission))
    }

    /// Whether the token covers the index.
    pub fn covers_index(&self, index: &IndexName) -> bool {
        let is_named = |name: &str| {
            name.split_once('/')
                .is_some_and(|(user, name)| index.user == *user && *index.index == *name)
        };
        self.indexes
            .as_ref()
            .is_none_or(|indexes| indexes.iter().any(|name| is_named(name)))
    }

    /// Whether the token covers the project of this normalized name.
    pub fn covers_project(&self, normalized: &str) -> bool {
        self.projects
            .as_ref()
            .is_none_or(|projects| projects.contains(normalized))
    }

    /// Whether the token covers every project there is.
    pub fn covers_all_projects(&self) -> bool {
        self.projects.is_none()
    }
}

/// The values of these keys, when the map has them and no others.
fn exactly<'m, const N: usize>(
    map: &'m Map<String, Value>,
    keys: [&str; N],
) -> Option<[&'m Value; N]> {
    let mut values = [&Value::Null; N];
    for (value, key) in values.iter_mut().zip(keys) {
        *value = map.get(key)?;
    }
    (map.len() == N).then_some(values)
}

fn keep_common<T: Ord>(known: &mut Option<BTreeSet<T>>, items: impl Iterator<Item = T>) {
    let mut items: BTreeSet<T> = items.collect();
    if let Some(known) = known {
        items.retain(|item| known.contains(item));
    }
    *known = Some(items);
}

fn normalized(name: &str) -> Option<Box<str>> {
    let name = ProjectName::parse(name.trim()).ok()?;
    Some(name.normalized().into())
}
