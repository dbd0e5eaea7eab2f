//! JSON bodies of requests, within limits.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use cheeseshop_app::Error;
use http_body::Frame;
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::drain;
use crate::pace::Pace;
use crate::settings::HttpSettings;

/// How much of a body that is too large is read for the sake of the answer, in bytes.
const DRAIN_LIMIT: u64 = 64 << 20;

/// The whole body, as long as it stays within the limits of size and pauses.
pub(crate) async fn read(body: Body, settings: &HttpSettings) -> Result<Bytes, Error> {
    let mut body = Limited::new(body, settings.max_json_bytes as u64, settings);
    let mut collected = BytesMut::new();
    while let Some(data) = body.next().await? {
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

/// A body that is read chunk by chunk, within the limits of size and pauses.
pub(crate) struct Limited<'a> {
    body: Body,
    limit: u64,
    left: u64,
    pace: Pace,
    settings: &'a HttpSettings,
}

impl<'a> Limited<'a> {
    /// A body that may have this many bytes.
    pub(crate) fn new(body: Body, limit: u64, settings: &'a HttpSettings) -> Self {
        Self {
            body,
            limit,
            left: limit,
            pace: Pace::new(settings.body_idle()),
            settings,
        }
    }

    /// The next data; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let data = next_chunk(&mut self.body, &mut self.pace).await?;
        let length = data.as_ref().map_or(0, Bytes::len) as u64;
        let Some(left) = self.left.checked_sub(length) else {
            let rest = std::mem::take(&mut self.body);
            drain::rest_in_background(rest, DRAIN_LIMIT, self.settings.drain_time());
            return Err(Error::TooLarge(format!(
                "the request body is larger than {} bytes",
                self.limit
            )));
        };
        self.left = left;
        Ok(data)
    }
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
pub(crate) async fn next_chunk(body: &mut Body, pace: &mut Pace) -> Result<Option<Bytes>, Error> {
    loop {
        let asked = Instant::now();
        let frame = tokio::time::timeout(pace.left(), body.frame())
            .await
            .map_err(|_| paused())?;
        let length = frame.iter().flatten().filter_map(Frame::data_ref);
        pace.came(length.map(Bytes::len).sum(), asked.elapsed());
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(ended_early());
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// The client was silent for too long.
pub(crate) fn paused() -> Error {
    Error::Invalid("the request body paused for too long".to_owned())
}

/// The connection broke off.
pub(crate) fn ended_early() -> Error {
    Error::Invalid("the request body ended early".to_owned())
}

/// devpi's words.
fn undecodable() -> Error {
    Error::Invalid("Bad request: could not decode json".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_and_one_that_comes_slowly_is_not() {
        let settings = HttpSettings::default();
        let slowly = |length: usize| {
            let pause = settings.body_idle() * 2 / 3;
            let next = move |turn: usize| async move {
                tokio::time::sleep(pause).await;
                let data = Bytes::from(vec![b' '; length]);
                (turn < 10).then_some((Ok::<_, std::io::Error>(data), turn + 1))
            };
            Body::from_stream(futures_util::stream::unfold(0, next))
        };
        let refused = read(slowly(1), &settings).await.unwrap_err();
        assert!(refused.to_string().contains("paused"), "{refused}");
        assert_eq!(read(slowly(2000), &settings).await.unwrap().len(), 20_000);
        let body = Body::from_stream(futures_util::stream::pending::<std::io::Result<Bytes>>());
        let asked = Instant::now();
        assert!(read(body, &settings).await.is_err());
        assert!(asked.elapsed() < Duration::from_secs(61));
    }
}
