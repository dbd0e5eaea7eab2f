//! Pushing releases to other servers.

mod failures;
mod refusals;
mod sending;
mod stopping;

use cheeseshop_app::Error;
use cheeseshop_app::push::PushOutcome;
use cheeseshop_domain::api::PushRequest;
use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_test_support::{BuiltFile, Sdist, Wheel};
use serde_json::{Value, json};

use crate::support::{TestApp, object, root};

/// A push of `mypkg` 1.0 to an address, with more keys.
fn request(url: &str, more: Value) -> PushRequest {
    let mut body = object(json!({
        "name": "mypkg", "version": "1.0", "posturl": url, "username": "up", "password": "p:hunter2",
    }));
    body.extend(object(more));
    PushRequest::parse(&body).unwrap()
}

async fn push(
    test: &TestApp,
    caller: &Caller,
    source: &IndexName,
    request: &PushRequest,
) -> Result<PushOutcome, Error> {
    test.app.push(caller, source, request).await
}

/// The lines of the log, and whether the whole succeeded.
fn lines(outcome: &PushOutcome) -> (Vec<Value>, bool) {
    let lines = outcome
        .actions
        .iter()
        .map(|action| serde_json::to_value(action.to_log_entry()).unwrap())
        .collect();
    (lines, outcome.succeeded())
}

fn path(file: &BuiltFile) -> String {
    format!(
        "root/dev/+f/{}/{}/{}",
        &file.sha256[..3],
        &file.sha256[3..16],
        file.name
    )
}

/// `root/dev` with a wheel and an sdist of `mypkg` 1.0, in the order in which they are sent.
async fn stocked(test: &TestApp) -> (IndexName, [BuiltFile; 2]) {
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").requires_python(">=3.9").build();
    let sdist = Sdist::named("mypkg").build();
    for file in [&wheel, &sdist] {
        test.upload(&root(), &dev, file).await.unwrap();
    }
    (dev, [wheel, sdist])
}
