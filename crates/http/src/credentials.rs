//! Credentials out of headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cheeseshop_app::auth::Credentials;
use http::HeaderMap;
use http::header::AUTHORIZATION;

const X_DEVPI_AUTH: &str = "x-devpi-auth";

/// The caller's credentials. `X-Devpi-Auth` decides when it is present, even when it is
/// unreadable; what cannot be read counts as no credentials (devpi's rules).
pub(crate) fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    if let Some(value) = headers.get(X_DEVPI_AUTH) {
        return decode(value.as_bytes());
    }
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let scheme = value.get(..6)?;
    scheme
        .eq_ignore_ascii_case(b"basic ")
        .then(|| decode(&value[6..]))
        .flatten()
}

/// Whether the request says who sends it, in whatever form.
pub(crate) fn are_sent(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(X_DEVPI_AUTH)
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
    use secrecy::ExposeSecret;

    use super::*;

    fn read(pairs: &[(&'static str, String)]) -> Option<(String, String)> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        credentials(&headers).map(|found| (found.user, found.secret.expose_secret().to_owned()))
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
