//! JSON bodies of requests, within limits.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use cheeseshop_app::Error;
use http_body_util::BodyExt;
use serde_json::{Map, Value};

use crate::drain;
use crate::settings::HttpSettings;

/// How much of a body that is too large is read for the sake of the answer, in bytes.
const DRAIN_LIMIT: u64 = 64 << 20;

/// The whole body, as long as it stays within the limits of size and pauses.
pub(crate) async fn read(body: Body, settings: &HttpSettings) -> Result<Bytes, Error> {
    read_up_to(body, settings.max_json_bytes as u64, settings).await
}

/// As [`read`], with a limit of its own.
pub(crate) async fn read_up_to(
    mut body: Body,
    limit: u64,
    settings: &HttpSettings,
) -> Result<Bytes, Error> {
    let mut collected = BytesMut::new();
    while let Some(data) = next_chunk(&mut body, settings.body_idle()).await? {
        if (collected.len() + data.len()) as u64 > limit {
            drain::rest_in_background(body, DRAIN_LIMIT, settings.drain_time());
            return Err(Error::TooLarge(format!(
                "the request body is larger than {limit} bytes"
            )));
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

/// Any JSON value.
pub(crate) async fn value(body: Body, settings: &HttpSettings) -> Result<Value, Error> {
    serde_json::from_slice(&read(body, settings).await?).map_err(|_| undecodable())
}

/// A JSON object.
pub(crate) async fn object(
    body: Body,
    settings: &HttpSettings,
) -> Result<Map<String, Value>, Error> {
    match value(body, settings).await? {
        Value::Object(object) => Ok(object),
        _ => Err(undecodable()),
    }
}

/// As [`object`] where no body at all is an empty object.
pub(crate) async fn optional_object(
    body: Body,
    settings: &HttpSettings,
) -> Result<Map<String, Value>, Error> {
    let bytes = read(body, settings).await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes).map_err(|_| undecodable())
}

/// The next data of a body; `None` at its end.
pub(crate) async fn next_chunk(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, Error> {
    loop {
        let frame = tokio::time::timeout(idle, body.frame())
            .await
            .map_err(|_| Error::Invalid("the request body paused for too long".to_owned()))?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(Error::Invalid("the request body ended early".to_owned()));
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// devpi's words.
fn undecodable() -> Error {
    Error::Invalid("Bad request: could not decode json".to_owned())
}
