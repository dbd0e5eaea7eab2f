//! `/{user}/{index}`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::Error;
use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_domain::api::{Kind, index_document};
use http::StatusCode;
use serde_json::Value;

use super::{documents, envelope};
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::{json_body, simple};

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
    let projects = if ask.has_flag("no_projects") {
        None
    } else {
        Some(shared.app.index_projects(&caller, &name).await?)
    };
    let document = index_document(&index, projects.as_deref());
    Ok(envelope::result(Kind::IndexConfig, document))
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
