//! Errors as uploaders see them: the reason phrase is what twine and devpi's client print.

use axum::response::Response;
use cheeseshop_app::Error;
use http::StatusCode;
use hyper::ext::ReasonPhrase;

use crate::devpi::envelope;
use crate::failure::{plain_text, status};

/// The longest reason phrase in bytes; some proxies cut the status line off beyond this.
const MAX_REASON: usize = 400;

/// The text as reason phrase and once more as body, for HTTP/2 has no reason phrases.
pub(crate) fn spell(error: &Error, asks_for_json: bool) -> Response {
    let status = status(error);
    let text = error.to_string();
    if status == StatusCode::UNAUTHORIZED {
        // Scripts around devpi's client look for the usual phrase of this one.
        return with_reason(
            body(status, &text, asks_for_json),
            &format!("Unauthorized: {text}"),
        );
    }
    answer(status, &text, asks_for_json)
}

/// An answer whose text is told in the reason phrase.
pub(crate) fn answer(status: StatusCode, text: &str, as_json: bool) -> Response {
    with_reason(body(status, text, as_json), text)
}

fn with_reason(mut response: Response, text: &str) -> Response {
    response.extensions_mut().insert(reason_phrase(text));
    response
}

fn body(status: StatusCode, text: &str, as_json: bool) -> Response {
    if as_json {
        envelope::message(status, text)
    } else {
        plain_text(status, text)
    }
}

/// One line of visible ASCII: anything else would end the status line early or be garbled on
/// its way, for a reason phrase has no character set.
pub(crate) fn reason_phrase(text: &str) -> ReasonPhrase {
    let mut line: String = text
        .chars()
        .map(|character| match character {
            ' '..='~' => character,
            '\t' | '\r' | '\n' => ' ',
            _ => '?',
        })
        .collect();
    line.truncate(MAX_REASON);
    ReasonPhrase::try_from(line.into_bytes()).expect("visible ASCII and blanks only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_phrase_is_one_short_line_of_ascii() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a\r\nX-Evil: 1", "a  X-Evil: 1"),
            ("grün\0", "gr?n?"),
            ("", ""),
        ] {
            assert_eq!(reason_phrase(text).as_bytes(), expected.as_bytes());
        }
        assert_eq!(
            reason_phrase(&"ü".repeat(1000)).as_bytes().len(),
            MAX_REASON
        );
    }
}
