//! `PUSH /{user}/{index}`, and `POST` with a JSON body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use cheeseshop_app::push::PushAction;
use cheeseshop_domain::api::{ActionLogEntry, Envelope, Kind, PushRequest};
use http::StatusCode;

use super::envelope;
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::{self, Shared};
use crate::json_body;

/// Copies a release to another index, or sends it to another server.
pub(crate) async fn push(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
    body: Body,
) -> Result<Response, DevpiError> {
    let body = json_body::object(body, &shared.settings).await?;
    let index = ask.index()?;
    let caller = ask.caller(&shared.app).await?;
    let request = PushRequest::parse(&body).map_err(|error| Error::Invalid(error.to_string()))?;
    let outcome = shared.app.push(&caller, &index, &request).await?;
    let log: Vec<ActionLogEntry> = outcome
        .actions
        .iter()
        .map(PushAction::to_log_entry)
        .collect();
    let status = if outcome.succeeded() {
        StatusCode::OK
    } else {
        StatusCode::BAD_GATEWAY
    };
    Ok(envelope::send(status, &Envelope::of(Kind::ActionLog, log)))
}

/// The method `PUSH` has no name in axum: it comes here with all others that the route does
/// not know.
pub(crate) async fn push_request(
    state: State<Arc<Shared>>,
    ask: Ask,
    request: Request,
) -> Response {
    if request.method().as_str() == "PUSH" {
        push(state, ask, request.into_body()).await.into_response()
    } else {
        front::no_route().await.into_response()
    }
}
