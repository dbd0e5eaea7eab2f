//! Pushes whose client or server goes away, and more of them than there may be.

use std::time::Duration;

use cheeseshop_app::push::PushOutcome;
use cheeseshop_app::{Error, Settings};
use cheeseshop_domain::api::PushRequest;
use cheeseshop_domain::{EventKind, IndexName};
use cheeseshop_test_support::{Answer, Gate, Receiver};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{lines, push, request, stocked};
use crate::support::{TestApp, root, settings, told};

/// A push of two files whose first has reached a server that does not answer before the gate opens.
struct Begun {
    test: TestApp,
    source: IndexName,
    receiver: Receiver,
    gate: Gate,
    request: PushRequest,
    asking: JoinHandle<Result<PushOutcome, Error>>,
}

impl Begun {
    async fn with(settings: Settings) -> Self {
        let test = TestApp::with(settings).await;
        let (source, _) = stocked(&test).await;
        let receiver = Receiver::start().await;
        let gate = Gate::closed();
        receiver.next(Answer::status(200).behind(&gate));
        let request = request(&receiver.url(), json!({}));
        let asking = tokio::spawn({
            let (app, source, request) = (test.app.clone(), source.clone(), request.clone());
            async move { app.push(&root(), &source, &request).await }
        });
        gate.wait_for_arrivals(1).await;
        Self {
            test,
            source,
            receiver,
            gate,
            request,
            asking,
        }
    }
}

#[tokio::test]
async fn a_push_goes_on_when_its_client_goes_away() {
    let begun = Begun::with(settings()).await;
    begun.asking.abort();
    begun.gate.open();
    begun.test.app.settle().await;
    assert_eq!(begun.receiver.forms().len(), 2);
    let events = begun.test.events().await;
    assert_eq!(events.last().unwrap().event.detail["taken"], 2);
}

/// Begins a push of two files, and ends sending, which waits so long, while the first is under way.
async fn stopped(patience: Duration) -> (TestApp, Receiver, PushOutcome) {
    let begun = Begun::with(settings()).await;
    let stopping = begun.test.app.stop_sending(patience);
    if patience.is_zero() {
        stopping.await;
    } else {
        futures_util::join!(stopping, async { begun.gate.open() });
    }
    let outcome = begun.asking.await.unwrap().unwrap();
    (begun.test, begun.receiver, outcome)
}

#[tokio::test]
async fn a_push_begins_no_further_file_when_the_server_stops() {
    let (test, receiver, outcome) = stopped(Duration::from_mins(1)).await;
    let (lines, succeeded) = lines(&outcome);
    assert_eq!(receiver.forms().len(), 1);
    assert!(!succeeded);
    assert_eq!((&lines[0][0], &lines[1][0]), (&json!(200), &json!(-1)));
    assert_eq!(lines[1][3], "not sent: this server stops");
    let events = test.events().await;
    let detail = &events.last().unwrap().event.detail;
    assert_eq!((&detail["steps"], &detail["taken"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn what_is_under_way_when_the_server_stops_is_given_up_and_recorded() {
    let (test, receiver, outcome) = stopped(Duration::ZERO).await;
    let (lines, succeeded) = lines(&outcome);
    assert!(!succeeded);
    let expected = format!(
        "this server stopped before {} had answered, which may have taken it",
        receiver.host()
    );
    assert_eq!((&lines[0][0], &lines[0][3]), (&json!(-1), &json!(expected)));
    assert_eq!(lines[1][3], "not sent: this server stops");
    let events = test.events().await;
    let last = &events.last().unwrap().event;
    assert_eq!(last.kind, EventKind::ReleasePushedOutside);
    assert_eq!(
        (&last.detail["steps"], &last.detail["taken"]),
        (&json!(2), &json!(0))
    );
}

#[tokio::test]
async fn more_pushes_than_the_server_takes_are_told_so() {
    let mut settings = settings();
    settings.push.concurrent = 1;
    let begun = Begun::with(settings).await;
    let second = push(&begun.test, &root(), &begun.source, &begun.request).await;
    assert_eq!(told(second), "busy: the server is busy, try again");
    begun.gate.open();
    assert!(begun.asking.await.unwrap().unwrap().succeeded());
}
