//! `/{user}/{index}/+simple/{project}/`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::pages::PageOptions;
use cheeseshop_packaging::ProjectName;
use http::StatusCode;

use super::page;
use crate::ask::Ask;
use crate::failure::SimpleError;
use crate::front::Shared;
use crate::negotiate;

/// The page of a project, under exactly one URL.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, SimpleError> {
    let (index, project) = (ask.index()?, ask.project()?);
    if let Some(redirect) = to_proper_url(&ask, &project) {
        return Ok(redirect);
    }
    let Some(media_type) = negotiate::simple_type(&ask.headers) else {
        return Ok(page::not_acceptable());
    };
    let options = PageOptions {
        representation: media_type.representation(),
        encoding: negotiate::encoding(&ask.headers),
        absolute_base: ask
            .context
            .absolute_links
            .then_some(ask.context.base_url.as_str()),
    };
    let caller = ask.caller(&shared.app).await?;
    let page = shared
        .app
        .project_page(&caller, &index, &project, &options)
        .await?;
    Ok(page::response(
        &shared.app,
        &ask,
        media_type,
        options.encoding,
        &page,
    ))
}

/// Relative links on a page only work from the URL with a slash, and one project has one URL:
/// names that are not normalized are sent on.
fn to_proper_url(ask: &Ask, project: &ProjectName) -> Option<Response> {
    let has_slash = ask.context.path.ends_with('/');
    let is_plain = ask
        .context
        .path
        .trim_end_matches('/')
        .ends_with(&format!("/{}", project.normalized()));
    if has_slash && is_plain {
        return None;
    }
    let up = if has_slash { "../" } else { "" };
    let location = format!("{up}{}/{}", project.normalized(), ask.query_suffix());
    Some(page::redirect(StatusCode::FOUND, &location, "Accept"))
}
