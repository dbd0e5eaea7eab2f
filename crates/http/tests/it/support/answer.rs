//! A whole answer.

use bytes::Bytes;
use cheeseshop_http::ReplyBody;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::ext::ReasonPhrase;
use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body ended in an error, so that a client sees a broken connection.
    pub(crate) broken: bool,
    reason: Option<String>,
}

impl Answer {
    pub(crate) async fn read(response: Response<ReplyBody>) -> Self {
        let (parts, mut body) = response.into_parts();
        let mut collected = Vec::new();
        let mut broken = false;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                broken = true;
                break;
            };
            collected.extend(frame.into_data().unwrap_or_default());
        }
        Self {
            status: parts.status,
            reason: parts
                .extensions
                .get::<ReasonPhrase>()
                .map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned()),
            headers: parts.headers,
            body: collected.into(),
            broken,
        }
    }

    /// The header's value, or nothing when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The names of the files on a simple JSON page.
    pub(crate) fn file_names(&self) -> Vec<String> {
        self.json()["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["filename"].as_str().unwrap().to_owned())
            .collect()
    }
}
