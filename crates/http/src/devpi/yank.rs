//! `POST /{user}/{index}/{project}/{version}/+yank` and `/+unyank`: ours, for devpi has none.
//!
//! Body: an optional object with `reason` (text) and `file` (the name of one file; all files of
//! the version otherwise).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::Error;
use cheeseshop_app::yank::YankTarget;
use cheeseshop_domain::JsonMap;
use http::StatusCode;
use serde_json::Value;

use super::envelope;
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::json_body;

pub(crate) async fn yank(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let body = json_body::optional_object(body, &shared.settings).await?;
    let (index, project, target) = (ask.index()?, ask.project()?, target(&ask, &body)?);
    let reason = text(&body, "reason")?;
    let caller = ask.caller(&shared.app).await?;
    let count = shared
        .app
        .yank(&caller, &index, &project, &target, reason)
        .await?;
    let text = format!("{count} file(s) yanked");
    Ok(envelope::message(StatusCode::OK, &text))
}

pub(crate) async fn unyank(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let body = json_body::optional_object(body, &shared.settings).await?;
    let (index, project, target) = (ask.index()?, ask.project()?, target(&ask, &body)?);
    let caller = ask.caller(&shared.app).await?;
    let count = shared
        .app
        .unyank(&caller, &index, &project, &target)
        .await?;
    let text = format!("{count} file(s) no longer yanked");
    Ok(envelope::message(StatusCode::OK, &text))
}

fn target(ask: &Ask, body: &JsonMap) -> Result<YankTarget, Error> {
    Ok(match text(body, "file")? {
        Some(file) => YankTarget::File(file.to_owned()),
        None => YankTarget::Release(ask.segment("version")?.to_owned()),
    })
}

fn text<'b>(body: &'b JsonMap, key: &str) -> Result<Option<&'b str>, Error> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Invalid(format!("'{key}' must be a string"))),
    }
}
