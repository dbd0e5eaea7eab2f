//! `DELETE /{user}/{index}/+f/…` and `/+e/…`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{envelope, projects};
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::files;
use crate::front::Shared;

pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let (index, path) = (ask.index()?, files::path(&ask)?);
    let caller = ask.caller(&shared.app).await?;
    shared
        .app
        .remove_file(&caller, &index, &path, projects::force(&ask))
        .await?;
    Ok(envelope::message(
        StatusCode::OK,
        &format!("package '{index}/{path}' deleted"),
    ))
}
