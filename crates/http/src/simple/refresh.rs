//! `POST /{user}/{index}/+simple/{project}/refresh`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::page;
use crate::ask::Ask;
use crate::failure::SimpleError;
use crate::front::Shared;

/// Asks all upstreams of the index for the project again, then shows the page: devpi's client
/// follows the redirect and wants a 200 in the end.
pub(crate) async fn refresh(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, SimpleError> {
    let (index, project) = (ask.index()?, ask.project()?);
    let caller = ask.caller(&shared.app).await?;
    shared
        .app
        .refresh_project(&caller, &index, &project)
        .await?;
    let location = format!("../{}/", project.normalized());
    Ok(page::redirect(StatusCode::FOUND, &location, "Accept"))
}
