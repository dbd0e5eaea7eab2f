//! Why a configuration was refused. Texts are devpi's where devpi has one.

use std::fmt;

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No such kind of index.
    #[error("unknown index type '{0}'")]
    UnknownType(String),
    /// An index stays what it is.
    #[error("the 'type' of an index can't be changed")]
    TypeChanged,
    /// Keys that this kind of index does not have, as `key=value`.
    #[error("indexconfig got unexpected keyword arguments: {}", .0.join(", "))]
    UnexpectedKeys(Vec<String>),
    /// Neither a JSON boolean nor one of true, yes, false, no.
    #[error("Unknown boolean value '{0}'.")]
    NotBoolean(String),
    /// Neither a JSON array of texts nor a text.
    #[error("'{0}' option must be a list of strings")]
    NotList(&'static str),
    /// Neither null nor text.
    #[error("'{0}' option must be a string")]
    NotText(&'static str),
    /// A list that is longer than this server takes.
    #[error("'{key}' option has more than {limit} entries")]
    TooManyEntries {
        /// The list.
        key: &'static str,
        /// How many it may have.
        limit: usize,
    },
    /// A patch of more operations than this server takes.
    #[error("more than {limit} operations at once; give a long list as a whole: key=value,value")]
    TooManyOperations {
        /// How many it may have.
        limit: usize,
    },
    /// An entry of an access list that names nobody.
    #[error("'{key}' option has an unusable entry '{entry}'")]
    BadPrincipal {
        /// The list.
        key: &'static str,
        /// The entry.
        entry: String,
    },
    /// A base that is not in the form `user/index`.
    #[error("invalid base index spec: '{0}'")]
    BadBase(String),
    /// A base that does not exist (for this caller).
    #[error("base index '{0}' does not exist")]
    BaseNotFound(String),
    /// Not a URL of a server on the web.
    #[error("'mirror_url' option must be a URL.")]
    BadMirrorUrl,
    /// User name or password is `***`, and it is not the URL that was shown, so it cannot be known
    /// whether the credentials kept here are meant for it.
    #[error("'{0}' option has hidden credentials, give the whole URL again.")]
    HiddenCredentials(&'static str),
    /// Not a whole number of seconds, or out of range.
    #[error("'mirror_cache_expiry' option must be an integer")]
    BadCacheExpiry,
    /// No such way to combine whitelists.
    #[error(
        "Unknown value '{0}' for mirror_whitelist_inheritance, must be 'intersection' or 'union'."
    )]
    UnknownInheritance(String),
    /// A line of constraints that cannot be read; the text says which and why.
    #[error("Error while parsing constrains: {0}")]
    BadConstraint(String),
    /// A second line of constraints for a project.
    #[error("Error while parsing constrains: Constraint for '{0}' already exists.")]
    DuplicateConstraint(String),
    /// Not an address that can be called after an upload.
    #[error(
        "'uploadtrigger_jenkins' option must be an http or https URL, perhaps with {{pkgname}} and {{pkgversion}} in it."
    )]
    BadTriggerUrl,
    /// A key that always has a value.
    #[error("Default values can't be removed.")]
    DefaultRemoved,
    /// An entry to be removed from a list is not there.
    #[error("The '{key}' setting doesn't have value '{value}'")]
    ValueNotFound {
        /// The list.
        key: String,
        /// The entry.
        value: String,
    },
    /// A list operation on something else.
    #[error("The '{0}' setting is not a list")]
    NotListSetting(String),
}

/// Everything wrong with a configuration, joined with commas for the client. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The single problems, at least one.
    pub fn errors(&self) -> &[ConfigError] {
        &self.0
    }

    /// `value` when nothing is wrong.
    pub(super) fn unless_any<T>(value: T, errors: Vec<ConfigError>) -> Result<T, Self> {
        if errors.is_empty() {
            Ok(value)
        } else {
            Err(Self(errors))
        }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
