//! Reading the rest of a body that nobody wants.
//!
//! twine and most other clients send all of a request before they read a byte of the answer.
//! A server that answers early and closes resets their connection, and they report that
//! instead of the answer. So the rest is read and thrown away while the answer is on its way,
//! within limits of bytes and time.

use std::time::Duration;

use axum::body::Body;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body::Body as _;

use crate::json_body::next_chunk;
use crate::pace::Pace;

/// Reads `body` to its end in the background, up to `limit` bytes and for at most `time`.
///
/// A client that waits for `100 Continue` gets its answer instead: beginning to read would
/// make it send. A body that is announced to be over the limit is not begun either.
pub(crate) fn in_background(headers: &HeaderMap, body: Body, limit: u64, time: Duration) {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if headers.contains_key(EXPECT) || announced.is_some_and(|length| length > limit) {
        return;
    }
    rest_in_background(body, limit, time);
}

/// As [`in_background`] for a body of which a part was read already.
pub(crate) fn rest_in_background(mut body: Body, limit: u64, time: Duration) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let _ = tokio::time::timeout(time, async {
            let mut read = 0_u64;
            let mut pace = Pace::new(time);
            while let Ok(Some(chunk)) = next_chunk(&mut body, &mut pace).await {
                read += chunk.len() as u64;
                if read > limit {
                    break;
                }
            }
        })
        .await;
    });
}
