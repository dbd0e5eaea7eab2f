//! `+api`: where everything is.

use serde::{Deserialize, Serialize};

use crate::Caller;

/// What devpi's client is told that this server can do.
pub const FEATURES: [&str; 4] = [
    "push-no-docs",
    "push-only-docs",
    "push-register-project",
    "server-keyvalue-parsing",
];

/// The result of `+api`. The client derives the root of the server from `login`, so that must be
/// `<root>/+login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiConfig {
    /// Where to log in.
    pub login: String,
    /// Who the server thinks that the caller is.
    pub authstatus: AuthStatus,
    /// What the server can do.
    #[serde(default)]
    pub features: Vec<String>,
    /// The index asked about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub index: Option<String>,
    /// Its Simple API.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub simpleindex: Option<String>,
    /// Where to upload; absent for mirrors.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pypisubmit: Option<String>,
}

/// `["noauth", "", []]` or `["ok", user, groups]`; the client drops what it knows when it reads another word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthStatus(
    /// `ok` or `noauth`.
    pub String,
    /// The user, or nothing.
    pub String,
    /// Their groups.
    pub Vec<String>,
);

impl AuthStatus {
    /// Who the caller is.
    pub fn of(caller: &Caller) -> Self {
        match &caller.identity {
            Some(identity) => Self(
                "ok".to_owned(),
                identity.user.to_string(),
                identity.groups.clone(),
            ),
            None => Self("noauth".to_owned(), String::new(), Vec::new()),
        }
    }

    /// Whether the caller's credentials were good.
    pub fn is_ok(&self) -> bool {
        self.0 == "ok"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::UserName;

    #[test]
    fn the_status_is_a_list_of_three() {
        let anonymous = AuthStatus::of(&Caller::anonymous());
        assert_eq!(
            serde_json::to_value(anonymous).unwrap(),
            json!(["noauth", "", []])
        );
        let bob = Caller::member(UserName::parse("bob").unwrap(), ["dev"]);
        let bob = AuthStatus::of(&bob);
        assert!(bob.is_ok());
        assert_eq!(
            serde_json::to_value(bob).unwrap(),
            json!(["ok", "bob", ["dev"]])
        );
    }

    #[test]
    fn a_mirror_has_nowhere_to_upload() {
        let config = ApiConfig {
            login: "http://localhost:3141/+login".to_owned(),
            authstatus: AuthStatus::of(&Caller::anonymous()),
            features: FEATURES.map(str::to_owned).to_vec(),
            index: Some("http://localhost:3141/root/pypi".to_owned()),
            simpleindex: Some("http://localhost:3141/root/pypi/+simple/".to_owned()),
            pypisubmit: None,
        };
        let value = serde_json::to_value(&config).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            keys,
            ["login", "authstatus", "features", "index", "simpleindex"]
        );
        assert_eq!(serde_json::from_value::<ApiConfig>(value).unwrap(), config);
    }
}
