//! `/{user}/{index}`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::Error;
use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_domain::api::{Kind, index_document};
use cheeseshop_domain::{Caller, Index};
use http::StatusCode;
use serde_json::Value;

use super::{documents, envelope};
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::web::shop::Page;
use crate::{json_body, simple, web};

/// `GET /{user}/{index}`; its projects too, unless the query says `no_projects`.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    if let Some(redirect) = simple::redirects_to_list(&ask) {
        return Ok(redirect);
    }
    let name = ask.index()?;
    let caller = ask.caller(&shared.app).await?;
    let index = shared.app.shown_index(&caller, &name).await?;
    if ask.context.asks_for_html {
        return page(&shared, &ask, &caller, &index).await;
    }
    ask.json_only()?;
    let projects = if ask.has_flag("no_projects") {
        None
    } else {
        Some(shared.app.index_projects(&caller, &name).await?)
    };
    let document = index_document(&index, projects.as_deref());
    Ok(envelope::result(Kind::IndexConfig, document))
}

/// The page of an index, with its projects part by part.
async fn page(
    shared: &Shared,
    ask: &Ask,
    caller: &Caller,
    index: &Index,
) -> Result<Response, DevpiError> {
    let projects = if index.is_mirror() {
        None
    } else {
        let after = ask.parameter(web::indexes::AFTER).unwrap_or_default();
        let limit = web::indexes::PROJECTS_AT_ONCE;
        let app = &shared.app;
        Some(
            app.index_projects_after(caller, &index.name, &after, limit)
                .await?,
        )
    };
    let page = Page::new(ask, caller).below(&index.name.to_string());
    Ok(web::indexes::index_page(&page, index, projects.as_deref()))
}

/// `PUT /{user}/{index}`: 200 and not 201, as in devpi.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let body = json_body::object(body, &shared.settings).await?;
    let name = ask.new_index()?;
    let caller = ask.caller(&shared.app).await?;
    let index = shared.app.create_index(&caller, &name, &body).await?;
    Ok(envelope::result(
        Kind::IndexConfig,
        index_document(&index, None),
    ))
}

/// `PATCH /{user}/{index}`
pub(crate) async fn update(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let patch = patch(json_body::value(body, &shared.settings).await?)?;
    let name = ask.index()?;
    // For operations alone, as in devpi: an object may well be what somebody has read before.
    let is_list = matches!(patch, IndexPatch::Operations(_));
    let no_change = if is_list && ask.has_flag("error_on_noop") {
        NoChange::Refuse
    } else {
        NoChange::Accept
    };
    let caller = ask.caller(&shared.app).await?;
    let index = shared
        .app
        .update_index(&caller, &name, &patch, no_change)
        .await?;
    Ok(envelope::result(
        Kind::IndexConfig,
        index_document(&index, None),
    ))
}

/// `DELETE /{user}/{index}`: 201 and not 200, as in devpi.
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let name = ask.index()?;
    let caller = ask.caller(&shared.app).await?;
    shared.app.remove_index(&caller, &name).await?;
    Ok(envelope::message(
        StatusCode::CREATED,
        &format!("index {name} deleted"),
    ))
}

/// An object to merge, or an array of operations.
fn patch(body: Value) -> Result<IndexPatch, Error> {
    match body {
        Value::Object(object) => Ok(IndexPatch::Object(object)),
        list => documents::strings(&list)
            .map(IndexPatch::Operations)
            .ok_or_else(|| {
                Error::Invalid(
                    "the body must be an object or a list of key=value strings".to_owned(),
                )
            }),
    }
}
