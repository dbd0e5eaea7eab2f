//! Users and indexes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::format_time;
use crate::{Index, JsonMap, User};

/// A user, with their indexes. Passwords and hashes have no place in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserDocument {
    /// Where to reach them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<Value>,
    /// When the user was made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created: Option<String>,
    /// Their indexes: name to configuration.
    #[serde(default)]
    pub indexes: JsonMap,
    /// Their name for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<Value>,
    /// More about them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<Value>,
    /// Whatever a tool keeps there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub custom_data: Option<Value>,
    /// When the record last changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub modified: Option<String>,
    /// Their name.
    pub username: String,
}

impl UserDocument {
    /// The document of a user; `indexes` are those that the caller may see.
    pub fn new<'a>(user: &User, indexes: impl IntoIterator<Item = &'a Index>) -> Self {
        let indexes = indexes
            .into_iter()
            .map(|index| {
                let config = Value::Object(index.config.to_json());
                (index.name.index.to_string(), config)
            })
            .collect();
        Self {
            email: user.profile.email.clone(),
            created: Some(format_time(user.created)),
            indexes,
            title: user.profile.title.clone(),
            description: user.profile.description.clone(),
            custom_data: user.profile.custom_data.clone(),
            modified: user.modified.map(format_time),
            username: user.name.to_string(),
        }
    }
}

/// The document of an index: its configuration and, when they are given, its projects.
pub fn index_document(index: &Index, projects: Option<&[String]>) -> JsonMap {
    let mut document = index.config.to_json();
    if let Some(projects) = projects {
        document.insert("projects".to_owned(), json!(projects));
    }
    document
}
