//! Test results: `POST` to the URL of a file, and what the results say.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use cheeseshop_app::Error;
use cheeseshop_app::test_results::{TestResultUpload, TestRun};
use cheeseshop_domain::api::{Kind, TestRunDetail, TestRunDocument};

use super::{documents, envelope};
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::{drain, files, json_body};

/// `POST /{user}/{index}/+f/…`: the body is kept byte for byte.
pub(crate) async fn add(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let upload = match start(&shared, &ask).await {
        Ok(upload) => upload,
        Err(error) => {
            let limit = shared.app.settings().publish.max_test_result_bytes;
            drain::in_background(&ask.headers, body, limit, shared.settings.drain_time());
            return Err(error.into());
        }
    };
    let body = json_body::read_up_to(body, upload.max_bytes(), &shared.settings).await?;
    let added = upload.finish(body).await?;
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
    let runs: Vec<_> = runs
        .iter()
        .map(|run| document(&ask, run, TestRunDetail::Outcome))
        .collect();
    Ok(envelope::result(Kind::ToxResults, runs))
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
    Ok(envelope::result(
        Kind::ToxResult,
        document(&ask, &run, TestRunDetail::Commands),
    ))
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
