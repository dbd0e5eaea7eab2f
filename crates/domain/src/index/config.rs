//! The configuration of an index: made, changed, shown, stored.
//!
//! All three ways in (a new index, a JSON object, devpi's list of operations) end in setting keys one by
//! one, so that each key is checked in one place. All problems are reported at once.

use serde_json::{Value, json};

use super::{
    ConfigError, ConfigErrors, HostedConfig, IndexKind,
    kind::{Outcome, Secrets},
    trigger::{self, TriggerUrl},
    value::{parse_acl, parse_boolean, parse_principal, show},
};
use crate::{Acl, IndexName, JsonMap, UserName, name::printable};

/// Keys that are taken on every kind of index, and dropped where the kind does not have them, so that one
/// set of settings can be sent to any index. Also what a reply holds that a client sends back.
const DROPPED_KEYS: [&str; 5] = [
    "bases",
    "acl_upload",
    "mirror_whitelist",
    "pypi_whitelist",
    "projects",
];

/// How many operations one patch may have. Each of them reads and writes its list anew, and patches are
/// made inside write transactions, so that thousands would hold up everybody.
const MAX_OPERATIONS: usize = 200;

/// Tells whether an index may be named as a base.
pub type BaseExists<'a> = &'a dyn Fn(&IndexName) -> bool;

/// The configuration of an index.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexConfig {
    /// What kind of index it is, with the settings of that kind. The kind never changes.
    pub kind: IndexKind,
    /// Whether a file name may get other bytes, and contents be removed without `force`.
    pub volatile: bool,
    /// Who may see the index, besides root and its owner. devpi has no such key, so documents only hold it
    /// when it is not the default (everybody).
    pub acl_read: Acl,
    /// Its name for people; any JSON, as in devpi.
    pub title: Option<Value>,
    /// More about it; any JSON.
    pub description: Option<Value>,
    /// Whatever else a tool wants to keep; any JSON.
    pub custom_data: Option<Value>,
    /// Who is called after an upload, devpi's `uploadtrigger_jenkins`. Documents only hold it when it is set.
    pub upload_trigger: Option<TriggerUrl>,
    /// Keys that no kind of index has: settings of plugins of the server that the index came from. They are kept and
    /// shown, can be changed and removed, and mean nothing here.
    pub other: JsonMap,
}

impl IndexConfig {
    /// The configuration of a new index from the body of `PUT /USER/INDEX`.
    pub fn create(
        owner: &UserName,
        body: &JsonMap,
        base_exists: BaseExists<'_>,
    ) -> Result<Self, ConfigErrors> {
        let kind = match body.get("type") {
            None => IndexKind::create(HostedConfig::TYPE, owner),
            Some(Value::String(name)) => IndexKind::create(name, owner),
            Some(_) => None,
        };
        let kind = kind.ok_or_else(|| unknown_type(body))?;
        Self::with_kind(kind).set_all(body, base_exists)
    }

    /// The configuration after a merge of the body of `PATCH /USER/INDEX`: absent keys stay as they are. A
    /// reply of ours, `{"type": "indexconfig", "result": …}`, is unwrapped.
    pub fn patch_object(
        &self,
        body: &JsonMap,
        base_exists: BaseExists<'_>,
    ) -> Result<Self, ConfigErrors> {
        let body = match (body.get("type"), body.get("result")) {
            (Some(Value::String(kind)), Some(Value::Object(result))) if kind == "indexconfig" => {
                result
            }
            _ => body,
        };
        self.clone().set_all(body, base_exists)
    }

    /// The configuration after devpi's operations: `key=value`, `key+=value`, `key-=value`, `key-=`, `key`.
    pub fn patch_operations(
        &self,
        operations: &[String],
        base_exists: BaseExists<'_>,
    ) -> Result<Self, ConfigErrors> {
        if operations.len() > MAX_OPERATIONS {
            return Err(ConfigError::TooManyOperations {
                limit: MAX_OPERATIONS,
            }
            .into());
        }
        let mut draft = Draft::new(self.clone());
        for operation in operations {
            draft.apply(operation);
        }
        draft.finish(base_exists)
    }

    /// The document that is shown, in devpi's order of keys and without credentials.
    pub fn to_json(&self) -> JsonMap {
        self.document(Secrets::Hidden)
    }

    /// The document that storage keeps, credentials included.
    pub fn to_stored(&self) -> Value {
        Value::Object(self.document(Secrets::Kept))
    }

    /// Reads what storage kept. Bases are not checked: they may have been removed since.
    pub fn from_stored(owner: &UserName, stored: &Value) -> Result<Self, ConfigErrors> {
        let nothing = JsonMap::new();
        let body = stored.as_object().unwrap_or(&nothing);
        let kind = match body.get("type") {
            Some(Value::String(name)) => IndexKind::before_stored_keys(name, owner),
            _ => None,
        };
        let kind = kind.ok_or_else(|| unknown_type(body))?;
        let mut draft = Draft::keeping_unknown(Self::with_kind(kind));
        for (key, value) in body {
            draft.set(key, value);
        }
        draft.finish(&|_| true)
    }

    pub(super) fn with_kind(kind: IndexKind) -> Self {
        Self {
            kind,
            volatile: true,
            acl_read: Acl::everyone(),
            title: None,
            description: None,
            custom_data: None,
            upload_trigger: None,
            other: JsonMap::new(),
        }
    }

    fn set_all(self, body: &JsonMap, base_exists: BaseExists<'_>) -> Result<Self, ConfigErrors> {
        let mut draft = Draft::new(self);
        for (key, value) in body {
            draft.set(key, value);
        }
        draft.finish(base_exists)
    }

    fn document(&self, secrets: Secrets) -> JsonMap {
        let mut map = JsonMap::new();
        map.insert("type".to_owned(), json!(self.kind.type_name()));
        map.insert("volatile".to_owned(), json!(self.volatile));
        self.kind.add_json(&mut map, secrets);
        if self.acl_read != Acl::everyone() {
            map.insert("acl_read".to_owned(), json!(self.acl_read.to_strings()));
        }
        for (key, value) in [
            ("title", &self.title),
            ("description", &self.description),
            ("custom_data", &self.custom_data),
        ] {
            if let Some(value) = value {
                map.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(url) = &self.upload_trigger {
            let url = match secrets {
                Secrets::Hidden => url.redacted(),
                Secrets::Kept => url.expose().to_owned(),
            };
            map.insert(trigger::KEY.to_owned(), json!(url));
        }
        for (key, value) in &self.other {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
        map
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<Outcome, ConfigError> {
        match key {
            "type" if value.as_str() == Some(self.kind.type_name()) => {}
            "type" => return Err(ConfigError::TypeChanged),
            "volatile" => self.volatile = parse_boolean(value)?,
            "acl_read" => self.acl_read = parse_acl("acl_read", value)?,
            "title" => self.title = Some(value.clone()),
            "description" => self.description = Some(value.clone()),
            "custom_data" => self.custom_data = Some(value.clone()),
            trigger::KEY => {
                self.upload_trigger = TriggerUrl::parse(value, self.upload_trigger.as_ref())?;
            }
            _ => {
                let outcome = self.kind.set(key, value)?;
                if outcome == Outcome::NoSuchKey
                    && let Some(kept) = self.other.get_mut(key)
                {
                    kept.clone_from(value);
                    return Ok(Outcome::Done);
                }
                return Ok(outcome);
            }
        }
        Ok(Outcome::Done)
    }

    /// `acl_read` falls back to its default, since documents do not show that either.
    fn remove(&mut self, key: &str) -> Result<Outcome, ConfigError> {
        match key {
            "type" | "volatile" => return Err(ConfigError::DefaultRemoved),
            "acl_read" => self.acl_read = Acl::everyone(),
            "title" => self.title = None,
            "description" => self.description = None,
            "custom_data" => self.custom_data = None,
            trigger::KEY => self.upload_trigger = None,
            _ if self.other.shift_remove(key).is_some() => {}
            _ => return self.kind.remove(key),
        }
        Ok(Outcome::Done)
    }

    fn normalize_entry(&self, key: &str, entry: &str) -> Option<Result<String, ConfigError>> {
        if key == "acl_read" {
            let principal = parse_principal("acl_read", entry);
            return Some(principal.map(|principal| principal.to_string()));
        }
        self.kind.normalize_entry(key, entry)
    }

    /// The entries of a list setting; `None` where the key is none.
    fn list(&self, key: &str) -> Option<Vec<Value>> {
        if key == "acl_read" {
            return Some(
                self.acl_read
                    .to_strings()
                    .into_iter()
                    .map(Value::String)
                    .collect(),
            );
        }
        match self.document(Secrets::Kept).remove(key) {
            Some(Value::Array(items)) => Some(items),
            _ => None,
        }
    }
}

/// A configuration in the making, and what was wrong on the way.
pub(super) struct Draft {
    config: IndexConfig,
    errors: Vec<ConfigError>,
    unexpected: Vec<String>,
    /// Keys that no kind of index has are kept instead of refused.
    keeps_unknown: bool,
}

impl Draft {
    fn new(config: IndexConfig) -> Self {
        Self {
            config,
            errors: Vec::new(),
            unexpected: Vec::new(),
            keeps_unknown: false,
        }
    }

    /// A draft that keeps the keys of plugins of other servers.
    pub(super) fn keeping_unknown(config: IndexConfig) -> Self {
        Self {
            keeps_unknown: true,
            ..Self::new(config)
        }
    }

    /// What has been set; bases are not checked, nor is anything told of what was wrong.
    pub(super) fn into_config(self) -> IndexConfig {
        self.config
    }

    fn apply(&mut self, operation: &str) {
        let Some((left, value)) = operation.split_once('=') else {
            return self.set(operation, &json!(""));
        };
        if let Some(key) = left.strip_suffix('+') {
            self.edit(key, value, Edit::Add);
        } else if let Some(key) = left.strip_suffix('-') {
            if value.is_empty() {
                self.remove(key);
            } else {
                self.edit(key, value, Edit::Remove);
            }
        } else {
            self.set(left, &json!(value));
        }
    }

    pub(super) fn set(&mut self, key: &str, value: &Value) {
        let outcome = self.config.set(key, value);
        self.note(outcome, key, value);
    }

    /// As [`Self::set`], but what is wrong with the value is told at once and not in the end.
    pub(super) fn try_set(&mut self, key: &str, value: &Value) -> Result<(), ConfigError> {
        let outcome = self.config.set(key, value)?;
        self.note(Ok(outcome), key, value);
        Ok(())
    }

    fn remove(&mut self, key: &str) {
        match self.config.remove(key) {
            // What is not there is gone, as in devpi.
            Ok(Outcome::NoSuchKey) => {}
            outcome => self.note(outcome, key, &json!("")),
        }
    }

    /// Adds an entry to a list, or takes it out.
    fn edit(&mut self, key: &str, value: &str, edit: Edit) {
        let entry = match self.config.normalize_entry(key, value) {
            Some(Ok(entry)) => entry,
            Some(Err(error)) => return self.errors.push(error),
            None => value.to_owned(),
        };
        let Some(mut entries) = self.config.list(key) else {
            // Where devpi answers 500.
            return self.refuse_edit(key, value);
        };
        let entry = json!(entry);
        match (edit, entries.contains(&entry)) {
            (Edit::Add, true) => return,
            (Edit::Add, false) => entries.push(entry),
            (Edit::Remove, true) => entries.retain(|present| *present != entry),
            (Edit::Remove, false) => {
                let (key, value) = (printable(key), printable(value));
                return self.errors.push(ConfigError::ValueNotFound { key, value });
            }
        }
        self.set(key, &Value::Array(entries));
    }

    fn refuse_edit(&mut self, key: &str, value: &str) {
        // Removing from a clone tells whether the kind has the key at all.
        match self.config.clone().remove(key) {
            Ok(Outcome::NoSuchKey) => self.note(Ok(Outcome::NoSuchKey), key, &json!(value)),
            Ok(Outcome::Done) | Err(_) => {
                self.errors
                    .push(ConfigError::NotListSetting(printable(key)));
            }
        }
    }

    fn note(&mut self, outcome: Result<Outcome, ConfigError>, key: &str, value: &Value) {
        match outcome {
            Ok(Outcome::Done) => {}
            Ok(Outcome::NoSuchKey) if DROPPED_KEYS.contains(&key) => {}
            Ok(Outcome::NoSuchKey) if self.keeps_unknown => {
                self.config.other.insert(key.to_owned(), value.clone());
            }
            Ok(Outcome::NoSuchKey) => {
                self.unexpected
                    .push(format!("{}={}", printable(key), show(value)));
            }
            Err(error) => self.errors.push(error),
        }
    }

    /// Bases are checked at the end, and all of them: as in devpi, a configuration is written as a whole.
    fn finish(mut self, base_exists: BaseExists<'_>) -> Result<IndexConfig, ConfigErrors> {
        if !self.unexpected.is_empty() {
            self.errors
                .push(ConfigError::UnexpectedKeys(self.unexpected));
        }
        let missing = self
            .config
            .kind
            .bases()
            .iter()
            .filter(|base| !base_exists(base));
        self.errors
            .extend(missing.map(|base| ConfigError::BaseNotFound(base.to_string())));
        ConfigErrors::unless_any(self.config, self.errors)
    }
}

#[derive(Clone, Copy)]
enum Edit {
    Add,
    Remove,
}

fn unknown_type(body: &JsonMap) -> ConfigError {
    ConfigError::UnknownType(body.get("type").map(show).unwrap_or_default())
}
