//! The envelope around every answer.

use serde::{Deserialize, Serialize};

/// `{"result": …, "type": "…", "message": "…"}`. `result` and `type` come together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The answer itself.
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    pub result: Option<T>,
    /// What the result is, see [`Kind`]; text, because plugins of other servers have kinds of their own.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<String>,
    /// What is to be said to the person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

impl<T> Envelope<T> {
    /// A result.
    pub fn of(kind: Kind, result: T) -> Self {
        Self {
            result: Some(result),
            kind: Some(kind.as_str().to_owned()),
            message: None,
        }
    }

    /// The same with a message.
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            ..self
        }
    }

    /// Whether the result is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind.as_deref() == Some(kind.as_str())
    }
}

impl Envelope<()> {
    /// A message without a result: most errors, and successes that have nothing to show.
    pub fn message(message: impl Into<String>) -> Self {
        Self {
            result: None,
            kind: None,
            message: Some(message.into()),
        }
    }
}

impl<T: Serialize> Envelope<T> {
    /// The body of the answer: two blanks of indentation and a newline at the end, as devpi writes it.
    pub fn to_body(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut body = serde_json::to_vec_pretty(self)?;
        body.push(b'\n');
        Ok(body)
    }
}

/// The kinds of result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Where everything is: `+api`.
    ApiConfig,
    /// A login token.
    ProxyAuth,
    /// One user.
    UserConfig,
    /// All users.
    UserConfigList,
    /// A login token after a change of password.
    UserPassword,
    /// One index.
    IndexConfig,
    /// All versions of a project.
    ProjectConfig,
    /// One version of a project.
    VersionData,
    /// One file.
    ReleaseFileMeta,
    /// Where a test result was put.
    ToxResultPath,
    /// The test results of a file; ours.
    ToxResults,
    /// One test result and what it says; ours.
    ToxResult,
    /// What a push did.
    ActionLog,
    /// The state of the server.
    Status,
    /// A token that was just made.
    TokenInfo,
    /// A user's tokens.
    TokensInfo,
}

impl Kind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiConfig => "apiconfig",
            Self::ProxyAuth => "proxyauth",
            Self::UserConfig => "userconfig",
            Self::UserConfigList => "list:userconfig",
            Self::UserPassword => "userpassword",
            Self::IndexConfig => "indexconfig",
            Self::ProjectConfig => "projectconfig",
            Self::VersionData => "versiondata",
            Self::ReleaseFileMeta => "releasefilemeta",
            Self::ToxResultPath => "toxresultpath",
            Self::ToxResults => "list:toxresult",
            Self::ToxResult => "toxresult",
            Self::ActionLog => "actionlog",
            Self::Status => "status",
            Self::TokenInfo => "token-info",
            Self::TokensInfo => "tokens-info",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn bodies_look_like_devpis() {
        let body = Envelope::of(Kind::IndexConfig, json!({"type": "stage"}))
            .to_body()
            .unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "{\n  \"result\": {\n    \"type\": \"stage\"\n  },\n  \"type\": \"indexconfig\"\n}\n"
        );
        let body = Envelope::message("user updated").to_body().unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "{\n  \"message\": \"user updated\"\n}\n"
        );
    }

    #[test]
    fn answers_of_other_servers_read_back() {
        let text = r#"{"type": "token-info", "result": [1], "extra": 1}"#;
        let envelope: Envelope<Value> = serde_json::from_str(text).unwrap();
        assert_eq!(envelope.kind.as_deref(), Some("token-info"));
        assert_eq!(envelope.result, Some(json!([1])));
        assert!(!envelope.is(Kind::Status));
        let empty: Envelope<Value> = serde_json::from_str(r#"{"message": "m"}"#).unwrap();
        assert_eq!((empty.result, empty.message.as_deref()), (None, Some("m")));
    }
}
