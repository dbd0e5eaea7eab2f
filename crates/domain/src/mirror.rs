//! A mirror's copy of what its upstream said, and the rules by which it is judged.

use std::time::Duration;

use cheeseshop_packaging::simple::ProjectPage;
use jiff::{SignedDuration, Timestamp};

use crate::MirrorConfig;

/// The upstream's page of one project, as it was last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct MirrorListing {
    /// The page; all URLs are absolute and hold no credentials.
    pub page: ProjectPage,
    /// The `ETag` of the answer, verbatim.
    pub etag: Option<String>,
    /// The `Last-Modified` of the answer, verbatim.
    pub last_modified: Option<String>,
    /// The serial that the upstream gave it.
    pub last_serial: Option<u64>,
    /// When the upstream last said so; a 304 counts.
    pub fetched_at: Timestamp,
    /// Where it was asked, without credentials. A listing from elsewhere is none: see [`is_from`].
    pub source_url: String,
}

/// Whether an answer of the upstream may be used without asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Yes, for so long from now on. Never zero.
    Fresh {
        /// The rest of its time.
        remaining: Duration,
    },
    /// The upstream must be asked.
    Expired,
}

/// Judges an answer, positive or negative, by its age.
///
/// An answer from the future is expired: the clock was set back, and its age cannot be known.
pub fn judge_freshness(fetched_at: Timestamp, expiry: Duration, now: Timestamp) -> Freshness {
    let age = now.duration_since(fetched_at);
    if age < SignedDuration::ZERO {
        return Freshness::Expired;
    }
    match expiry.checked_sub(age.unsigned_abs()) {
        Some(remaining) if !remaining.is_zero() => Freshness::Fresh { remaining },
        _ => Freshness::Expired,
    }
}

/// What to do with a new page, by its serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialVerdict {
    /// Use it, and remember this serial.
    Accepted {
        /// The serial to remember; `None` when it can no longer be relied upon.
        remember: Option<u64>,
    },
    /// Keep what is held: a cache of the upstream fell behind.
    Regressed,
}

/// Judges a page by its serial (`X-PyPI-Last-Serial`): one that is older than what was seen before, or that
/// lost its serial, is refused, unless the mirror is told to ignore serials.
pub fn judge_serial(held: Option<u64>, received: Option<u64>, ignores: bool) -> SerialVerdict {
    match (held, received) {
        (Some(held), Some(received)) if received >= held => SerialVerdict::Accepted {
            remember: Some(received),
        },
        (None, received) => SerialVerdict::Accepted { remember: received },
        (Some(_), _) if ignores => SerialVerdict::Accepted { remember: None },
        (Some(_), _) => SerialVerdict::Regressed,
    }
}

/// Whether a mirror has to forget all that it holds: it follows another place from now on. Other
/// credentials for the same place, or a slash at its end, change nothing.
pub fn starts_over(before: &MirrorConfig, after: &MirrorConfig) -> bool {
    before.project_list_url() != after.project_list_url()
}

/// Whether a held answer came from the URL that would be asked now. One that did not must not be used: the
/// configuration changed while it was under way.
pub fn is_from(source_url: &str, asked: &url::Url) -> bool {
    source_url == asked.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretUrl;

    #[test]
    fn freshness_ends_with_the_expiry() {
        let fresh = |seconds, nanos| Freshness::Fresh {
            remaining: Duration::new(seconds, nanos),
        };
        let now = Timestamp::from_second(10_000).unwrap();
        for (age_ms, expiry, expected) in [
            (0, 1800, fresh(1800, 0)),
            (1, 1800, fresh(1799, 999_000_000)),
            (1_799_999, 1800, fresh(0, 1_000_000)),
            (1_800_000, 1800, Freshness::Expired),
            (9_000_000, 1800, Freshness::Expired),
            (0, 0, Freshness::Expired),
            (-1, 1800, Freshness::Expired),
            (-9_000_000, 1800, Freshness::Expired),
            (0, u64::MAX, fresh(u64::MAX, 0)),
        ] {
            let fetched_at = now - SignedDuration::from_millis(age_ms);
            let got = judge_freshness(fetched_at, Duration::from_secs(expiry), now);
            assert_eq!(got, expected, "age {age_ms} ms, expiry {expiry} s");
        }
    }

    #[test]
    fn serials_only_grow() {
        use SerialVerdict::{Accepted, Regressed};
        for (held, received, ignores, expected) in [
            (None, None, false, Accepted { remember: None }),
            (None, Some(5), false, Accepted { remember: Some(5) }),
            (Some(5), Some(5), false, Accepted { remember: Some(5) }),
            (Some(5), Some(6), false, Accepted { remember: Some(6) }),
            (Some(5), Some(4), false, Regressed),
            (Some(5), None, false, Regressed),
            (Some(5), Some(4), true, Accepted { remember: None }),
            (Some(5), None, true, Accepted { remember: None }),
            (Some(5), Some(6), true, Accepted { remember: Some(6) }),
            (None, Some(4), true, Accepted { remember: Some(4) }),
        ] {
            let got = judge_serial(held, received, ignores);
            assert_eq!(got, expected, "{held:?} {received:?} {ignores}");
        }
    }

    #[test]
    fn only_another_place_starts_over() {
        let config = |url: Option<&str>| MirrorConfig {
            mirror_url: url.map(|url| SecretUrl::parse(url).unwrap()),
            ..MirrorConfig::default()
        };
        for (before, after, expected) in [
            (
                Some("https://a.example/simple/"),
                Some("https://a.example/simple/"),
                false,
            ),
            (
                Some("https://a.example/simple"),
                Some("https://a.example/simple/"),
                false,
            ),
            (
                Some("https://u:p@a.example/simple/"),
                Some("https://a.example/simple/"),
                false,
            ),
            (
                Some("https://a.example/simple/"),
                Some("https://b.example/simple/"),
                true,
            ),
            (
                Some("https://a.example/simple/"),
                Some("http://a.example/simple/"),
                true,
            ),
            (
                Some("https://a.example/simple/"),
                Some("https://a.example/other/"),
                true,
            ),
            (
                Some("https://a.example/simple/"),
                Some("https://a.example:8443/simple/"),
                true,
            ),
            (
                Some("https://a.example:443/simple/"),
                Some("https://a.example/simple/"),
                false,
            ),
            (None, Some("https://a.example/simple/"), true),
            (Some("https://a.example/simple/"), None, true),
            (None, None, false),
        ] {
            let got = starts_over(&config(before), &config(after));
            assert_eq!(got, expected, "{before:?} -> {after:?}");
        }
    }
}
