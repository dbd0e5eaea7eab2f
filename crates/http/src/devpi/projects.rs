//! `/{user}/{index}/{project}` and `/{user}/{index}/{project}/{version}`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::releases::ProjectDocument;
use cheeseshop_app::removal::Force;
use cheeseshop_app::{Error, Scope};
use cheeseshop_domain::api::Kind;
use cheeseshop_domain::{Caller, IndexName, MirrorConfig};
use cheeseshop_packaging::ProjectName;
use http::StatusCode;

use super::{documents, envelope};
use crate::ask::Ask;
use crate::credentials::{self, Sent};
use crate::failure::{self, DevpiError};
use crate::front::Shared;
use crate::web::shop::Page;
use crate::{simple, web};

/// `GET /{user}/{index}/{project}`
pub(crate) async fn show_project(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    if let Some(redirect) = simple::redirects_to_project(&ask) {
        return Ok(redirect);
    }
    let (index, project) = (ask.index()?, ask.project()?);
    if let Some(redirect) = to_normalized(&ask, &project) {
        return Ok(redirect);
    }
    let caller = ask.caller(&shared.app).await?;
    let document = shared
        .app
        .project(&caller, &index, &project, scope(&ask))
        .await?;
    if ask.context.asks_for_html {
        return Ok(page(&shared, &ask, &caller, &index, &document));
    }
    ask.json_only()?;
    let result = documents::project(&ask, document).map_err(Error::internal)?;
    Ok(envelope::result(Kind::ProjectConfig, result))
}

fn page(
    shared: &Shared,
    ask: &Ask,
    caller: &Caller,
    index: &IndexName,
    document: &ProjectDocument,
) -> Response {
    let directory = shared.app.directory();
    let holders: BTreeSet<&IndexName> = document
        .releases
        .iter()
        .flat_map(|release| std::iter::once(release).chain(&release.shadowing))
        .map(|release| &release.index)
        .collect();
    let mirrors: Vec<&MirrorConfig> = holders
        .into_iter()
        .filter_map(|holder| directory.index_by_name(holder)?.mirror())
        .collect();
    // A cookie only ever reads: the button would be pressed by nobody in particular.
    let is_by_cookie = credentials::sent(&ask.method, &ask.headers) == Sent::InCookie;
    let anonymous = Caller::anonymous();
    let can_press = !is_by_cookie
        || directory
            .index_by_name(index)
            .is_some_and(|index| directory.readable(&anonymous, index.id));
    let path = format!("{index}/{}", document.name.normalized());
    let page = Page::new(ask, caller).below(&path);
    let refresh =
        (can_press && !mirrors.is_empty()).then(|| page.address(&format!("{path}/refresh")));
    web::projects::project_page(&page, index, document, &mirrors, refresh.as_deref())
}

/// `GET /{user}/{index}/{project}/{version}`; of the page the version may be `latest` or `stable`, as
/// in devpi-web. Programs get no document of those.
pub(crate) async fn show_release(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let (index, project) = (ask.index()?, ask.project()?);
    if let Some(redirect) = to_normalized(&ask, &project) {
        return Ok(redirect);
    }
    let caller = ask.caller(&shared.app).await?;
    let version = ask.segment("version")?;
    if ask.context.asks_for_html {
        let release = shared
            .app
            .wanted_release(&caller, &index, &project, version)
            .await?;
        let project = project.normalized();
        let path = format!("{index}/{project}/{}", release.version);
        let page = Page::new(&ask, &caller).below(&path);
        let response = web::projects::release_page(&page, &index, project, &release);
        return Ok(response);
    }
    ask.json_only()?;
    let document = shared
        .app
        .release(
            &caller,
            &index,
            &project,
            version,
            // `ignore_bases` is for the document of a project alone, as in devpi.
            Scope::WithBases,
        )
        .await?;
    let result = documents::release(&ask, document);
    Ok(envelope::result(Kind::VersionData, result))
}

/// `POST /{user}/{index}/{project}/refresh`: the button on devpi's page of a project. Asks all
/// upstreams of the index again, then shows the project.
pub(crate) async fn refresh_project(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    if ask.segment("version")? != "refresh" {
        return Err(failure::nothing_here().into());
    }
    let (index, project) = (ask.index()?, ask.project()?);
    let caller = ask.caller(&shared.app).await?;
    shared
        .app
        .refresh_project(&caller, &index, &project)
        .await?;
    let up = if ask.context.path.ends_with('/') {
        "../../"
    } else {
        "../"
    };
    Ok(simple::page::redirect(
        StatusCode::FOUND,
        &format!("{up}{}", project.normalized()),
        "Accept, User-Agent",
    ))
}

/// `DELETE /{user}/{index}/{project}`
pub(crate) async fn remove_project(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let (index, project) = (ask.index()?, ask.project()?);
    let caller = ask.caller(&shared.app).await?;
    shared
        .app
        .remove_project(&caller, &index, &project, force(&ask))
        .await?;
    let text = format!(
        "project {} deleted from stage {index}",
        project.normalized()
    );
    Ok(envelope::message(StatusCode::OK, &text))
}

/// `DELETE /{user}/{index}/{project}/{version}`
pub(crate) async fn remove_release(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let (index, project) = (ask.index()?, ask.project()?);
    let version = ask.segment("version")?;
    let caller = ask.caller(&shared.app).await?;
    shared
        .app
        .remove_release(&caller, &index, &project, version, force(&ask))
        .await?;
    let text = format!(
        "project '{}' version '{version}' deleted",
        project.normalized()
    );
    Ok(envelope::message(StatusCode::OK, &text))
}

pub(super) fn force(ask: &Ask) -> Force {
    if ask.has_flag("force") {
        Force::Yes
    } else {
        Force::No
    }
}

fn scope(ask: &Ask) -> Scope {
    if ask.has_flag("ignore_bases") {
        Scope::OwnOnly
    } else {
        Scope::WithBases
    }
}

/// Reading goes by the normalized name, as in devpi; other methods normalize silently.
fn to_normalized(ask: &Ask, project: &ProjectName) -> Option<Response> {
    if project.is_normalized() {
        return None;
    }
    let path = ask.context.path.as_str();
    let mut segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let position = segments.len()
        - 1
        - usize::from(
            ask.segment("version")
                .is_ok_and(|version| !version.is_empty()),
        );
    let behind = segments.split_off(position + 1);
    let slash = if path.ends_with('/') { "/" } else { "" };
    let up = "../".repeat(behind.len() + slash.len());
    let mut location = format!("{up}{}", project.normalized());
    for segment in behind {
        location.push('/');
        location.push_str(segment);
    }
    let location = format!("{location}{slash}{}", ask.query_suffix());
    Some(simple::page::redirect(
        StatusCode::FOUND,
        &location,
        "Accept, User-Agent",
    ))
}
