//! Tokens: what a held one says, a narrower one made of it, and the calls that make and end them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use cheeseshop_domain::token::Macaroon;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::read;
use crate::{Credentials, Error, Server};

/// A token that somebody holds. Its holder can narrow it and never widen it; only the server that
/// made it can say whether it holds. Prints without the secret.
#[derive(Clone)]
pub struct Token {
    prefix: &'static str,
    macaroon: Macaroon,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Token")
            .field("identifier", &self.macaroon.identifier)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Whose tokens begin how.
    const PREFIXES: [(&'static str, &'static str); 2] = [("devpi-", "Devpi"), ("pypi-", "PyPI")];

    /// Whether a password says of itself that it is a token, and whose.
    pub fn kind_of(secret: &str) -> Option<&'static str> {
        let mut kinds = Self::PREFIXES.iter();
        kinds
            .find(|(prefix, _)| secret.starts_with(prefix))
            .map(|(_, kind)| *kind)
    }

    /// Reads a token, with or without its prefix. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (prefix, encoded) = Self::PREFIXES
            .iter()
            .find_map(|(prefix, _)| Some((*prefix, text.strip_prefix(prefix)?)))
            .unwrap_or(("", text));
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .or_else(|_| URL_SAFE.decode(encoded))
            .ok()?;
        Some(Self {
            prefix,
            macaroon: Macaroon::parse(&bytes)?,
        })
    }

    /// The user that a token of devpi or of ours stands for, and its id.
    pub fn user_and_id(&self) -> Option<(&str, &str)> {
        self.macaroon.identifier.rsplit_once('-')
    }

    /// What limits it, in the order in which it was added.
    pub fn restrictions(&self) -> &[String] {
        &self.macaroon.caveats
    }

    /// A narrower one, with a restriction of devpi-tokens' form (`projects=a,b`).
    #[must_use]
    pub fn restricted(self, restriction: &str) -> Self {
        Self {
            macaroon: self.macaroon.derived(restriction),
            ..self
        }
    }

    /// A narrower one that uploads to one project and ends soon. Times are seconds of Unix time.
    #[must_use]
    pub fn for_project(self, project: &str, now: i64, seconds: i64) -> Self {
        let end = now.saturating_add(seconds);
        if self.prefix != "pypi-" {
            return self
                .restricted(&format!("projects={project}"))
                .restricted(&format!("expires={end}"));
        }
        // PyPI's forms. Its clock may be behind ours a little.
        let begin = now.saturating_sub(60);
        let is_old = self.restrictions().iter().any(|restriction| {
            serde_json::from_str(restriction)
                .is_ok_and(|value: Value| value == json!({"version": 1, "permissions": "user"}))
        });
        let [project, time] = if is_old {
            [
                json!({"version": 1, "permissions": {"projects": [project]}}),
                json!({"nbf": begin, "exp": end}),
            ]
        } else {
            [json!([1, [project]]), json!([0, end, begin])]
        };
        self.restricted(&project.to_string())
            .restricted(&time.to_string())
    }

    /// The token itself.
    pub fn secret(&self) -> SecretString {
        let encoded = URL_SAFE_NO_PAD.encode(self.macaroon.to_bytes());
        format!("{}{encoded}", self.prefix).into()
    }
}

/// What a new token is limited to; nothing given is nothing limited, but that a token ends after a
/// year.
#[derive(Clone, Debug, Default)]
pub struct TokenLimits {
    /// Names of permissions.
    pub allowed: Option<Vec<String>>,
    /// When it ends, in seconds of Unix time, or `never`.
    pub expires: Option<String>,
    /// Full names of indexes.
    pub indexes: Option<Vec<String>>,
    /// Names of projects.
    pub projects: Option<Vec<String>>,
}

impl TokenLimits {
    /// As the document that asks for a token.
    pub(crate) fn to_document(&self) -> Value {
        let mut document = serde_json::Map::new();
        let lists = [("allowed", &self.allowed), ("indexes", &self.indexes)];
        for (name, list) in lists.into_iter().chain([("projects", &self.projects)]) {
            if let Some(list) = list {
                document.insert(name.to_owned(), json!(list));
            }
        }
        if let Some(expires) = &self.expires {
            let value = match expires.parse::<i64>() {
                Ok(second) => json!(second),
                Err(_) => json!(expires),
            };
            document.insert("expires".to_owned(), value);
        }
        document.into()
    }

    /// As restrictions, in the order of their names.
    pub fn to_restrictions(&self) -> Vec<String> {
        [
            ("allowed", self.allowed.as_ref().map(|list| list.join(","))),
            ("expires", self.expires.clone()),
            ("indexes", self.indexes.as_ref().map(|list| list.join(","))),
            (
                "projects",
                self.projects.as_ref().map(|list| list.join(",")),
            ),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
        .collect()
    }
}

/// A token as its list shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TokenInfo {
    /// What it was limited to when it was made.
    #[serde(default)]
    pub restrictions: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(crate) struct TokenDocument {
    pub(crate) token: String,
}

#[derive(Deserialize)]
pub(crate) struct TokensDocument {
    pub(crate) tokens: BTreeMap<String, TokenInfo>,
}

impl Server {
    /// Makes a token that stands for a user. It is told this once.
    ///
    /// # Errors
    /// No answer, a refusal.
    pub async fn create_token(
        &self,
        user: &str,
        limits: &TokenLimits,
    ) -> Result<SecretString, Error> {
        let request = self
            .request(Method::POST, &format!("{user}/+token-create"))?
            .json(&limits.to_document());
        let document: TokenDocument = read(&request.send().await?.expect("token-info")?)?;
        Ok(document.token.into())
    }

    /// The tokens of a user, by their ids.
    ///
    /// # Errors
    /// No answer, a refusal.
    pub async fn tokens(&self, user: &str) -> Result<BTreeMap<String, TokenInfo>, Error> {
        let path = format!("{user}/+tokens");
        let document: TokensDocument = read(&self.fetch(&path, "tokens-info").await?)?;
        Ok(document.tokens)
    }

    /// Ends a token, and with it all that were derived from it.
    ///
    /// # Errors
    /// No answer, a refusal.
    pub async fn delete_token(&self, user: &str, id: &str) -> Result<(), Error> {
        let request = self.request(Method::DELETE, &format!("{user}/+tokens/{id}"))?;
        request.send().await?.accepted()?;
        Ok(())
    }
}

/// A password as it is sent for an upload to a project: of a token a narrower one, else itself.
pub(crate) enum ForProject {
    /// It is no token.
    Password,
    /// It says that it is a token, and cannot be read.
    Unreadable(&'static str),
    /// The narrower token.
    Derived(&'static str, SecretString),
}

impl ForProject {
    pub(crate) fn of(secret: &SecretString, project: &str, now: i64, seconds: i64) -> Self {
        let Some(kind) = Token::kind_of(secret.expose_secret()) else {
            return Self::Password;
        };
        match Token::parse(secret.expose_secret()) {
            Some(token) => Self::Derived(kind, token.for_project(project, now, seconds).secret()),
            None => Self::Unreadable(kind),
        }
    }

    /// The login that it is sent with.
    pub(crate) fn applied_to(self, login: Credentials) -> Credentials {
        match self {
            Self::Password | Self::Unreadable(_) => login,
            Self::Derived(_, secret) => Credentials { secret, ..login },
        }
    }
}

/// A token without restrictions, for tests.
#[cfg(test)]
pub(crate) fn a_token(prefix: &str) -> String {
    tests::token(prefix, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    pub(super) fn token(prefix: &str, caveats: &[&str]) -> String {
        let caveats = caveats.iter().map(|&caveat| caveat.to_owned()).collect();
        let macaroon = Macaroon::mint(&KEY, String::new(), "bob-abcdefgh".to_owned(), caveats);
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(macaroon.to_bytes()))
    }

    #[test]
    fn a_narrower_token_is_still_one_of_the_same_key() {
        let text = token("devpi-", &["expires=5"]);
        let held = Token::parse(&text).unwrap();
        assert_eq!(held.user_and_id(), Some(("bob", "abcdefgh")));
        assert_eq!(held.secret().expose_secret(), text);
        let narrow = held.restricted("allowed=upload");
        assert_eq!(narrow.restrictions(), ["expires=5", "allowed=upload"]);
        assert!(narrow.macaroon.is_of(&KEY));
        assert!(!format!("{narrow:?}").contains(&text[20..]));
    }

    #[test]
    fn an_upload_gets_a_token_of_its_own_in_the_forms_of_its_server() {
        let narrow = |prefix, caveats: &[&str]| {
            let held = Token::parse(&token(prefix, caveats)).unwrap();
            held.for_project("a-b", 1000, 60).restrictions().to_vec()
        };
        assert_eq!(narrow("devpi-", &[]), ["projects=a-b", "expires=1060"]);
        assert_eq!(narrow("", &[]), ["projects=a-b", "expires=1060"]);
        assert_eq!(narrow("pypi-", &[]), [r#"[1,["a-b"]]"#, "[0,1060,940]"]);
        let old = r#"{"version": 1, "permissions": "user"}"#;
        assert_eq!(
            narrow("pypi-", &[old])[1..],
            [
                r#"{"version":1,"permissions":{"projects":["a-b"]}}"#,
                r#"{"nbf":940,"exp":1060}"#
            ]
        );
    }

    #[test]
    fn passwords_are_sent_as_they_are() {
        let is = |secret: &str| match ForProject::of(&secret.to_owned().into(), "a", 0, 60) {
            ForProject::Password => "password",
            ForProject::Unreadable(kind) | ForProject::Derived(kind, _) => kind,
        };
        assert_eq!(is("secret"), "password");
        assert_eq!(is("devpi-x"), "Devpi");
        assert_eq!(is(&token("pypi-", &[])), "PyPI");
        assert_eq!(Token::parse("devpi-nonsense").map(|_| ()), None);
    }

    #[test]
    fn limits_are_restrictions_and_a_document() {
        let limits = TokenLimits {
            allowed: Some(vec!["pkg_read".to_owned(), "upload".to_owned()]),
            expires: Some("77".to_owned()),
            ..TokenLimits::default()
        };
        assert_eq!(
            limits.to_restrictions(),
            ["allowed=pkg_read,upload", "expires=77"]
        );
        assert_eq!(
            limits.to_document(),
            json!({"allowed": ["pkg_read", "upload"], "expires": 77})
        );
    }
}
