//! Answers one request, faults included.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_RANGES, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED,
    LOCATION, RANGE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::fault::{Delivery, Fault};
use super::page::{HTML, JSON};
use super::state::{RecordedRequest, Shared, State};
use super::{Formats, lock, page};
use crate::distribution::{normalize, sha256_hex};
use crate::serve::{Body, Dropped, full, streamed};

/// When every file was last modified.
const MODIFIED: &str = "Mon, 06 May 2024 07:08:09 GMT";

/// An answer before faults have spoiled it.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(status: StatusCode, text: &str) -> Self {
        let mut answer = Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(text.as_bytes()),
        };
        answer.set(CONTENT_TYPE, "text/plain");
        answer
    }

    fn set(&mut self, name: http::HeaderName, value: &str) {
        let value = HeaderValue::from_str(value).expect("test headers are legal");
        self.headers.insert(name, value);
    }
}

pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let path = request.uri().path().to_owned();
    let faults = {
        let mut state = lock(&shared);
        let recorded = record(&request);
        state.requests.push(recorded);
        state.take_faults(&path)
    };
    shared.arrivals.send_modify(|seen| *seen += 1);

    let mut delivery = Delivery::default();
    let mut ranges = true;
    let mut wrong_bytes = false;
    let mut replacement = None;
    for fault in faults {
        match fault {
            Fault::Hang(gate) => gate.pass().await,
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::DropConnection => return Err(Dropped),
            Fault::Truncate { after } => delivery.cut_after = Some(after),
            Fault::HangAfter { bytes, gate } => delivery.hang_after = Some((bytes, gate)),
            Fault::Stepwise { chunk, gate } => delivery.stepwise = Some((chunk, gate)),
            Fault::NoContentLength => delivery.no_length = true,
            Fault::NoRanges => ranges = false,
            Fault::WrongBytes => wrong_bytes = true,
            Fault::Status(status) => replacement = Some(Answer::text(code(status), "a fault")),
            Fault::RetryAfter(status, seconds) => {
                let mut answer = Answer::text(code(status), "a fault");
                answer.set(RETRY_AFTER, &seconds.to_string());
                replacement = Some(answer);
            }
            Fault::Redirect(url) => {
                let mut answer = Answer::text(StatusCode::FOUND, "elsewhere");
                answer.set(LOCATION, &url);
                replacement = Some(answer);
            }
            Fault::Body {
                content_type,
                bytes,
            } => {
                let mut answer = Answer::text(StatusCode::OK, "");
                answer.set(CONTENT_TYPE, &content_type);
                answer.body = bytes;
                replacement = Some(answer);
            }
        }
    }

    let (parts, body) = request.into_parts();
    let mut answer = if let Some(answer) = replacement {
        answer
    } else if parts.method == Method::POST {
        let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
        let mut state = lock(&shared);
        let refusal = check_credentials(&state, &parts.headers);
        refusal.unwrap_or_else(|| {
            state.uploads.push(body);
            Answer::text(StatusCode::OK, "OK")
        })
    } else {
        let state = lock(&shared);
        check_credentials(&state, &parts.headers)
            .unwrap_or_else(|| route(&state, &path, &parts.headers, ranges))
    };
    if wrong_bytes {
        let flipped: Vec<u8> = answer.body.iter().map(|byte| byte ^ 0xff).collect();
        answer.body = flipped.into();
    }
    Ok(deliver(answer, &parts.method, delivery))
}

fn deliver(answer: Answer, method: &Method, delivery: Delivery) -> Response<Body> {
    let length = answer.body.len();
    let no_length = delivery.no_length;
    let body = if method == Method::HEAD || answer.status == StatusCode::NOT_MODIFIED {
        full("")
    } else if delivery.is_plain() {
        full(answer.body)
    } else {
        streamed(delivery.pieces(answer.body))
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if !no_length && answer.status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

fn record(request: &Request<Incoming>) -> RecordedRequest {
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    RecordedRequest {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(ToOwned::to_owned),
        headers,
    }
}

fn check_credentials(state: &State, headers: &HeaderMap) -> Option<Answer> {
    let (user, password) = state.credentials.as_ref()?;
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let given = headers.get(AUTHORIZATION);
    if given.is_some_and(|given| given.as_bytes() == expected.as_bytes()) {
        return None;
    }
    let mut answer = Answer::text(StatusCode::UNAUTHORIZED, "who are you?");
    answer.set(WWW_AUTHENTICATE, "Basic realm=\"upstream\"");
    Some(answer)
}

fn route(state: &State, path: &str, headers: &HeaderMap, ranges: bool) -> Answer {
    let missing = || Answer::text(StatusCode::NOT_FOUND, "404 Not Found");
    if path == "/simple/" {
        if !state.root_list {
            return missing();
        }
        return simple_page(
            state,
            headers,
            state.serial,
            &page::list_json,
            &page::list_html,
        );
    }
    if let Some(name) = path.strip_prefix("/simple/") {
        let normalized = normalize(name.trim_end_matches('/'));
        if name != format!("{normalized}/") {
            let mut answer = Answer::text(StatusCode::MOVED_PERMANENTLY, "elsewhere");
            answer.set(LOCATION, &format!("/simple/{normalized}/"));
            return answer;
        }
        let Some(project) = state.projects.get(&normalized) else {
            return missing();
        };
        return simple_page(
            state,
            headers,
            project.serial,
            &|state| page::project_json(state, &normalized, project),
            &|state| page::project_html(state, &normalized, project),
        );
    }
    let files = state.projects.values().flat_map(|project| &project.files);
    for file in files {
        let own = file.path();
        if path == own {
            return stored(headers, &file.bytes, &file.sha256, &file.name, ranges);
        }
        if path.strip_prefix(&own) == Some(".metadata") {
            return match page::offered_metadata(state, file) {
                Some(text) => {
                    let bytes = Bytes::copy_from_slice(text.as_bytes());
                    let sha256 = sha256_hex(&bytes);
                    stored(headers, &bytes, &sha256, "METADATA", ranges)
                }
                None => missing(),
            };
        }
    }
    missing()
}

fn simple_page(
    state: &State,
    headers: &HeaderMap,
    serial: u64,
    json: &dyn Fn(&State) -> Vec<u8>,
    html: &dyn Fn(&State) -> Vec<u8>,
) -> Answer {
    let content_type = match state.formats {
        Formats::Json => JSON,
        Formats::Html => "text/html; charset=utf-8",
        Formats::Both => negotiate(headers.get(ACCEPT)),
    };
    let body = if content_type == JSON {
        json(state)
    } else {
        html(state)
    };
    let mut answer = Answer::text(StatusCode::OK, "");
    answer.set(CONTENT_TYPE, content_type);
    answer.set(VARY, "Accept, Accept-Encoding");
    if state.serials {
        let name = http::HeaderName::from_static("x-pypi-last-serial");
        answer.set(name, &serial.to_string());
    }
    if state.validators {
        let etag = format!("\"{}\"", &sha256_hex(&body)[..22]);
        answer.set(ETAG, &etag);
        if matches_etag(headers.get(IF_NONE_MATCH), &etag) {
            answer.status = StatusCode::NOT_MODIFIED;
            return answer;
        }
    }
    answer.body = body.into();
    let accepts_gzip = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    if state.compression && accepts_gzip {
        answer.body = gzip(&answer.body);
        answer.set(CONTENT_ENCODING, "gzip");
    }
    answer
}

/// PyPI's choice: the best quality; JSON, then HTML, among equals; `text/html` otherwise.
fn negotiate(accept: Option<&HeaderValue>) -> &'static str {
    const TEXT: &str = "text/html; charset=utf-8";
    let Some(accept) = accept.and_then(|value| value.to_str().ok()) else {
        return TEXT;
    };
    let mut best = (0.0, TEXT);
    for item in accept.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let kind = match parts.next().unwrap_or_default() {
            JSON | "application/vnd.pypi.simple.latest+json" => JSON,
            HTML | "application/vnd.pypi.simple.latest+html" => HTML,
            "text/html" | "*/*" | "text/*" => TEXT,
            _ => continue,
        };
        let quality: f32 = parts
            .find_map(|part| part.strip_prefix("q="))
            .and_then(|quality| quality.parse().ok())
            .unwrap_or(1.0);
        if quality > best.0 {
            best = (quality, kind);
        }
    }
    best.1
}

/// A file with ranges and validators, as PyPI's file host answers.
fn stored(headers: &HeaderMap, bytes: &Bytes, sha256: &str, name: &str, ranges: bool) -> Answer {
    let etag = format!("\"{}\"", &sha256[..32]);
    let mut answer = Answer::text(StatusCode::OK, "");
    let is_text = name == "METADATA";
    let content_type = if is_text {
        "binary/octet-stream"
    } else {
        "application/octet-stream"
    };
    answer.set(CONTENT_TYPE, content_type);
    answer.set(ETAG, &etag);
    answer.set(LAST_MODIFIED, MODIFIED);
    if matches_etag(headers.get(IF_NONE_MATCH), &etag) {
        answer.status = StatusCode::NOT_MODIFIED;
        return answer;
    }
    answer.body = bytes.clone();
    if !ranges {
        return answer;
    }
    answer.set(ACCEPT_RANGES, "bytes");
    let still_the_same = headers
        .get(IF_RANGE)
        .is_none_or(|value| value == etag.as_str() || value == MODIFIED);
    let wanted = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let Some(wanted) = wanted.filter(|_| still_the_same) else {
        return answer;
    };
    match parse_range(wanted, bytes.len()) {
        RangeWanted::Whole => {}
        RangeWanted::Part(range) => {
            answer.status = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
            answer.set(CONTENT_RANGE, &text);
            answer.body = bytes.slice(range);
        }
        RangeWanted::Outside => {
            answer.status = StatusCode::RANGE_NOT_SATISFIABLE;
            answer.set(CONTENT_RANGE, &format!("bytes */{}", bytes.len()));
            answer.body = Bytes::new();
        }
    }
    answer
}

#[derive(Debug, PartialEq, Eq)]
enum RangeWanted {
    Whole,
    Part(Range<usize>),
    Outside,
}

/// One range; several are answered with the whole, which is allowed.
fn parse_range(text: &str, length: usize) -> RangeWanted {
    let Some((start, end)) = text
        .strip_prefix("bytes=")
        .filter(|text| !text.contains(','))
        .and_then(|text| text.split_once('-'))
    else {
        return RangeWanted::Whole;
    };
    let range = match (start.parse::<usize>().ok(), end.parse::<usize>().ok()) {
        (Some(start), Some(end)) if start <= end => start..(end + 1).min(length),
        (Some(start), None) if end.is_empty() => start..length,
        (None, Some(last)) if start.is_empty() => length.saturating_sub(last)..length,
        _ => return RangeWanted::Whole,
    };
    if range.start < range.end {
        RangeWanted::Part(range)
    } else {
        RangeWanted::Outside
    }
}

fn matches_etag(value: Option<&HeaderValue>, etag: &str) -> bool {
    value
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(',')
                .map(|one| one.trim().trim_start_matches("W/"))
                .any(|one| one == etag || one == "*")
        })
}

fn gzip(bytes: &[u8]) -> Bytes {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a status has three digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_who_prefers_it() {
        let pip = "application/vnd.pypi.simple.v1+json, \
                   application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
        for (accept, expected) in [
            (pip, JSON),
            ("*/*", "text/html; charset=utf-8"),
            ("application/vnd.pypi.simple.v1+html", HTML),
            (
                "text/html;q=0.5, application/vnd.pypi.simple.v1+json;q=0.4",
                "text/html; charset=utf-8",
            ),
        ] {
            let accept = HeaderValue::from_static(accept);
            assert_eq!(negotiate(Some(&accept)), expected, "{accept:?}");
        }
        assert_eq!(negotiate(None), "text/html; charset=utf-8");
    }

    #[test]
    fn ranges_follow_rfc_9110() {
        for (text, expected) in [
            ("bytes=0-0", RangeWanted::Part(0..1)),
            ("bytes=2-", RangeWanted::Part(2..10)),
            ("bytes=-3", RangeWanted::Part(7..10)),
            ("bytes=-30", RangeWanted::Part(0..10)),
            ("bytes=5-100", RangeWanted::Part(5..10)),
            ("bytes=10-", RangeWanted::Outside),
            ("bytes=-0", RangeWanted::Outside),
            ("bytes=0-1,3-4", RangeWanted::Whole),
            ("bytes=3-1", RangeWanted::Whole),
            ("lines=1-2", RangeWanted::Whole),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
    }
}
