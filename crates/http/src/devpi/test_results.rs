//! Test results: `POST` to the URL of a file, and what the results say.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::Error;
use cheeseshop_app::test_results::{TestResultUpload, TestRun};
use cheeseshop_domain::IndexName;
use cheeseshop_domain::api::{Kind, TestRunDetail, TestRunDocument};
use cheeseshop_packaging::ProjectName;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, VARY};

use super::{documents, envelope};
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::web::shop::Page;
use crate::{drain, files, json_body, web};

/// `POST /{user}/{index}/+f/…`: the body is kept byte for byte.
pub(crate) async fn add(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let mut upload = match start(&shared, &ask).await {
        Ok(upload) => upload,
        Err(error) => {
            let limit = shared.app.settings().publish.max_test_result_bytes;
            drain::in_background(&ask.headers, body, limit, shared.settings.drain_time());
            return Err(error.into());
        }
    };
    let limit = upload.max_bytes();
    let mut body = json_body::Limited::new(body, limit, &shared.settings);
    while let Some(chunk) = body.next().await? {
        upload.write(chunk).await?;
    }
    let added = upload.finish().await?;
    Ok(envelope::result(
        Kind::ToxResultPath,
        format!("{}#sha256={}", added.path, added.sha256),
    ))
}

/// Permission and the file come before the first byte of the body.
async fn start(shared: &Shared, ask: &Ask) -> Result<TestResultUpload, Error> {
    let (index, path) = (ask.index()?, files::path(ask)?);
    let caller = ask.caller(&shared.app).await?;
    shared.app.start_test_result(&caller, &index, &path).await
}

/// `GET /{user}/{index}/{project}/{version}/+toxresults/{file}`: newest first.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let (index, project) = (ask.index()?, ask.project()?);
    let release = (&project, ask.segment("version")?);
    let caller = ask.caller(&shared.app).await?;
    let runs = shared
        .app
        .test_results(&caller, &index, release, ask.segment("file")?)
        .await?;
    let documents = runs
        .iter()
        .map(|run| document(&ask, run, TestRunDetail::Outcome));
    if !ask.context.asks_for_html {
        let documents: Vec<_> = documents.collect();
        return Ok(personal(envelope::result(Kind::ToxResults, documents)));
    }
    let version = ask.segment("version")?;
    let pages = format!(
        "{index}/{}/{version}/+toxresults/{}",
        project.written(),
        ask.segment("file")?
    );
    let documents: Vec<_> = documents
        .map(|run| {
            let page = documents::absolute(&ask, &format!("{pages}/{}", run.name));
            (run, page)
        })
        .collect();
    let title = title(&index, &project, version);
    let place = format!("{index}/{}/{version}", project.written());
    let page = Page::new(&ask, &caller).below(&place);
    Ok(web::test_results::list_page(&page, &title, &documents))
}

/// `GET /{user}/{index}/{project}/{version}/+toxresults/{file}/{toxresult}`
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let (index, project) = (ask.index()?, ask.project()?);
    let release = (&project, ask.segment("version")?);
    let (file, name) = (ask.segment("file")?, ask.segment("toxresult")?);
    let caller = ask.caller(&shared.app).await?;
    let run = shared
        .app
        .test_result(&caller, &index, release, file, name)
        .await?;
    let document = document(&ask, &run, TestRunDetail::Commands);
    if !ask.context.asks_for_html {
        return Ok(personal(envelope::result(Kind::ToxResult, document)));
    }
    let version = ask.segment("version")?;
    let title = title(&index, &project, version);
    let place = format!("{index}/{}/{version}", project.written());
    let page = Page::new(&ask, &caller).below(&place);
    Ok(web::test_results::run_page(&page, &title, &document))
}

/// devpi-web's title of both pages.
fn title(index: &IndexName, project: &ProjectName, version: &str) -> String {
    format!("{index}/: {}-{version} toxresults", project.written())
}

/// What it is depends on who asks for what.
fn personal(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        VARY,
        HeaderValue::from_static("Accept, Authorization, Cookie"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

fn document(ask: &Ask, run: &TestRun, detail: TestRunDetail) -> TestRunDocument {
    let path = format!("{}/{}", run.index, run.result.path());
    TestRunDocument::new(
        &run.result,
        documents::absolute(ask, &path),
        run.report.as_ref(),
        detail,
    )
}
