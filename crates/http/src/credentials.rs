//! Credentials out of headers.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cheeseshop_app::auth::{self, Credentials};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;

use crate::channel::ClientCertificate;

/// The cookie of a login in a browser, by devpi-lockdown's name: `user:token`, percent-encoded.
pub(crate) const COOKIE_NAME: &str = "auth_tkt";

const X_DEVPI_AUTH: &str = "x-devpi-auth";

/// The caller's credentials. `X-Devpi-Auth` decides when it is present, even when it is
/// unreadable; what cannot be read counts as no credentials (devpi's rules). Where neither header
/// says anything, the cookie of a login in a browser does.
pub(crate) fn credentials(method: &Method, headers: &HeaderMap) -> Option<Credentials> {
    if let Some(value) = headers.get(X_DEVPI_AUTH) {
        return decode(value.as_bytes());
    }
    match headers.get(AUTHORIZATION) {
        Some(value) => authorization(value.as_bytes()),
        None => cookie(method, headers),
    }
}

/// Where a request says who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Nowhere,
    InHeader,
    InCookie,
}

/// Where the request says who sends it, whether or not that can be read.
pub(crate) fn sent(method: &Method, headers: &HeaderMap) -> Sent {
    if headers.contains_key(AUTHORIZATION) || headers.contains_key(X_DEVPI_AUTH) {
        Sent::InHeader
    } else if cookie(method, headers).is_some() {
        Sent::InCookie
    } else {
        Sent::Nowhere
    }
}

/// What says who asks.
pub(crate) enum Decisive {
    /// What was sent in a header, which may be unreadable. Nothing else counts, even if it is wrong:
    /// whoever writes a name and a password wants to be that user or to hear why not.
    Sent(Option<Credentials>),
    /// A browser's cookie, as long as its login holds; then the certificate. Nobody chooses to send
    /// it, and an old one is none.
    Cookie(Credentials),
    /// The client's certificate, if there is one.
    Certificate,
}

/// What says who asks: a header goes before a cookie, and that before a certificate. A name without a
/// password beside a certificate for that name is none: twine cannot do without the name.
pub(crate) fn decisive(
    method: &Method,
    headers: &HeaderMap,
    certificate: &ClientCertificate,
) -> Decisive {
    let credentials = credentials(method, headers);
    match (sent(method, headers), credentials) {
        (Sent::Nowhere, _) | (Sent::InCookie, None) => Decisive::Certificate,
        (Sent::InCookie, Some(credentials)) => Decisive::Cookie(credentials),
        (Sent::InHeader, credentials) => of_header(credentials, certificate),
    }
}

fn of_header(credentials: Option<Credentials>, certificate: &ClientCertificate) -> Decisive {
    if let (Some(credentials), ClientCertificate::User(name)) = (&credentials, certificate)
        && credentials.user == **name
        && credentials.secret.expose_secret().is_empty()
    {
        return Decisive::Certificate;
    }
    Decisive::Sent(credentials)
}

fn authorization(value: &[u8]) -> Option<Credentials> {
    let (scheme, rest) = value.split_at_checked(value.iter().position(|byte| *byte == b' ')?)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"basic") {
        return decode(rest);
    }
    // Only tokens are sent this way. Anything else is for somebody in front of us.
    let text = std::str::from_utf8(rest).ok()?;
    (scheme.eq_ignore_ascii_case(b"bearer") && auth::is_api_token(text)).then(|| Credentials {
        user: String::new(),
        secret: text.to_owned().into(),
    })
}

/// A browser sends its cookie whoever made it ask, so a cookie only ever reads: for a change, the page
/// of another site must not be enough. It holds a login and nothing else that a password stands for.
fn cookie(method: &Method, headers: &HeaderMap) -> Option<Credentials> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let value = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE_NAME).then_some(value)
        })?;
    let text: Cow<'_, str> = percent_decode_str(value.trim_matches('"'))
        .decode_utf8()
        .ok()?;
    let (user, secret) = text.split_once(':')?;
    auth::is_login_token(secret).then(|| Credentials {
        user: user.to_owned(),
        secret: secret.to_owned().into(),
    })
}

/// `base64("user:secret")`; UTF-8, else Latin-1 (RFC 7617 leaves it open, devpi takes both).
fn decode(encoded: &[u8]) -> Option<Credentials> {
    let bytes = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        error
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect()
    });
    let (user, secret) = text.split_once(':')?;
    Some(Credentials {
        user: user.to_owned(),
        secret: secret.to_owned().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, String)]) -> Option<(String, String)> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        credentials(&Method::GET, &headers)
            .map(|found| (found.user, found.secret.expose_secret().to_owned()))
    }

    fn encoded(bytes: impl AsRef<[u8]>) -> String {
        STANDARD.encode(bytes)
    }

    #[test]
    fn basic_and_devpi_credentials_are_read() {
        let expected = Some(("bob".to_owned(), "a:b".to_owned()));
        for scheme in ["Basic", "basic", "BASIC"] {
            let value = format!("{scheme} {}", encoded("bob:a:b"));
            assert_eq!(read(&[("authorization", value)]), expected);
        }
        assert_eq!(read(&[("x-devpi-auth", encoded("bob:a:b"))]), expected);
    }

    #[test]
    fn latin_1_is_understood_where_utf_8_is_not() {
        let utf8 = read(&[("x-devpi-auth", encoded("jürgen:ü"))]);
        let latin = read(&[("x-devpi-auth", encoded(b"j\xfcrgen:\xfc"))]);
        assert_eq!(utf8, Some(("jürgen".to_owned(), "ü".to_owned())));
        assert_eq!(utf8, latin);
    }

    #[test]
    fn the_devpi_header_decides_even_when_it_is_wrong() {
        let basic = format!("Basic {}", encoded("bob:right"));
        let both =
            |devpi: String| read(&[("x-devpi-auth", devpi), ("authorization", basic.clone())]);
        assert_eq!(
            both(encoded("eve:x")),
            Some(("eve".to_owned(), "x".to_owned()))
        );
        assert_eq!(both("*".to_owned()), None);
        assert_eq!(both(encoded("no colon")), None);
    }

    /// The shortest text that has the form of a login token.
    fn login() -> String {
        format!("csl1_{}", "A".repeat(54))
    }

    #[test]
    fn a_cookie_is_read_where_no_header_says_who_asks() {
        let expected = Some(("jürgen".to_owned(), login()));
        let cookie = format!("a=b; auth_tkt=j%C3%BCrgen%3A{}; c=d", login());
        assert_eq!(read(&[("cookie", cookie.clone())]), expected);
        let quoted = format!("auth_tkt=\"j%C3%BCrgen%3A{}\"", login());
        assert_eq!(read(&[("cookie", quoted)]), expected);
        let basic = format!("Basic {}", encoded("bob:right"));
        assert_eq!(
            read(&[("cookie", cookie), ("authorization", basic)]),
            Some(("bob".to_owned(), "right".to_owned()))
        );
        for other in [
            "auth_tkt=",
            "auth_tkt=bob:password",
            "auth=bob:x",
            "auth_tkt",
        ] {
            assert_eq!(read(&[("cookie", other.to_owned())]), None, "{other}");
        }
    }

    #[test]
    fn a_cookie_changes_nothing() {
        let headers: HeaderMap = [(
            COOKIE,
            format!("auth_tkt=bob%3A{}", login()).parse().unwrap(),
        )]
        .into_iter()
        .collect();
        for (method, counts) in [
            (Method::GET, true),
            (Method::HEAD, true),
            (Method::POST, false),
            (Method::PUT, false),
            (Method::PATCH, false),
            (Method::DELETE, false),
            (Method::from_bytes(b"PUSH").unwrap(), false),
        ] {
            assert_eq!(credentials(&method, &headers).is_some(), counts, "{method}");
            let is_sent = sent(&method, &headers) != Sent::Nowhere;
            assert_eq!(is_sent, counts, "{method}");
        }
    }

    #[test]
    fn credentials_go_before_a_certificate_unless_they_are_its_name_alone() {
        let bob = ClientCertificate::User("bob".into());
        for (basic, certificate, is_sent) in [
            (None, &bob, false),
            (Some("bob:"), &bob, false),
            (Some("bob:secret"), &bob, true),
            (Some("eve:"), &bob, true),
            (Some("bob:"), &ClientCertificate::Nobody, true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(basic) = basic {
                let value = format!("Basic {}", encoded(basic));
                headers.insert(AUTHORIZATION, value.parse().unwrap());
            }
            let found = decisive(&Method::GET, &headers, certificate);
            assert_eq!(matches!(found, Decisive::Sent(_)), is_sent, "{basic:?}");
        }
    }

    #[test]
    fn a_cookie_is_looked_at_where_no_header_decides() {
        let bob = ClientCertificate::User("bob".into());
        let cookie = format!("auth_tkt=eve%3A{}", login());
        let decided = |headers: &[(&'static str, &str)], method: &Method| {
            let headers = headers
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            match decisive(method, &headers, &bob) {
                Decisive::Sent(credentials) => (Some("header"), credentials.map(|who| who.user)),
                Decisive::Cookie(credentials) => (Some("cookie"), Some(credentials.user)),
                Decisive::Certificate => (None, None),
            }
        };
        let eve = (Some("cookie"), Some("eve".to_owned()));
        assert_eq!(decided(&[("cookie", &cookie)], &Method::GET), eve);
        assert_eq!(decided(&[("cookie", &cookie)], &Method::POST), (None, None));
        let cookies = [("cookie", "auth_tkt=nonsense")];
        assert_eq!(decided(&cookies, &Method::GET), (None, None));
        let both = [("cookie", &*cookie), ("authorization", "Basic !!")];
        assert_eq!(decided(&both, &Method::GET), (Some("header"), None));
    }

    #[test]
    fn a_bearer_is_a_token() {
        let token = "AgEyY2hlZXNlc2hvcDE6-damaged";
        for scheme in ["Bearer", "bearer"] {
            assert_eq!(
                read(&[("authorization", format!("{scheme} {token}"))]),
                Some((String::new(), token.to_owned()))
            );
        }
    }

    #[test]
    fn malformed_credentials_are_none() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "Basic !!",
            "Bearer abc",
            "Digest username=x",
        ] {
            assert_eq!(
                read(&[("authorization", value.to_owned())]),
                None,
                "{value}"
            );
        }
        assert_eq!(read(&[]), None);
    }
}
