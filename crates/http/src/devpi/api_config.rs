//! `/+api`, `/{user}/+api`, `/{user}/{index}/+api`: where everything is.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use cheeseshop_domain::Caller;
use cheeseshop_domain::api::{ApiConfig, AuthStatus, FEATURES, Kind};

use super::{documents, envelope};
use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;

/// The form without an index; whether the user exists is not looked at, as in devpi.
pub(crate) async fn of_server(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    ask.json_only()?;
    let caller = ask.caller(&shared.app).await?;
    Ok(envelope::result(Kind::ApiConfig, config(&ask, &caller)))
}

/// The form with an index. A mirror has no `pypisubmit`, by which clients know that it takes
/// no uploads.
pub(crate) async fn of_index(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    ask.json_only()?;
    let name = ask.index()?;
    let caller = ask.caller(&shared.app).await?;
    let index = shared.app.index(&caller, &name).await?;
    let url = documents::absolute(&ask, &name.to_string());
    let result = ApiConfig {
        simpleindex: Some(format!("{url}/+simple/")),
        pypisubmit: index.hosted().map(|_| format!("{url}/")),
        index: Some(url),
        ..config(&ask, &caller)
    };
    Ok(envelope::result(Kind::ApiConfig, result))
}

fn config(ask: &Ask, caller: &Caller) -> ApiConfig {
    ApiConfig {
        login: format!("{}/+login", ask.context.base_url),
        authstatus: AuthStatus::of(caller),
        features: FEATURES.map(str::to_owned).to_vec(),
        index: None,
        simpleindex: None,
        pypisubmit: None,
    }
}
