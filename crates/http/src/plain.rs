//! Plain HTTP on a server that speaks TLS as well.
//!
//! Readers are led to the HTTPS address or answered, as the operator has chosen. Whoever sends
//! credentials or wants to change something is refused and not led: the password has gone over the
//! wire by then, and a client that is led on sends it again with every request, and nobody notices.
//! What a trusted proxy has received over TLS counts as TLS.

use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};

use crate::channel::{Channel, PlainPolicy};
use crate::credentials::{self, Sent};
use crate::failure::SimpleError;
use crate::{health, outside};

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is answered as any other.
    Answer,
    /// The client is told this URL.
    Lead(String),
    /// The client is told this.
    Refuse(String),
}

/// Looks at a request before anything else does. `path` is the one that the routes see.
pub(crate) fn verdict(
    channel: &Channel,
    request: &Parts,
    path: &str,
    trusted: bool,
    outside_url: Option<&str>,
) -> Verdict {
    let Channel::BesideTls { policy, https_port } = *channel else {
        return Verdict::Answer;
    };
    // Those who watch whether we are alive may not know our authority.
    if policy == PlainPolicy::Serve
        || health::is_asked(path)
        || outside::came_over_tls(&request.headers, trusted)
    {
        return Verdict::Answer;
    }
    let base = outside::https_url(
        &request.headers,
        &request.uri,
        trusted,
        outside_url,
        https_port,
    );
    if request.method != Method::GET && request.method != Method::HEAD {
        return Verdict::Refuse(format!(
            "this address speaks plain HTTP, where everybody on the way can read what is sent: \
             nothing is changed here, use {base}/"
        ));
    }
    match credentials::sent(&request.method, &request.headers) {
        Sent::InHeader => {
            return Verdict::Refuse(format!(
                "credentials are not taken over plain HTTP, where everybody on the way can read them: \
                 use {base}/ and replace the password or token that was just sent"
            ));
        }
        // A browser has kept it from another time, and is led on without it being looked at.
        Sent::InCookie => return Verdict::Lead(target(&base, path, &request.uri)),
        Sent::Nowhere => {}
    }
    if policy == PlainPolicy::Redirect || leads_to_a_login(path) {
        return Verdict::Lead(target(&base, path, &request.uri));
    }
    Verdict::Answer
}

/// The form, and the document that tells clients where to send their passwords: what they say has to
/// begin with `https`.
fn leads_to_a_login(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    matches!(path, "/+login" | "/+logout") || path.ends_with("/+api")
}

fn target(base: &str, path: &str, uri: &Uri) -> String {
    match uri.query() {
        Some(query) => format!("{base}{path}?{query}"),
        None => format!("{base}{path}"),
    }
}

/// Shows the way. 301, because clients of all ages understand it, which 308 is too young for; for GET
/// and HEAD the two say the same.
pub(crate) fn lead(target: &str) -> Response {
    match HeaderValue::from_str(target) {
        Ok(location) => (StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]).into_response(),
        Err(_) => SimpleError(Error::Invalid("the URL is not valid".to_owned())).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asked(
        policy: PlainPolicy,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        outside_url: Option<&str>,
    ) -> Verdict {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "shop.test:3141");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let channel = Channel::BesideTls {
            policy,
            https_port: Some(3443),
        };
        let trusted = true;
        let path = outside::inner_path(uri.split('?').next().unwrap(), "").into_owned();
        verdict(&channel, &parts, &path, trusted, outside_url)
    }

    fn led(to: &str) -> Verdict {
        Verdict::Lead(to.to_owned())
    }

    #[test]
    fn readers_are_led_or_answered_as_the_operator_says() {
        use PlainPolicy::{ReadOnly, Redirect, Serve};
        let page = "/bob/dev/+simple/?a=b";
        let led_to_page = led("https://shop.test:3443/bob/dev/+simple/?a=b");
        for (policy, method, uri, expected) in [
            (Serve, "GET", page, Verdict::Answer),
            (Serve, "POST", "/bob/dev/", Verdict::Answer),
            (ReadOnly, "GET", page, Verdict::Answer),
            (ReadOnly, "HEAD", page, Verdict::Answer),
            (
                ReadOnly,
                "GET",
                "/+login",
                led("https://shop.test:3443/+login"),
            ),
            (
                ReadOnly,
                "GET",
                "/bob/dev/+api",
                led("https://shop.test:3443/bob/dev/+api"),
            ),
            (Redirect, "GET", page, led_to_page),
            (Redirect, "GET", "/+health/live", Verdict::Answer),
            (Redirect, "GET", "/+health/ready", Verdict::Answer),
        ] {
            let found = asked(policy, method, uri, &[], None);
            assert_eq!(found, expected, "{policy:?} {method} {uri}");
        }
    }

    #[test]
    fn what_is_secret_or_changes_something_is_refused_with_the_url() {
        use PlainPolicy::{ReadOnly, Redirect};
        for policy in [ReadOnly, Redirect] {
            for (method, uri) in [
                ("POST", "/+login"),
                ("PUT", "/bob"),
                ("DELETE", "/bob"),
                ("PUSH", "/bob/dev"),
                ("OPTIONS", "/"),
            ] {
                let Verdict::Refuse(text) = asked(policy, method, uri, &[], None) else {
                    panic!("{method} {uri}");
                };
                assert!(text.contains("https://shop.test:3443/"), "{text}");
            }
            for header in ["authorization", "x-devpi-auth"] {
                let sent = [(header, "Basic Ym9iOmE=")];
                let Verdict::Refuse(text) = asked(policy, "GET", "/bob", &sent, None) else {
                    panic!("{header}");
                };
                assert!(text.contains("replace the password"), "{text}");
            }
        }
    }

    #[test]
    fn the_way_leads_to_where_users_know_the_server() {
        let ask = |headers: &[(&str, &str)], outside| {
            asked(PlainPolicy::Redirect, "GET", "/bob", headers, outside)
        };
        let own = led("https://shop.test:3443/bob");
        assert_eq!(ask(&[], None), own);
        assert_eq!(ask(&[], Some("http://shop.test")), own);
        assert_eq!(
            ask(&[], Some("https://pypi.example/sub")),
            led("https://pypi.example/sub/bob")
        );
        // A proxy has its own TLS, at the usual port.
        let proxy = [
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "pypi.example:80"),
        ];
        assert_eq!(ask(&proxy, None), led("https://pypi.example/bob"));
        let proxy = [("x-outside-url", "http://pypi.example:8080/sub/")];
        assert_eq!(ask(&proxy, None), led("https://pypi.example/sub/bob"));
        for over_tls in [
            [("x-forwarded-proto", "https")],
            [("x-outside-url", "https://pypi.example/")],
        ] {
            assert_eq!(ask(&over_tls, None), Verdict::Answer, "{over_tls:?}");
        }
    }
}
