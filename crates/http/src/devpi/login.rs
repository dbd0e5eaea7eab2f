//! `POST /+login`: a password for a token; in a browser, for a cookie (`web::login`).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::Error;
use cheeseshop_domain::api::{Envelope, Kind, LoginRequest, ProxyAuth};
use http::StatusCode;
use secrecy::ExposeSecret;

use super::envelope;
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::{json_body, web};

pub(crate) async fn login(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    if web::is_form(&ask) {
        return web::log_in(&shared, &ask, body).await;
    }
    ask.json_only()?;
    let body = json_body::value(body, &shared.settings).await?;
    let request = LoginRequest::parse(&body).map_err(|error| Error::Invalid(error.to_string()))?;
    let login = shared
        .app
        .login(&request.user, &request.password, ask.context.client)
        .await?;
    let result = proxy_auth(&login);
    Ok(envelope::send(
        StatusCode::OK,
        &Envelope::of(Kind::ProxyAuth, result).with_message("login successful"),
    ))
}

pub(super) fn proxy_auth(login: &cheeseshop_app::auth::LoginToken) -> ProxyAuth {
    ProxyAuth {
        password: login.token.expose_secret().to_owned(),
        expiration: login.expires_in.as_secs(),
    }
}
