//! Settings of a hosted index.

use serde_json::{Value, json};

use super::{
    Constraints, Inheritance, Whitelist,
    error::ConfigError,
    kind::Outcome,
    value::{parse_acl, parse_list, parse_principal, show},
};
use crate::{Acl, IndexName, JsonMap, UserName, name::printable};

/// How many bases an index may name itself.
const MAX_BASES: usize = 200;

/// What a hosted index has beyond what every index has.
#[derive(Debug, Clone, PartialEq)]
pub struct HostedConfig {
    /// The indexes inherited from, in order. Existence is checked when they are written, not when they are
    /// read: a base that was removed later stays here and is skipped.
    pub bases: Vec<IndexName>,
    /// Who may upload; nobody has an implicit right, neither root nor the owner.
    pub acl_upload: Acl,
    /// Who may upload test results.
    pub acl_toxresult_upload: Acl,
    /// Projects that may come from a mirror although a hosted index has one of the name.
    pub mirror_whitelist: Whitelist,
    /// How this index combines its whitelist with those of its bases.
    pub mirror_whitelist_inheritance: Inheritance,
    /// What it lets through of its bases. An index with constraints, devpi's `constrained`, is read-only: it shows
    /// nothing but what it inherits. `None` for all others; which it is never changes.
    pub constraints: Option<Constraints>,
}

impl HostedConfig {
    /// devpi's name for it.
    pub(super) const TYPE: &str = "stage";

    /// devpi's name for it when it has constraints.
    pub(super) const CONSTRAINED_TYPE: &str = "constrained";

    pub(super) fn new(owner: &UserName) -> Self {
        Self {
            bases: Vec::new(),
            acl_upload: Acl::only(owner),
            acl_toxresult_upload: Acl::everyone(),
            mirror_whitelist: Whitelist::default(),
            mirror_whitelist_inheritance: Inheritance::Intersection,
            constraints: None,
        }
    }

    pub(super) fn constrained(owner: &UserName) -> Self {
        Self {
            constraints: Some(Constraints::default()),
            ..Self::new(owner)
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self.constraints {
            Some(_) => Self::CONSTRAINED_TYPE,
            None => Self::TYPE,
        }
    }

    /// Data that lacks the key comes from servers that only knew the union.
    pub(super) fn set_defaults_of_old_data(&mut self) {
        self.mirror_whitelist_inheritance = Inheritance::Union;
    }

    pub(super) fn set(&mut self, key: &str, value: &Value) -> Result<Outcome, ConfigError> {
        match key {
            "bases" => self.bases = parse_bases(value)?,
            "acl_upload" => self.acl_upload = parse_acl("acl_upload", value)?,
            "acl_toxresult_upload" => {
                self.acl_toxresult_upload = parse_acl("acl_toxresult_upload", value)?;
            }
            "mirror_whitelist" => {
                self.mirror_whitelist = Whitelist::new(parse_list("mirror_whitelist", value)?);
            }
            "mirror_whitelist_inheritance" => {
                self.mirror_whitelist_inheritance = show(value).parse()?;
            }
            "constraints" if self.constraints.is_some() => {
                self.constraints = Some(Constraints::parse(value)?);
            }
            _ => return Ok(Outcome::NoSuchKey),
        }
        Ok(Outcome::Done)
    }

    /// All settings of a hosted index have a default, so none can be taken away.
    pub(super) fn remove(&self, key: &str) -> Result<Outcome, ConfigError> {
        match key {
            "constraints" if self.constraints.is_some() => Err(ConfigError::DefaultRemoved),
            "bases"
            | "acl_upload"
            | "acl_toxresult_upload"
            | "mirror_whitelist"
            | "mirror_whitelist_inheritance" => Err(ConfigError::DefaultRemoved),
            _ => Ok(Outcome::NoSuchKey),
        }
    }

    pub(super) fn normalize_entry(
        &self,
        key: &str,
        entry: &str,
    ) -> Option<Result<String, ConfigError>> {
        match key {
            "constraints" if self.constraints.is_some() => Some(Ok(entry.trim().to_owned())),
            "bases" => Some(parse_base(entry).map(|base| base.to_string())),
            "acl_upload" => Some(principal_text("acl_upload", entry)),
            "acl_toxresult_upload" => Some(principal_text("acl_toxresult_upload", entry)),
            "mirror_whitelist" => Some(Ok(Whitelist::normalize_entry(entry))),
            _ => None,
        }
    }

    pub(super) fn add_json(&self, map: &mut JsonMap) {
        let bases: Vec<_> = self.bases.iter().map(ToString::to_string).collect();
        let inheritance = self.mirror_whitelist_inheritance.as_str();
        for (key, value) in [
            ("bases", json!(bases)),
            ("acl_upload", json!(self.acl_upload.to_strings())),
            (
                "acl_toxresult_upload",
                json!(self.acl_toxresult_upload.to_strings()),
            ),
            ("mirror_whitelist", json!(self.mirror_whitelist.entries())),
            ("mirror_whitelist_inheritance", json!(inheritance)),
        ] {
            map.insert(key.to_owned(), value);
        }
        if let Some(constraints) = &self.constraints {
            map.insert("constraints".to_owned(), json!(constraints.lines()));
        }
    }
}

fn principal_text(key: &'static str, entry: &str) -> Result<String, ConfigError> {
    parse_principal(key, entry).map(|principal| principal.to_string())
}

fn parse_bases(value: &Value) -> Result<Vec<IndexName>, ConfigError> {
    let specs = parse_list("bases", value)?;
    if specs.len() > MAX_BASES {
        return Err(ConfigError::TooManyEntries {
            key: "bases",
            limit: MAX_BASES,
        });
    }
    specs.iter().map(|spec| parse_base(spec)).collect()
}

fn parse_base(spec: &str) -> Result<IndexName, ConfigError> {
    IndexName::parse(spec).map_err(|_| ConfigError::BadBase(printable(spec)))
}
