//! `+token-create` and `+tokens`, devpi-tokens' routes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of making a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// The token itself, told this one time.
    pub token: String,
}

impl fmt::Debug for TokenInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenInfo").finish_non_exhaustive()
    }
}

/// A user's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokensInfo {
    /// By their ids.
    pub tokens: BTreeMap<String, TokenDocument>,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenDocument {
    /// What was written into it, as `key=value`.
    pub restrictions: Vec<String>,
    /// When it was made, in devpi's spelling of times; devpi-tokens does not keep it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_those_of_devpi_tokens() {
        let info = TokenInfo {
            token: "devpi-s3cret".to_owned(),
        };
        assert_eq!(
            serde_json::to_value(&info).unwrap(),
            json!({"token": "devpi-s3cret"})
        );
        assert!(!format!("{info:?}").contains("s3cret"));
        let theirs = json!({"tokens": {"k3JxWq8T": {"restrictions": ["expires=1800000000"]}}});
        let read: TokensInfo = serde_json::from_value(theirs.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), theirs);
    }
}
