//! Validators and ranges: RFC 9110 §13 and §14, as far as an index needs them.

use std::ops::Range;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};

/// Whether the client holds what `etag` names, so that 304 is the answer.
///
/// `If-None-Match` compares weakly, for proxies that compress on their own weaken our tags.
/// A request without the header never gets a 304 here.
pub(crate) fn is_held(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| {
            list.trim() == "*"
                || list
                    .split(',')
                    .any(|tag| tag.trim().trim_start_matches("W/") == etag)
        })
}

/// As [`is_held`] for things that also have a time: `If-Modified-Since` counts when there is
/// no `If-None-Match`.
pub(crate) fn is_file_held(headers: &HeaderMap, etag: Option<&str>, modified: SystemTime) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        return etag.is_some_and(|etag| is_held(headers, etag));
    }
    headers
        .get(IF_MODIFIED_SINCE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| httpdate::parse_http_date(text).ok())
        .is_some_and(|since| whole_seconds(modified) <= whole_seconds(since))
}

/// Which part of a file is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// These bytes: 206.
    Bytes(Range<u64>),
    /// Bytes that are not there: 416.
    Unsatisfiable,
}

/// Reads `Range` and `If-Range` for a file of `size` bytes.
///
/// Several ranges at once, other units and malformed headers mean the whole file, which
/// RFC 9110 §14.2 allows and clients cope with. So does an `If-Range` that does not match
/// strongly.
pub(crate) fn wanted_part(
    headers: &HeaderMap,
    size: u64,
    etag: Option<&str>,
    modified: SystemTime,
) -> Part {
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Part::Whole;
    };
    if !may_continue(headers, etag, modified) {
        return Part::Whole;
    }
    parse_range(range, size).unwrap_or(Part::Whole)
}

fn may_continue(headers: &HeaderMap, etag: Option<&str>, modified: SystemTime) -> bool {
    let Some(condition) = headers.get(IF_RANGE) else {
        return true;
    };
    let Ok(condition) = condition.to_str() else {
        return false;
    };
    if condition.starts_with('"') || condition.starts_with("W/") {
        return etag == Some(condition);
    }
    httpdate::parse_http_date(condition)
        .is_ok_and(|date| whole_seconds(date) == whole_seconds(modified))
}

fn parse_range(range: &str, size: u64) -> Option<Part> {
    let (unit, spec) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let count = parse_position(last)?;
        return Some(if count == 0 || size == 0 {
            Part::Unsatisfiable
        } else {
            Part::Bytes(size.saturating_sub(count)..size)
        });
    }
    let first = parse_position(first)?;
    let end = if last.is_empty() {
        size
    } else {
        let last = parse_position(last)?;
        if last < first {
            return None;
        }
        last.saturating_add(1).min(size)
    };
    Some(if first >= size {
        Part::Unsatisfiable
    } else {
        Part::Bytes(first..end)
    })
}

/// Digits only: `u64::from_str` would take a plus sign. Too many digits are a position beyond
/// any file.
fn parse_position(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().unwrap_or(u64::MAX))
}

/// A time as HTTP spells it. What is older than Unix has no time: an upstream may claim
/// anything.
pub(crate) fn http_date(time: SystemTime) -> Option<String> {
    (time >= SystemTime::UNIX_EPOCH).then(|| httpdate::fmt_http_date(time))
}

fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ETAG: &str = "\"abc\"";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn modified() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_500)
    }

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_a_matching_tag_is_held() {
        for (tags, held) in [
            (None, false),
            (Some("\"abc\""), true),
            (Some("W/\"abc\""), true),
            (Some("\"x\", \"abc\""), true),
            (Some("*"), true),
            (Some("\"abd\""), false),
            (Some("abc"), false),
            (Some(""), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(tags) = tags {
                headers.insert(IF_NONE_MATCH, tags.parse().unwrap());
            }
            assert_eq!(is_held(&headers, ETAG), held, "{tags:?}");
        }
    }

    #[test]
    fn a_date_counts_only_without_a_tag() {
        for (pairs, held) in [
            (&[(IF_MODIFIED_SINCE, DATE)][..], true),
            (
                &[(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT")],
                false,
            ),
            (&[(IF_MODIFIED_SINCE, "yesterday")], false),
            (
                &[(IF_MODIFIED_SINCE, DATE), (IF_NONE_MATCH, "\"x\"")],
                false,
            ),
            (&[(IF_NONE_MATCH, ETAG)], true),
            (&[], false),
        ] {
            assert_eq!(
                is_file_held(&headers(pairs), Some(ETAG), modified()),
                held,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn one_range_is_served_and_anything_else_is_the_whole() {
        for (range, expected) in [
            ("bytes=0-0", Part::Bytes(0..1)),
            ("bytes=0-9", Part::Bytes(0..10)),
            ("bytes=5-", Part::Bytes(5..10)),
            ("bytes=5-100", Part::Bytes(5..10)),
            ("bytes=-3", Part::Bytes(7..10)),
            ("bytes=-30", Part::Bytes(0..10)),
            ("BYTES=1-2", Part::Bytes(1..3)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("0-1", Part::Whole),
        ] {
            let headers = headers(&[(RANGE, range)]);
            assert_eq!(
                wanted_part(&headers, 10, Some(ETAG), modified()),
                expected,
                "{range}"
            );
        }
    }

    #[test]
    fn nothing_can_be_taken_from_an_empty_file() {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            let headers = headers(&[(RANGE, range)]);
            assert_eq!(
                wanted_part(&headers, 0, None, modified()),
                Part::Unsatisfiable,
                "{range}"
            );
        }
    }

    #[test]
    fn if_range_compares_strongly() {
        for (condition, expected) in [
            (ETAG, Part::Bytes(1..10)),
            ("W/\"abc\"", Part::Whole),
            ("\"other\"", Part::Whole),
            (DATE, Part::Bytes(1..10)),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Part::Whole),
            ("rubbish", Part::Whole),
        ] {
            let headers = headers(&[(RANGE, "bytes=1-"), (IF_RANGE, condition)]);
            let part = wanted_part(&headers, 10, Some(ETAG), modified());
            assert_eq!(part, expected, "{condition}");
        }
    }
}
