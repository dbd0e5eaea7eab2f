//! What a server answered.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::Error;

/// A whole answer, its body read. An answer with an error status is one too: what it means is the
/// caller's to say, or [`Answer::accepted`]'s.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked with.
    pub method: Method,
    /// The URL that answered, after redirects, without credentials.
    pub url: Url,
    /// The URL that was asked, when another one answered.
    pub redirected_from: Option<Url>,
    /// The status.
    pub status: StatusCode,
    /// The reason phrase as the server sent it: some messages of devpi are there. The usual one when it
    /// sent none.
    pub reason: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The body as JSON; null when it is none.
    document: Value,
}

impl Answer {
    pub(crate) fn new(
        method: Method,
        url: Url,
        redirected_from: Option<Url>,
        response: ResponseHead,
        body: Bytes,
    ) -> Self {
        let is_json = response
            .headers
            .get(reqwest::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/json"));
        let document = is_json
            .then(|| serde_json::from_slice(&body).ok())
            .flatten()
            .unwrap_or_default();
        Self {
            method,
            url,
            redirected_from,
            status: response.status,
            reason: response.reason,
            headers: response.headers,
            body,
            document,
        }
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The whole JSON document; null when the body is none.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The `type` of the envelope around every document of the JSON API.
    pub fn kind(&self) -> Option<&str> {
        self.document.get("type").and_then(Value::as_str)
    }

    /// The `result` of the envelope.
    pub fn result(&self) -> &Value {
        self.document.get("result").unwrap_or(&Value::Null)
    }

    /// The `message` of the envelope.
    pub fn message(&self) -> Option<&str> {
        self.document.get("message").and_then(Value::as_str)
    }

    /// The answer, when its status says that the server did what it was asked for.
    ///
    /// # Errors
    /// [`Error::Refused`] for any other status than 2xx.
    pub fn accepted(self) -> Result<Self, Error> {
        if self.is_success() {
            return Ok(self);
        }
        Err(Error::Refused {
            status: self.status.as_u16(),
            message: self.message().map(str::to_owned),
        })
    }

    /// The result of an accepted answer, when it is of the type that was asked for.
    ///
    /// # Errors
    /// [`Error::Refused`] for an error status, [`Error::Unexpected`] for another type.
    pub fn expect(self, kind: &str) -> Result<Value, Error> {
        let mut answer = self.accepted()?;
        if answer.kind() != Some(kind) {
            return Err(Error::Unexpected(format!(
                "expected type `{kind}`, found `{}`",
                answer.kind().unwrap_or("none")
            )));
        }
        answer
            .document
            .get_mut("result")
            .map(Value::take)
            .ok_or_else(|| Error::Unexpected("it has no result".to_owned()))
    }

    /// The result in a type of its own.
    ///
    /// # Errors
    /// As [`Answer::expect`]; [`Error::Unexpected`] when the type does not fit.
    pub fn read<T: DeserializeOwned>(self, kind: &str) -> Result<T, Error> {
        read(&self.expect(kind)?)
    }
}

/// The part of an answer before its body.
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) headers: HeaderMap,
}

/// Reads a document's typed part.
pub(crate) fn read<T: DeserializeOwned>(document: &Value) -> Result<T, Error> {
    T::deserialize(document).map_err(|error| Error::Unexpected(error.to_string()))
}
