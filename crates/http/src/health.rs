//! Health and metrics, for machines that watch.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::ask::Ask;
use crate::failure::SimpleError;
use crate::front;
use crate::front::Shared;

/// Whether a path, as the routes see it, is asked by those who watch whether we are well.
pub(crate) fn is_asked(path: &str) -> bool {
    matches!(path, "/+health/live" | "/+health/ready")
}

/// `/+health/live`: the process answers. Says nothing about anything behind it, so that an
/// orchestrator does not restart us because a database is down.
pub(crate) async fn live(_ask: Ask) -> &'static str {
    "ok\n"
}

/// `/+health/ready`: the database and the store of files answer too.
pub(crate) async fn ready(
    State(shared): State<Arc<Shared>>,
    _ask: Ask,
) -> Result<&'static str, SimpleError> {
    match shared.app.ready().await {
        Ok(()) => Ok("ok\n"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            Err(SimpleError(cheeseshop_app::Error::Busy))
        }
    }
}

/// `/metrics` in Prometheus' text format.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>, _ask: Ask) -> Response {
    match &shared.settings.prometheus {
        Some(handle) => (
            StatusCode::OK,
            [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            handle.render(),
        )
            .into_response(),
        None => front::no_route().await.into_response(),
    }
}
