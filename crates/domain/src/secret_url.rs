//! URLs that may carry credentials and never show them.

use std::fmt;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

/// What stands in place of credentials.
const REDACTED: &str = "***";

/// An absolute HTTP or HTTPS URL, perhaps with credentials.
///
/// `Debug` and `Display` show `***` in place of user name and password (a token is as often the one as the
/// other). The text is kept as it was written, so that it reads back the same.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl {
    text: String,
    url: Url,
}

/// The credentials of a URL, percent-decoded.
#[derive(Debug, Clone)]
pub struct UrlCredentials {
    /// The user name; may be a token and so is treated as a secret too.
    pub username: SecretString,
    /// The password; empty when the URL has none.
    pub password: SecretString,
}

impl SecretUrl {
    /// Reads a URL. It must begin with `http://` or `https://`, name a host, and be free of blanks,
    /// control characters and backslashes, which readers of URLs do not agree on.
    pub fn parse(text: &str) -> Result<Self, SecretUrlError> {
        let authority = authority(text).ok_or(SecretUrlError)?;
        let is_odd = |character: char| {
            character == '\\' || character.is_whitespace() || character.is_control()
        };
        if authority.is_empty() || text.contains(is_odd) {
            return Err(SecretUrlError);
        }
        let url = Url::parse(text).map_err(|_| SecretUrlError)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(SecretUrlError);
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The whole URL with its credentials, for storage and for nothing else.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The URL as it may be shown.
    pub fn redacted(&self) -> String {
        match userinfo(&self.text) {
            None => self.text.clone(),
            Some(userinfo) => {
                let start = self.text.len() - after_scheme(&self.text).len();
                let rest = &self.text[start + userinfo.len()..];
                format!("{}{REDACTED}{rest}", &self.text[..start])
            }
        }
    }

    /// The URL without credentials and fragment: what to ask for.
    pub fn without_credentials(&self) -> Url {
        let mut url = self.url.clone();
        // Both only fail for URLs that have no host, which `parse` refuses.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        url
    }

    /// The credentials, when there are any.
    pub fn credentials(&self) -> Option<UrlCredentials> {
        let decode = |text: &str| {
            SecretString::from(percent_decode_str(text).decode_utf8_lossy().into_owned())
        };
        let (username, password) = (self.url.username(), self.url.password());
        (!username.is_empty() || password.is_some()).then(|| UrlCredentials {
            username: decode(username),
            password: decode(password.unwrap_or_default()),
        })
    }

    /// Whether user name or password is nothing but the mark that it was hidden, however it is spelled:
    /// what a client sends back that has read the configuration, or what a person made of that.
    pub fn is_redacted(&self) -> bool {
        userinfo(&self.text).is_some_and(|userinfo| {
            let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            [username, password]
                .into_iter()
                .any(|part| percent_decode_str(part).eq(REDACTED.bytes()))
        })
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.redacted().fmt(f)
    }
}

/// A text that is no absolute HTTP or HTTPS URL. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an absolute http or https URL")]
pub struct SecretUrlError;

fn after_scheme(text: &str) -> &str {
    text.strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
        .unwrap_or_default()
}

/// What stands between `//` and the path; `None` without the right scheme.
fn authority(text: &str) -> Option<&str> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return None;
    }
    after_scheme(text).split(['/', '?', '#']).next()
}

/// The part of the authority before its last `@`, as the URL standard cuts it.
fn userinfo(text: &str) -> Option<&str> {
    authority(text)?
        .rsplit_once('@')
        .map(|(userinfo, _)| userinfo)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        for (written, shown) in [
            ("https://h.example/simple/", "https://h.example/simple/"),
            (
                "https://bob:pw@h.example/simple",
                "https://***@h.example/simple",
            ),
            ("http://token@h.example:81", "http://***@h.example:81"),
            ("http://:pw@h.example/", "http://***@h.example/"),
            ("http://b@d:p@w@h.example/x@y", "http://***@h.example/x@y"),
            ("http://h.example/@x?y=a@b", "http://h.example/@x?y=a@b"),
            ("http://h.example?a@b", "http://h.example?a@b"),
        ] {
            let url = SecretUrl::parse(written).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("{shown:?}"));
            assert_eq!(url.redacted(), shown);
            assert_eq!(url.expose(), written);
            let plain = url.without_credentials();
            assert_eq!((plain.username(), plain.password()), ("", None));
        }
    }

    #[test]
    fn credentials_come_out_decoded() {
        let url = SecretUrl::parse("https://b%40b:p%2Fw@h.example/").unwrap();
        let credentials = url.credentials().unwrap();
        assert_eq!(credentials.username.expose_secret(), "b@b");
        assert_eq!(credentials.password.expose_secret(), "p/w");
        assert!(!format!("{credentials:?}").contains("b@b"));
        let without = SecretUrl::parse("https://h.example/").unwrap();
        assert!(without.credentials().is_none());
    }

    #[test]
    fn only_plain_http_urls_are_accepted() {
        for text in [
            "",
            "x",
            "ftp://h/",
            "HTTP://h/",
            "http:/h",
            "http://",
            "http:///h/",
            "http://u@/x",
            "http:\\\\h",
            "http://h\\@x/",
            " http://h/",
            "http://h/a b",
            "http://h/\n",
            "file:///x",
        ] {
            assert!(SecretUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_mark_of_hidden_credentials_is_recognised() {
        let url = SecretUrl::parse("https://bob:pw@h.example/simple").unwrap();
        assert!(!url.is_redacted());
        assert!(SecretUrl::parse(&url.redacted()).unwrap().is_redacted());
        for (text, expected) in [
            ("https://bob:***@h.example/", true),
            ("https://***:pw@h.example/", true),
            ("https://***:@h.example/", true),
            ("https://:***@h.example/", true),
            ("https://bob:%2a**@h.example/", true),
            ("https://bob:****@h.example/", false),
            ("https://bob:a***@h.example/", false),
            ("https://bob:a:***@h.example/", false),
            ("https://h.example/***@", false),
            ("https://h.example/***:***", false),
        ] {
            let url = SecretUrl::parse(text).unwrap();
            assert_eq!(url.is_redacted(), expected, "{text}");
        }
    }
}
