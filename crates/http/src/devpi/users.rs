//! `/` and `/{user}`; pages for browsers, documents for everybody else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use cheeseshop_domain::api::{Envelope, Kind};
use http::StatusCode;

use super::{documents, envelope, login};
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::web::shop::Page;
use crate::{json_body, web};

/// `GET /`
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let caller = ask.caller(&shared.app).await?;
    let users = shared.app.list_users(&caller).await?;
    if ask.context.asks_for_html {
        return Ok(web::indexes::root_page(&Page::new(&ask, &caller), &users));
    }
    ask.json_only()?;
    let result = users
        .iter()
        .map(|view| (view.user.name.to_string(), documents::user(view)))
        .collect::<std::collections::BTreeMap<_, _>>();
    Ok(envelope::result(Kind::UserConfigList, result))
}

/// `GET /{user}`
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let caller = ask.caller(&shared.app).await?;
    let view = shared.app.user(&caller, ask.segment("user")?).await?;
    if ask.context.asks_for_html {
        let page = Page::new(&ask, &caller).below(view.user.name.as_str());
        return Ok(web::indexes::user_page(&page, &view));
    }
    ask.json_only()?;
    Ok(envelope::result(Kind::UserConfig, documents::user(&view)))
}

/// `PUT /{user}`
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let body = json_body::object(body, &shared.settings).await?;
    let caller = ask.caller(&shared.app).await?;
    let view = shared
        .app
        .create_user(&caller, ask.segment("user")?, &body)
        .await?;
    Ok(envelope::send(
        StatusCode::CREATED,
        &Envelope::of(Kind::UserConfig, documents::user(&view)),
    ))
}

/// `PATCH /{user}`
pub(crate) async fn update(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let body = json_body::object(body, &shared.settings).await?;
    let caller = ask.caller(&shared.app).await?;
    let updated = shared
        .app
        .update_user(&caller, ask.segment("user")?, &body)
        .await?;
    Ok(match &updated.new_login {
        None => envelope::message(StatusCode::OK, "user updated"),
        Some(token) => envelope::send(
            StatusCode::OK,
            &Envelope::of(Kind::UserPassword, login::proxy_auth(token))
                .with_message("user updated, new proxy auth"),
        ),
    })
}

/// `DELETE /{user}`
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let caller = ask.caller(&shared.app).await?;
    let user = ask.segment("user")?;
    shared.app.remove_user(&caller, user).await?;
    Ok(envelope::message(
        StatusCode::OK,
        &format!("user '{user}' deleted"),
    ))
}
