//! Which representation and which encoding a request wants: RFC 9110 §12 and PEP 691.
//!
//! Pure functions of headers. Nothing here allocates, for the hot path comes through.

use cheeseshop_app::pages::{Encoding, Representation};
use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderValue};

/// HTML for whoever does not ask for anything else.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
/// HTML under the name that PEP 691 gave it.
pub(crate) const SIMPLE_HTML: &str = "application/vnd.pypi.simple.v1+html";
/// JSON pages.
pub(crate) const SIMPLE_JSON: &str = "application/vnd.pypi.simple.v1+json";

/// A media type that a simple page can be sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SimpleType {
    /// `text/html`
    Html,
    /// `application/vnd.pypi.simple.v1+html`
    SimpleHtml,
    /// `application/vnd.pypi.simple.v1+json`
    SimpleJson,
}

/// In the order in which ties are decided: devpi prefers HTML.
const OFFERS: [SimpleType; 3] = [
    SimpleType::Html,
    SimpleType::SimpleHtml,
    SimpleType::SimpleJson,
];

impl SimpleType {
    pub(crate) fn representation(self) -> Representation {
        match self {
            Self::Html | Self::SimpleHtml => Representation::Html,
            Self::SimpleJson => Representation::Json,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Html => HTML,
            Self::SimpleHtml => SIMPLE_HTML,
            Self::SimpleJson => SIMPLE_JSON,
        }
    }

    /// How closely a media range names this type: 3 exactly, 2 by its type, 1 by `*/*`, 0 not.
    fn named_by(self, range: &str) -> u8 {
        let (exact, latest, wildcard) = match self {
            Self::Html => ("text/html", "text/html", "text/*"),
            Self::SimpleHtml => (
                SIMPLE_HTML,
                "application/vnd.pypi.simple.latest+html",
                "application/*",
            ),
            Self::SimpleJson => (
                SIMPLE_JSON,
                "application/vnd.pypi.simple.latest+json",
                "application/*",
            ),
        };
        if range.eq_ignore_ascii_case(exact) || range.eq_ignore_ascii_case(latest) {
            3
        } else if range.eq_ignore_ascii_case(wildcard) {
            2
        } else {
            u8::from(range == "*/*")
        }
    }
}

/// The form of a simple page that fits best; `None` when nothing fits (406).
///
/// The highest quality wins, then the type that was named more closely (`*/*` with an explicit
/// JSON of the same quality means JSON), then HTML as in devpi. `application/json` alone is
/// what devpi's client sends after a refresh: it gets JSON under its proper name.
pub(crate) fn simple_type(headers: &HeaderMap) -> Option<SimpleType> {
    if !headers.contains_key(ACCEPT) {
        return Some(SimpleType::Html);
    }
    // (closeness, quality) of the closest range that names each offer.
    let mut best = [(0_u8, 0_u16); OFFERS.len()];
    let mut plain_json = 0;
    for (range, quality) in elements(headers, &ACCEPT) {
        for (offer, best) in OFFERS.iter().zip(&mut best) {
            let closeness = offer.named_by(range);
            if closeness > best.0 || (closeness == best.0 && closeness > 0 && quality > best.1) {
                *best = (closeness, quality);
            }
        }
        if range.eq_ignore_ascii_case("application/json") {
            plain_json = quality;
        }
    }
    let mut chosen: Option<(SimpleType, (u16, u8))> = None;
    for (offer, (closeness, quality)) in OFFERS.iter().zip(best) {
        let rank = (quality, closeness);
        if quality > 0 && chosen.is_none_or(|(_, held)| rank > held) {
            chosen = Some((*offer, rank));
        }
    }
    chosen
        .map(|(offer, _)| offer)
        .or_else(|| (plain_json > 0).then_some(SimpleType::SimpleJson))
}

/// Whether a JSON document may be the answer: no `Accept`, `*/*`, `application/*` or
/// `application/json` (devpi's rule for its JSON routes).
pub(crate) fn accepts_json(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ACCEPT) {
        return true;
    }
    let mut best = (0_u8, 0_u16);
    for (range, quality) in elements(headers, &ACCEPT) {
        let closeness = if range.eq_ignore_ascii_case("application/json") {
            3
        } else if range.eq_ignore_ascii_case("application/*") {
            2
        } else {
            u8::from(range == "*/*")
        };
        if closeness > best.0 {
            best = (closeness, quality);
        }
    }
    best.1 > 0
}

/// Whether `application/json` is asked for by name: what turns a file into its description.
pub(crate) fn asks_for_json(headers: &HeaderMap) -> bool {
    elements(headers, &ACCEPT)
        .any(|(range, quality)| quality > 0 && range.eq_ignore_ascii_case("application/json"))
}

/// Whether `text/html` is asked for by name, and nothing for programs is asked for more: what
/// browsers do, and no installer.
pub(crate) fn asks_for_html(headers: &HeaderMap) -> bool {
    let quality = |wanted: &str| {
        elements(headers, &ACCEPT)
            .filter(|(range, _)| range.eq_ignore_ascii_case(wanted))
            .map(|(_, quality)| quality)
            .max()
            .unwrap_or(0)
    };
    let html = quality("text/html");
    html > 0
        && ["application/json", SIMPLE_JSON, SIMPLE_HTML]
            .iter()
            .all(|other| quality(other) <= html)
}

/// Whether simple JSON is asked for by name: such a request means the simple page whatever
/// the route.
pub(crate) fn asks_for_simple_json(headers: &HeaderMap) -> bool {
    elements(headers, &ACCEPT).any(|(range, _)| SimpleType::SimpleJson.named_by(range) == 3)
        && simple_type(headers) == Some(SimpleType::SimpleJson)
}

/// The best content encoding that both sides know; ties go to the smaller result.
pub(crate) fn encoding(headers: &HeaderMap) -> Encoding {
    let (mut zstd, mut gzip, mut identity, mut any) = (None, None, None, None);
    for (name, quality) in elements(headers, &ACCEPT_ENCODING) {
        if name.eq_ignore_ascii_case("zstd") {
            zstd = Some(quality);
        } else if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            gzip = Some(quality);
        } else if name.eq_ignore_ascii_case("identity") {
            identity = Some(quality);
        } else if name == "*" {
            any = Some(quality);
        }
    }
    let zstd = zstd.or(any).unwrap_or(0);
    let gzip = gzip.or(any).unwrap_or(0);
    // Identity that nobody names is acceptable, after everything that somebody does name.
    let identity = identity.unwrap_or(0);
    if zstd > 0 && zstd >= gzip && zstd >= identity {
        Encoding::Zstd
    } else if gzip > 0 && gzip >= identity {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

/// What `Content-Encoding` says of an encoding; nothing of bytes as they are.
pub(crate) fn content_encoding(encoding: Encoding) -> Option<HeaderValue> {
    match encoding {
        Encoding::Identity => None,
        Encoding::Gzip => Some(HeaderValue::from_static("gzip")),
        Encoding::Zstd => Some(HeaderValue::from_static("zstd")),
    }
}

/// The elements of a list header with their qualities in thousandths. Elements with an
/// unreadable quality are left out.
fn elements<'h>(
    headers: &'h HeaderMap,
    name: &http::HeaderName,
) -> impl Iterator<Item = (&'h str, u16)> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|element| {
            let mut parts = element.split(';');
            let value = parts.next()?.trim();
            if value.is_empty() {
                return None;
            }
            let mut quality = 1000;
            for parameter in parts {
                if let Some((key, text)) = parameter.split_once('=')
                    && key.trim().eq_ignore_ascii_case("q")
                {
                    quality = thousandths(text.trim())?;
                }
            }
            Some((value, quality))
        })
}

/// `qvalue` of RFC 9110 §12.4.2.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = match whole {
        "0" => 0,
        "1" => 1000,
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parsed = fraction
        .bytes()
        .zip([100, 10, 1])
        .fold(0, |sum, (digit, unit)| sum + u16::from(digit - b'0') * unit);
    let quality = whole + parsed;
    (quality <= 1000).then_some(quality)
}

#[cfg(test)]
mod tests {
    use super::SimpleType::{Html, SimpleHtml, SimpleJson};
    use super::*;

    fn headers(name: &http::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn simple_pages_are_negotiated_as_pep_691_says() {
        let cases: &[(&[&str], Option<SimpleType>)] = &[
            (&[], Some(Html)),
            (&["*/*"], Some(Html)),
            (&["text/html"], Some(Html)),
            (&["TEXT/HTML"], Some(Html)),
            (&["text/*"], Some(Html)),
            (&["application/*"], Some(SimpleHtml)),
            (&["application/vnd.pypi.simple.v1+json"], Some(SimpleJson)),
            (&["application/vnd.pypi.simple.v1+html"], Some(SimpleHtml)),
            (
                &["application/vnd.pypi.simple.latest+json"],
                Some(SimpleJson),
            ),
            (
                &["application/vnd.pypi.simple.latest+html"],
                Some(SimpleHtml),
            ),
            (&["application/vnd.pypi.simple.v2+json"], None),
            (
                &["application/vnd.pypi.simple.v2+json, text/html;q=0.1"],
                Some(Html),
            ),
            // pip
            (
                &[
                    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
                ],
                Some(SimpleJson),
            ),
            // uv
            (
                &[
                    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01",
                ],
                Some(SimpleJson),
            ),
            // poetry
            (
                &["application/vnd.pypi.simple.v1+json, */*;q=0.1"],
                Some(SimpleJson),
            ),
            (
                &["application/vnd.pypi.simple.v1+json, */*"],
                Some(SimpleJson),
            ),
            (
                &["application/vnd.pypi.simple.v1+json;q=0.5, text/html;q=0.5"],
                Some(Html),
            ),
            (
                &["application/vnd.pypi.simple.v1+json;q=0.5, text/html;q=0.6"],
                Some(Html),
            ),
            (
                &["application/vnd.pypi.simple.v1+json;q=0.501, text/html;q=0.5"],
                Some(SimpleJson),
            ),
            (
                &["application/vnd.pypi.simple.v1+json;q=0, */*"],
                Some(Html),
            ),
            (&["text/html;q=0, */*;q=0.1"], Some(SimpleHtml)),
            (&["*/*;q=0"], None),
            // A browser
            (
                &["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"],
                Some(Html),
            ),
            // Several header lines are one list.
            (
                &["text/html;q=0.1", "application/vnd.pypi.simple.v1+json"],
                Some(SimpleJson),
            ),
            // devpi's client after a refresh
            (&["application/json"], Some(SimpleJson)),
            (&["application/json, text/html;q=0.1"], Some(Html)),
            (&["image/png"], None),
            (&["text/html;q=high"], None),
            (&["text/html;q=1.5"], None),
            (&["text/html; charset=utf-8"], Some(Html)),
            (&[""], None),
        ];
        for (accept, expected) in cases {
            assert_eq!(
                simple_type(&headers(&ACCEPT, accept)),
                *expected,
                "{accept:?}"
            );
        }
    }

    #[test]
    fn encodings_follow_qualities_and_prefer_the_smaller() {
        let cases: &[(&[&str], Encoding)] = &[
            (&[], Encoding::Identity),
            (&["identity"], Encoding::Identity),
            (&["gzip"], Encoding::Gzip),
            (&["x-gzip"], Encoding::Gzip),
            (&["gzip, deflate"], Encoding::Gzip),
            (&["gzip, deflate, zstd"], Encoding::Zstd),
            (&["gzip, deflate, br, zstd"], Encoding::Zstd),
            (&["zstd;q=0.5, gzip"], Encoding::Gzip),
            (&["zstd;q=0, gzip;q=0"], Encoding::Identity),
            (&["*"], Encoding::Zstd),
            (&["*;q=0.5, zstd;q=0"], Encoding::Gzip),
            (&["identity;q=1, gzip;q=0.5"], Encoding::Identity),
            (&["identity;q=0.5, gzip;q=0.5"], Encoding::Gzip),
            (&["br"], Encoding::Identity),
            (&["gzip;q=banana"], Encoding::Identity),
        ];
        for (accept, expected) in cases {
            assert_eq!(
                encoding(&headers(&ACCEPT_ENCODING, accept)),
                *expected,
                "{accept:?}"
            );
        }
    }

    #[test]
    fn json_documents_are_for_whoever_accepts_them() {
        for (accept, accepted, named) in [
            ("application/json", true, true),
            ("*/*", true, false),
            ("application/*;q=0.3", true, false),
            ("text/html", false, false),
            ("text/html, application/json;q=0", false, false),
            ("application/json;q=0, */*", false, false),
            ("text/html, application/json;q=0.2", true, true),
        ] {
            let headers = headers(&ACCEPT, &[accept]);
            assert_eq!(accepts_json(&headers), accepted, "{accept}");
            assert_eq!(asks_for_json(&headers), named, "{accept}");
        }
        assert!(accepts_json(&HeaderMap::new()));
        assert!(!asks_for_json(&HeaderMap::new()));
    }

    #[test]
    fn pages_for_people_are_for_browsers() {
        for (accept, expected) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("text/html", true),
            ("text/html;q=0, */*", false),
            ("text/html;q=0.5, application/json;q=0.5", true),
            ("text/html;q=0.5, application/json", false),
            (
                "application/vnd.pypi.simple.v1+json;q=0.5, text/html;q=0.5",
                true,
            ),
            ("*/*", false),
            ("application/json", false),
            (
                "application/vnd.pypi.simple.v1+json, \
                 application/vnd.pypi.simple.v1+html;q=0.1, text/html;q=0.01",
                false,
            ),
        ] {
            let headers = headers(&ACCEPT, &[accept]);
            assert_eq!(asks_for_html(&headers), expected, "{accept}");
        }
        assert!(!asks_for_html(&HeaderMap::new()));
    }

    #[test]
    fn simple_json_is_asked_for_by_name_only() {
        for (accept, expected) in [
            ("application/vnd.pypi.simple.v1+json", true),
            ("application/vnd.pypi.simple.v1+json, text/html;q=0.1", true),
            (
                "application/vnd.pypi.simple.v1+json;q=0.1, text/html",
                false,
            ),
            ("*/*", false),
            ("application/json", false),
        ] {
            assert_eq!(
                asks_for_simple_json(&headers(&ACCEPT, &[accept])),
                expected,
                "{accept}"
            );
        }
    }
}
