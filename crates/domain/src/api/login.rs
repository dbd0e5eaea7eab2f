//! `+login`.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of a login.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// Who says so; any text, an unknown user is as wrong as a wrong password.
    pub user: String,
    /// The proof.
    pub password: SecretString,
}

/// A login without its two parts. The text is devpi's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Bad request: no user/password specified")]
pub struct LoginRequestError;

impl LoginRequest {
    /// Reads `{"user": …, "password": …}`; other keys mean nothing.
    pub fn parse(body: &Value) -> Result<Self, LoginRequestError> {
        let text = |key| body.get(key).and_then(Value::as_str);
        match (text("user"), text("password")) {
            (Some(user), Some(password)) => Ok(Self {
                user: user.to_owned(),
                password: password.into(),
            }),
            _ => Err(LoginRequestError),
        }
    }
}

/// The result of a login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyAuth {
    /// The token that stands for the password from now on.
    pub password: String,
    /// For how many seconds.
    pub expiration: u64,
}

impl std::fmt::Debug for ProxyAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyAuth")
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_login_needs_both_parts() {
        let request = LoginRequest::parse(&json!({"user": "bob", "password": ""})).unwrap();
        assert_eq!(
            (request.user.as_str(), request.password.expose_secret()),
            ("bob", "")
        );
        for body in [
            json!({}),
            json!({"user": "bob"}),
            json!({"password": "x"}),
            json!({"user": "bob", "password": null}),
            json!({"user": 1, "password": "x"}),
            json!(["bob", "x"]),
            json!(null),
        ] {
            let error = LoginRequest::parse(&body).unwrap_err();
            assert_eq!(
                error.to_string(),
                "Bad request: no user/password specified",
                "{body}"
            );
        }
    }

    #[test]
    fn tokens_and_passwords_are_not_shown_by_debug() {
        let token = ProxyAuth {
            password: "s3cret".to_owned(),
            expiration: 36000,
        };
        let login = LoginRequest::parse(&json!({"user": "bob", "password": "s3cret"})).unwrap();
        assert!(!format!("{token:?} {login:?}").contains("s3cret"));
        let body = serde_json::to_value(&token).unwrap();
        assert_eq!(body, json!({"password": "s3cret", "expiration": 36000}));
    }
}
