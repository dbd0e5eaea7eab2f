//! What was asked of an upstream before something else was decided.

use std::sync::Arc;

use cheeseshop_app::files::Purpose;
use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_storage::database::mirrors;
use cheeseshop_test_support::{BuiltFile, Fault, Gate, Upstream, Wheel};
use futures_util::TryStreamExt as _;
use serde_json::json;

use super::support::{Bench, flask, settings};
use crate::publish::path_of;
use crate::support::{TestApp, object, root};

fn flask_wheel(version: &str) -> BuiltFile {
    Wheel::named("flask").version(version).build()
}

#[tokio::test]
async fn whoever_asks_for_a_refresh_while_another_runs_gets_one_that_began_after_they_asked() {
    let bench = Arc::new(Bench::new().await);
    let upstream = Upstream::start().await;
    upstream.publish(&flask_wheel("1.0"));
    let index = bench.pypi(&upstream).await;
    bench.listed(&index, "flask").await;
    let gate = Gate::closed();
    let hang = Fault::HangAfter {
        bytes: 10,
        gate: gate.clone(),
    };
    upstream.fault_times("/simple/flask/", hang, 1);
    let first = tokio::spawn({
        let (bench, index) = (Arc::clone(&bench), Arc::clone(&index));
        async move { bench.mirrors.refresh(&index, &flask()).await }
    });
    gate.wait_for_arrivals(1).await;
    // The first one has its answer on the way.
    upstream.publish(&flask_wheel("2.0"));
    let project = flask();
    let mut second = Box::pin(bench.mirrors.refresh(&index, &project));
    assert!(futures_util::poll!(&mut second).is_pending());
    gate.open();
    first.await.unwrap().unwrap();
    second.await.unwrap();
    let listed = bench.listed(&index, "flask").await;
    assert_eq!(listed.listing.page.versions, ["1.0", "2.0"]);
    assert_eq!(upstream.count("/simple/flask/"), 3);
}

#[tokio::test]
async fn an_answer_that_was_asked_for_before_a_refresh_does_not_undo_it() {
    let bench = Arc::new(Bench::new().await);
    let upstream = Upstream::start().await;
    upstream.set_validators(false);
    upstream.publish(&flask_wheel("1.0"));
    let index = bench.pypi(&upstream).await;
    bench.listed(&index, "flask").await;
    bench.mirrors.settle().await;
    bench.advance(10_000);
    upstream.publish(&flask_wheel("2.0"));
    let gate = Gate::closed();
    let hang = Fault::HangAfter {
        bytes: 10,
        gate: gate.clone(),
    };
    upstream.fault_times("/simple/flask/", hang, 1);
    let slow = tokio::spawn({
        let (bench, index) = (Arc::clone(&bench), Arc::clone(&index));
        async move { bench.listed(&index, "flask").await }
    });
    gate.wait_for_arrivals(1).await;
    upstream.publish(&flask_wheel("3.0"));
    bench.mirrors.refresh(&index, &flask()).await.unwrap();
    let refreshed = ["1.0", "2.0", "3.0"];
    let listed = bench.listed(&index, "flask").await;
    assert_eq!(listed.listing.page.versions, refreshed);
    gate.open();
    slow.await.unwrap();
    let listed = bench.listed(&index, "flask").await;
    assert_eq!(listed.listing.page.versions, refreshed);
    let bench = Arc::into_inner(bench).unwrap().restart(settings()).await;
    let listed = bench.listed(&index, "flask").await;
    assert_eq!(listed.listing.page.versions, refreshed);
    assert_eq!(upstream.count("/simple/flask/"), 3);
}

#[tokio::test]
async fn what_is_fetched_from_a_former_upstream_is_not_kept() {
    let test = TestApp::start().await;
    let (old, new) = (Upstream::start().await, Upstream::start().await);
    let wheel = flask_wheel("9.0");
    old.publish(&wheel);
    new.publish(&flask_wheel("1.0"));
    let gate = Gate::closed();
    old.fault_times("/simple/flask/", Fault::Hang(gate.clone()), 1);
    let config = json!({"type": "mirror", "mirror_url": old.url()});
    let mirror = test.index("root/mirror", config).await;
    let asked = [Purpose::Read, Purpose::Describe].map(|purpose| {
        let (app, mirror, path) = (test.app.clone(), mirror.clone(), path_of(&wheel));
        tokio::spawn(async move {
            let root = root();
            let metadata = app.open_core_metadata(&root, &mirror, &path);
            let file = app.open_file(&root, &mirror, &path, purpose);
            let (file, _) = tokio::join!(file, metadata);
            if let (Ok(file), Purpose::Read) = (file, purpose) {
                file.read_all().try_collect::<Vec<_>>().await.unwrap();
            }
        })
    });
    gate.wait_for_arrivals(1).await;
    let patch = IndexPatch::Object(object(json!({"mirror_url": new.url()})));
    test.app
        .update_index(&root(), &mirror, &patch, NoChange::Refuse)
        .await
        .unwrap();
    gate.open();
    for asked in asked {
        asked.await.unwrap();
    }
    test.app.settle().await;

    let gone = test
        .app
        .open_file(&root(), &mirror, &path_of(&wheel), Purpose::Read)
        .await;
    assert!(gone.is_err());
    // The listing is stored after the answer.
    test.app.settle().await;
    let id = test.app.index(&root(), &mirror).await.unwrap().id;
    let mut reader = test.database.reader().await.unwrap();
    let files = mirrors::list_files(&mut reader, id, "flask").await.unwrap();
    assert_eq!(files, []);
    let metadata = mirrors::find_core_metadata(&mut reader, id, "flask", &wheel.name);
    assert_eq!(metadata.await.unwrap(), None);
    let listing = mirrors::find_listing(&mut reader, id, "flask")
        .await
        .unwrap();
    assert!(listing.unwrap().source_url.starts_with(&new.url()));
}
