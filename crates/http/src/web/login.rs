//! `/+login` and `/+logout` in a browser: devpi-lockdown's form and its cookie.
//!
//! The cookie holds what `devpi login` would get, and [`crate::credentials`] takes it for reading
//! only. It is out of reach of scripts, is not sent along when another site's page asks for
//! something (`SameSite=Lax`), and travels over TLS alone where the server is reached that way.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::html::Html;
use super::page::dialog;
use crate::ask::Ask;
use crate::credentials::COOKIE_NAME;
use crate::failure::{self, DevpiError};
use crate::front::Shared;
use crate::{json_body, outside};

/// The name of the query parameter that says where to go after the login.
pub(crate) const GOTO: &str = "goto_url";

/// Where somebody may want to go, in bytes.
const MAX_GOTO: usize = 4096;

/// `GET /+login`; for whoever wants JSON there is nothing, as in devpi.
pub(crate) async fn login_page(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    ask.html_only()?;
    let caller = ask.caller(&shared.app).await?;
    let mut notice = Html::new();
    if let Some(user) = caller.user_name() {
        notice
            .markup("<p>You are logged in as <strong>")
            .text(user.as_str())
            .markup("</strong>.</p>\n");
    }
    Ok(form(&ask, StatusCode::OK, &notice))
}

/// Whether a `POST /+login` comes from the form. Tools send JSON, and some of them call it a form.
pub(crate) fn is_form(ask: &Ask) -> bool {
    ask.context.asks_for_html && !ask.context.asks_for_json
}

/// `POST /+login` from the form.
pub(crate) async fn log_in(shared: &Shared, ask: &Ask, body: Body) -> Result<Response, DevpiError> {
    let body = json_body::read(body, &shared.settings).await?;
    let (mut user, mut password) = (String::new(), String::new());
    for (name, value) in url::form_urlencoded::parse(&body) {
        match &*name {
            "username" => user = value.into_owned(),
            "password" => password = value.into_owned(),
            _ => {}
        }
    }
    let password = SecretString::from(password);
    match shared.app.login(&user, &password, ask.context.client).await {
        Ok(login) => {
            let text = format!("{user}:{}", login.token.expose_secret());
            let value = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
            let cookie = cookie(ask, &value, login.expires_in.as_secs());
            Ok(redirect(&destination(ask), cookie))
        }
        Err(error) => refused(ask, error).map_err(DevpiError),
    }
}

/// `GET /+logout`
pub(crate) async fn logout_page(ask: Ask) -> Result<Response, DevpiError> {
    ask.html_only()?;
    let mut body = Html::new();
    body.markup("<form method=\"post\">\n<button name=\"submit\">Log out</button>\n</form>\n");
    Ok(dialog(&ask.context, StatusCode::OK, "Log out", &body))
}

/// `POST /+logout`
pub(crate) async fn log_out(ask: Ask) -> Response {
    let home = format!("{}/", outside::prefix(&ask.context.base_url));
    redirect(&home, cookie(&ask, "", 0))
}

/// The page again, with what went wrong. No challenge goes with the 401: the browser would put its
/// own window over the form.
fn refused(ask: &Ask, error: Error) -> Result<Response, Error> {
    let status = match &error {
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => return Err(error),
    };
    let mut notice = Html::new();
    notice
        .markup("<p role=\"alert\">")
        .text(&error.to_string())
        .markup("</p>\n");
    let mut response = form(ask, status, &notice);
    if let Error::Throttled { retry_after } = error {
        let wait = failure::retry_after(retry_after);
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    Ok(response)
}

/// The form goes to its own URL, and so takes the destination with it.
fn form(ask: &Ask, status: StatusCode, notice: &Html) -> Response {
    let mut body = Html::new();
    body.part(notice).markup(
        "<form method=\"post\">\n\
         <label for=\"username\">User</label>\n\
         <input id=\"username\" name=\"username\" autocomplete=\"username\" autofocus required>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\">\n\
         <button name=\"submit\">Log in</button>\n</form>\n",
    );
    dialog(&ask.context, status, "Log in", &body)
}

fn redirect(location: &str, cookie: HeaderValue) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(SET_COOKIE, cookie);
    headers.insert(
        LOCATION,
        HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/")),
    );
    response
}

fn cookie(ask: &Ask, value: &str, seconds: u64) -> HeaderValue {
    let base = ask.context.base_url.as_str();
    let path = match outside::prefix(base) {
        "" => "/",
        prefix => prefix,
    };
    let secure = if base.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{COOKIE_NAME}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    );
    // Only a prefix of exotic characters could fail here; a cookie for less is no cookie for more.
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static("auth_tkt=; Max-Age=0"))
}

/// Where to go after the login: what the query says, if it is here; the start page otherwise.
fn destination(ask: &Ask) -> String {
    let base = ask.context.base_url.as_str();
    local(ask.query(), base).unwrap_or_else(|| format!("{}/", outside::prefix(base)))
}

/// The path, with its query, that a query's [`GOTO`] names on this server.
///
/// nginx writes the URL as it came, unescaped: then it reaches to the end of the query, and a `+` is a
/// plus sign.
fn local(query: &str, base_url: &str) -> Option<String> {
    let (before, value) = query.split_once(&format!("{GOTO}="))?;
    if !(before.is_empty() || before.ends_with('&')) || value.len() > MAX_GOTO {
        return None;
    }
    let target = if value.starts_with('/') {
        value.to_owned()
    } else {
        let value = value.split('&').next().unwrap_or_default();
        percent_decode_str(value).decode_utf8().ok()?.into_owned()
    };
    let path = if target.starts_with('/') {
        target.as_str()
    } else {
        // Somebody's full URL: only ours leads anywhere.
        let host_and_path = |url: &'_ str| url.split_once("://").map(|(_, rest)| rest.to_owned());
        let ours = host_and_path(base_url)?;
        let host = ours.split('/').next().unwrap_or_default();
        let (scheme, rest) = target.split_once("://")?;
        if !base_url.starts_with(&format!("{scheme}://")) {
            return None;
        }
        rest.strip_prefix(host)?
    };
    // A browser takes `//host` and `/\host` for another server.
    let leads_away = path.starts_with("//") || path.starts_with("/\\");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    (path.starts_with('/') && !leads_away && is_plain).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_nowhere_but_here() {
        let base = "https://shop.test/pypi";
        for (query, expected) in [
            ("goto_url=/bob/dev/+simple/", Some("/bob/dev/+simple/")),
            ("goto_url=/bob?a=b&c=d", Some("/bob?a=b&c=d")),
            (
                "goto_url=%2Fbob%2Fdev%2F%2Bsimple%2F&x=y",
                Some("/bob/dev/+simple/"),
            ),
            ("x=y&goto_url=/bob", Some("/bob")),
            ("goto_url=https://shop.test/bob", Some("/bob")),
            ("goto_url=http://shop.test/bob", None),
            ("goto_url=https://shop.test.evil.example/", None),
            ("goto_url=https://shop.test@evil.example/", None),
            ("goto_url=https://evil.example/", None),
            ("goto_url=//evil.example/", None),
            ("goto_url=/\\evil.example/", None),
            ("goto_url=%2F%2Fevil.example", None),
            ("goto_url=%2F%5Cevil.example", None),
            ("goto_url=%2F%09/evil.example", None),
            (
                "goto_url=/a%0d%0aSet-Cookie:x",
                Some("/a%0d%0aSet-Cookie:x"),
            ),
            ("goto_url=%2Fa%0d%0aSet-Cookie:x", None),
            ("goto_url=javascript:alert(1)", None),
            ("goto_url=", None),
            ("not_goto_url=/bob", None),
            ("", None),
        ] {
            assert_eq!(local(query, base).as_deref(), expected, "{query}");
        }
    }
}
