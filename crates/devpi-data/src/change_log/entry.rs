//! One commit of a devpi-server.

use super::decode::{DecodeError, Limits, decode};
use super::value::Value;

/// One commit: the keys that were written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entry {
    /// The keys with their new values, each once.
    pub changes: Vec<Change>,
    /// Files below the server directory that the commit put in place (names that end in `-tmp`,
    /// before the rename) or removed (all others).
    pub files: Vec<String>,
}

/// A key that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The key, such as `bob/dev/.projects`.
    pub key: String,
    /// What sort of key it is, such as `PROJNAMES`.
    pub name: String,
    /// The commit that wrote it last before, -1 for none.
    pub previous: i64,
    /// The new value; `None` when the key was removed.
    pub value: Option<Value>,
}

/// Why bytes are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// They are no value at all.
    #[error("unreadable entry of the change log")]
    Decode(#[from] DecodeError),
    /// They are a value of another form.
    #[error("what should be an entry of the change log is something else")]
    Form,
}

impl Entry {
    /// Reads the bytes of an entry, as the database and `GET /+changelog/SERIAL` have it.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(bytes: &[u8], limits: Limits) -> Result<Self, EntryError> {
        Self::from_value(decode(bytes, limits)?).ok_or(EntryError::Form)
    }

    fn from_value(value: Value) -> Option<Self> {
        let Value::Tuple(parts) = value else {
            return None;
        };
        let [Value::Dict(changes), files] = <[Value; 2]>::try_from(parts).ok()? else {
            return None;
        };
        let changes = changes
            .into_iter()
            .map(|(key, change)| Change::from_value(key, change))
            .collect::<Option<_>>()?;
        let files = files.as_items()?;
        let files = files
            .iter()
            .map(|file| Some(file.as_text()?.to_owned()))
            .collect::<Option<_>>()?;
        Some(Self { changes, files })
    }

    /// The entry as devpi encodes it.
    pub fn to_value(&self) -> Value {
        let changes = self
            .changes
            .iter()
            .map(|change| {
                let parts = vec![
                    Value::from(change.name.as_str()),
                    Value::Integer(change.previous),
                    change.value.clone().unwrap_or(Value::None),
                ];
                (Value::from(change.key.as_str()), Value::Tuple(parts))
            })
            .collect();
        let files = self.files.iter().map(|file| Value::from(file.as_str()));
        Value::Tuple(vec![Value::Dict(changes), Value::List(files.collect())])
    }
}

impl Change {
    fn from_value(key: Value, change: Value) -> Option<Self> {
        let (Value::Text(key), Value::Tuple(parts)) = (key, change) else {
            return None;
        };
        let [Value::Text(name), Value::Integer(previous), value] =
            <[Value; 3]>::try_from(parts).ok()?
        else {
            return None;
        };
        Some(Self {
            key,
            name,
            previous,
            value: (value != Value::None).then_some(value),
        })
    }
}
