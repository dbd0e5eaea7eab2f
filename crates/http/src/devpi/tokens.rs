//! `/{user}/+token-create` and `/{user}/+tokens`: devpi-tokens' routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use cheeseshop_domain::api::{Kind, TokenDocument, TokenInfo, TokensInfo, format_time};
use http::StatusCode;
use secrecy::ExposeSecret;

use super::envelope;
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::json_body;

/// `POST /{user}/+token-create`: the restrictions as an object, or no body at all.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let body = json_body::optional_object(body, &shared.settings).await?;
    let caller = ask.caller(&shared.app).await?;
    let created = shared
        .app
        .create_token(&caller, ask.segment("user")?, &body)
        .await?;
    let token = created.text.expose_secret().to_owned();
    Ok(envelope::result(Kind::TokenInfo, TokenInfo { token }))
}

/// `GET /{user}/+tokens`
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let caller = ask.caller(&shared.app).await?;
    let tokens = shared
        .app
        .list_tokens(&caller, ask.segment("user")?)
        .await?
        .into_iter()
        .map(|token| {
            let document = TokenDocument {
                restrictions: token.restrictions,
                created: Some(format_time(token.created)),
            };
            (token.id, document)
        })
        .collect();
    Ok(envelope::result(Kind::TokensInfo, TokensInfo { tokens }))
}

/// `DELETE /{user}/+tokens/{id}`
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let caller = ask.caller(&shared.app).await?;
    let id = ask.segment("id")?;
    shared
        .app
        .remove_token(&caller, ask.segment("user")?, id)
        .await?;
    Ok(envelope::message(
        StatusCode::OK,
        &format!("token {id} deleted"),
    ))
}
