//! Settings of a hosted index.

use serde_json::{Value, json};

use super::{
    Inheritance, Whitelist,
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
}

impl HostedConfig {
    /// devpi's name for it.
    pub(super) const TYPE: &str = "stage";

    pub(super) fn new(owner: &UserName) -> Self {
        Self {
            bases: Vec::new(),
            acl_upload: Acl::only(owner),
            acl_toxresult_upload: Acl::everyone(),
            mirror_whitelist: Whitelist::default(),
            mirror_whitelist_inheritance: Inheritance::Intersection,
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
            _ => return Ok(Outcome::NoSuchKey),
        }
        Ok(Outcome::Done)
    }

    /// All settings of a hosted index have a default, so none can be taken away.
    pub(super) fn remove(key: &str) -> Result<Outcome, ConfigError> {
        match key {
            "bases"
            | "acl_upload"
            | "acl_toxresult_upload"
            | "mirror_whitelist"
            | "mirror_whitelist_inheritance" => Err(ConfigError::DefaultRemoved),
            _ => Ok(Outcome::NoSuchKey),
        }
    }

    pub(super) fn normalize_entry(key: &str, entry: &str) -> Option<Result<String, ConfigError>> {
        match key {
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
