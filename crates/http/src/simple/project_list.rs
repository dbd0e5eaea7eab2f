//! `/{user}/{index}/+simple/`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::pages::PageOptions;
use http::StatusCode;

use super::page;
use crate::ask::Ask;
use crate::failure::SimpleError;
use crate::front::Shared;
use crate::negotiate;

/// The names of all projects, inherited ones included.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, SimpleError> {
    let index = ask.index()?;
    if !ask.context.path.ends_with('/') {
        let location = format!("+simple/{}", ask.query_suffix());
        return Ok(page::redirect(StatusCode::FOUND, &location, "Accept"));
    }
    let Some(media_type) = negotiate::simple_type(&ask.headers) else {
        return Ok(page::not_acceptable());
    };
    let options = PageOptions {
        representation: media_type.representation(),
        encoding: negotiate::encoding(&ask.headers),
        absolute_base: None,
    };
    let caller = ask.caller(&shared.app).await?;
    let page = shared.app.project_list(&caller, &index, &options).await?;
    Ok(page::response(
        &shared.app,
        &ask,
        media_type,
        options.encoding,
        &page,
    ))
}
