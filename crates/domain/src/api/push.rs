//! The request to push a release to another index, here or elsewhere.

use std::fmt;

use secrecy::SecretString;
use serde_json::Value;

use crate::{IndexName, JsonMap, SecretUrl, name::printable};

/// The body of a push.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// The project, as written.
    pub name: String,
    /// The version, as listed.
    pub version: String,
    /// Where to.
    pub target: PushTarget,
    /// Whether documentation goes along.
    pub docs: PushDocs,
}

/// Where a push goes.
#[derive(Debug, Clone)]
pub enum PushTarget {
    /// Another index of this server.
    Index(IndexName),
    /// Another server.
    External(ExternalTarget),
}

/// A server that takes uploads.
#[derive(Clone)]
pub struct ExternalTarget {
    /// Where it takes them. Credentials in it are not used: `username` and `password` are.
    pub url: SecretUrl,
    /// Who uploads.
    pub username: String,
    /// The proof.
    pub password: SecretString,
    /// Whether to send a form with the metadata first.
    pub registers_project: bool,
}

/// The address may hold a token in its path or query, so only the host is shown.
impl fmt::Debug for ExternalTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalTarget")
            .field("host", &self.url.without_credentials().host_str())
            .field("username", &self.username)
            .field("registers_project", &self.registers_project)
            .finish_non_exhaustive()
    }
}

/// Whether documentation goes along with a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PushDocs {
    /// Files and documentation.
    #[default]
    Included,
    /// Files only.
    Excluded,
    /// Documentation only.
    Only,
}

/// Why the body of a push was refused. Texts are devpi's where devpi has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushRequestError {
    /// Name or version is missing or no text; devpi answers 500.
    #[error("'{0}' must be given as a string")]
    Missing(&'static str),
    /// Both at once.
    #[error("can't use 'no_docs' and 'only_docs' together")]
    DocsContradict,
    /// Neither of the two kinds of target.
    #[error("either targetindex or posturl must be given")]
    NoTarget,
    /// Not the name of an index.
    #[error("targetindex not in format user/index")]
    BadTargetIndex,
    /// Not the address of a server.
    #[error("posturl must be an http or https URL")]
    BadPostUrl,
    /// Keys that no push has.
    #[error("unknown additional options: {}", .0.join(", "))]
    UnknownOptions(Vec<String>),
}

impl PushRequest {
    /// Reads the body.
    pub fn parse(body: &JsonMap) -> Result<Self, PushRequestError> {
        let docs = match (is_set(body, "no_docs"), is_set(body, "only_docs")) {
            (true, true) => return Err(PushRequestError::DocsContradict),
            (true, false) => PushDocs::Excluded,
            (false, true) => PushDocs::Only,
            (false, false) => PushDocs::Included,
        };
        let unknown: Vec<_> = body
            .keys()
            .filter(|key| !OPTIONS.contains(&key.as_str()))
            .map(|key| printable(key))
            .collect();
        if !unknown.is_empty() {
            return Err(PushRequestError::UnknownOptions(unknown));
        }
        Ok(Self {
            name: text(body, "name")?,
            version: text(body, "version")?,
            target: parse_target(body)?,
            docs,
        })
    }
}

/// Every key that a push may have.
const OPTIONS: [&str; 9] = [
    "name",
    "version",
    "targetindex",
    "posturl",
    "username",
    "password",
    "register_project",
    "no_docs",
    "only_docs",
];

fn parse_target(body: &JsonMap) -> Result<PushTarget, PushRequestError> {
    if body
        .get("targetindex")
        .is_some_and(|value| !value.is_null())
    {
        let target = text(body, "targetindex")?;
        return IndexName::parse(&target)
            .map(PushTarget::Index)
            .map_err(|_| PushRequestError::BadTargetIndex);
    }
    if body.get("posturl").is_none_or(Value::is_null) {
        return Err(PushRequestError::NoTarget);
    }
    let url =
        SecretUrl::parse(&text(body, "posturl")?).map_err(|_| PushRequestError::BadPostUrl)?;
    Ok(PushTarget::External(ExternalTarget {
        url,
        username: text(body, "username")?,
        password: text(body, "password")?.into(),
        registers_project: is_set(body, "register_project"),
    }))
}

fn text(body: &JsonMap, key: &'static str) -> Result<String, PushRequestError> {
    body.get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or(PushRequestError::Missing(key))
}

/// The client sends booleans; scripts have been seen to send words.
fn is_set(body: &JsonMap, key: &str) -> bool {
    match body.get(key) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(word)) => matches!(word.to_ascii_lowercase().as_str(), "true" | "yes"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<PushRequest, String> {
        PushRequest::parse(body.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_push_goes_to_an_index_or_to_another_server() {
        let body =
            json!({"name": "m", "version": "1.0", "targetindex": "bob/prod", "no_docs": true});
        let request = parse(&body).unwrap();
        assert!(
            matches!(request.target, PushTarget::Index(name) if name.to_string() == "bob/prod")
        );
        assert_eq!(
            (request.name.as_str(), request.docs),
            ("m", PushDocs::Excluded)
        );
        let body = json!({
            "name": "m", "version": "1.0", "posturl": "https://up.example/", "username": "u",
            "password": "s3cret", "register_project": true, "only_docs": "True",
        });
        let request = parse(&body).unwrap();
        assert!(!format!("{request:?}").contains("s3cret"));
        assert_eq!(request.docs, PushDocs::Only);
        assert!(matches!(request.target, PushTarget::External(to) if to.registers_project));
    }

    #[test]
    fn bad_pushes_get_devpis_texts() {
        for (body, text) in [
            (
                json!({"name": "m", "version": "1", "targetindex": "a/b", "no_docs": true, "only_docs": true}),
                "can't use 'no_docs' and 'only_docs' together",
            ),
            (
                json!({"name": "m", "version": "1", "targetindex": "a/b", "foo": 1, "bar": 2}),
                "unknown additional options: foo, bar",
            ),
            (
                json!({"name": "m", "version": "1", "targetindex": "ab"}),
                "targetindex not in format user/index",
            ),
            (
                json!({"name": "m", "version": "1", "targetindex": "a/b/c"}),
                "targetindex not in format user/index",
            ),
            (
                json!({"version": "1", "targetindex": "a/b"}),
                "'name' must be given as a string",
            ),
            (
                json!({"name": "m", "version": 1, "targetindex": "a/b"}),
                "'version' must be given as a string",
            ),
            (
                json!({"name": "m", "version": "1"}),
                "either targetindex or posturl must be given",
            ),
            (
                json!({"name": "m", "version": "1", "posturl": "file:///etc", "username": "u", "password": "p"}),
                "posturl must be an http or https URL",
            ),
            (
                json!({"name": "m", "version": "1", "posturl": "https://h.example", "username": "u"}),
                "'password' must be given as a string",
            ),
        ] {
            assert_eq!(parse(&body).unwrap_err(), text, "{body}");
        }
    }
}
