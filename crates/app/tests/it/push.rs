//! Pushing releases between indexes.

use cheeseshop_app::push::PushAction;
use cheeseshop_app::{Error, Scope};
use cheeseshop_domain::api::PushRequest;
use cheeseshop_domain::{Caller, IndexName, LogAction};
use cheeseshop_test_support::{Fault, Sdist, Upstream, Wheel};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{TestApp, anonymous, caller, object, project, root, told};

async fn push(
    test: &TestApp,
    caller: &Caller,
    source: &IndexName,
    version: &str,
    target: &str,
) -> Result<Vec<PushAction>, Error> {
    let body = json!({"name": "mypkg", "version": version, "targetindex": target});
    let request = PushRequest::parse(&object(body)).unwrap();
    Ok(test.app.push(caller, source, &request).await?.actions)
}

fn lines(actions: &[PushAction]) -> Vec<Value> {
    actions
        .iter()
        .map(|action| serde_json::to_value(action.to_log_entry()).unwrap())
        .collect()
}

#[tokio::test]
async fn a_release_is_copied_with_all_that_belongs_to_it() {
    for test in TestApp::on_each_database().await {
        let bob = test.user("bob").await;
        let dev = test.index("bob/dev", json!({})).await;
        let prod = test.index("bob/prod", json!({"volatile": false})).await;
        let wheel = Wheel::named("mypkg").requires_python(">=3.9").build();
        let sdist = Sdist::named("mypkg").build();
        test.upload(
            &bob,
            &dev,
            &Wheel::named("mypkg").summary("overwritten").build(),
        )
        .await
        .unwrap();
        test.upload(&bob, &dev, &wheel).await.unwrap();
        test.upload(&bob, &dev, &sdist).await.unwrap();
        test.upload(&bob, &dev, &Wheel::named("mypkg").version("2.0").build())
            .await
            .unwrap();
        let blobs = test.blob_count().await;

        test.clock.advance(SignedDuration::from_secs(3600));
        let head = test.head().await;
        let actions = push(&test, &bob, &dev, "1.0", "bob/prod").await.unwrap();
        let path = |sha256: &str, name: &str| {
            format!("bob/prod/+f/{}/{}/{name}", &sha256[..3], &sha256[3..16])
        };
        assert_eq!(
            lines(&actions),
            [
                json!([200, "register", "mypkg", "1.0", "->", "bob/prod"]),
                json!([200, "store_releasefile", path(&wheel.sha256, &wheel.name)]),
                json!([200, "store_releasefile", path(&sdist.sha256, &sdist.name)]),
            ]
        );
        assert_eq!(
            test.events_since(head).await,
            [
                "project_created bob/prod/mypkg",
                "release_created bob/prod/mypkg",
                "file_pushed bob/prod/mypkg",
                "file_pushed bob/prod/mypkg",
            ]
        );
        assert_eq!(test.blob_count().await, blobs, "bytes are shared");

        let (from, to) = (
            test.page(&bob, &dev, "mypkg").await.unwrap(),
            test.page(&bob, &prod, "mypkg").await.unwrap(),
        );
        assert_eq!(to["versions"], json!(["1.0"]));
        for file in to["files"].as_array().unwrap() {
            let origin = from["files"].as_array().unwrap().iter();
            let origin = origin
                .clone()
                .find(|other| other["filename"] == file["filename"])
                .unwrap();
            assert_eq!(file, origin, "upload time and all");
        }
        let release = test
            .app
            .release(&bob, &prod, &project("mypkg"), "1.0", Scope::OwnOnly)
            .await
            .unwrap();
        let log = release.links[0].log.clone().unwrap();
        let steps: Vec<LogAction> = log.iter().map(|entry| entry.what).collect();
        assert_eq!(steps, [LogAction::Upload, LogAction::Push]);
        assert_eq!(
            (
                log[1].who.as_deref(),
                log[1].src.as_deref(),
                log[1].dst.as_deref()
            ),
            (Some("bob"), Some("bob/dev"), Some("bob/prod"))
        );
    }
}

#[tokio::test]
async fn a_conflict_leaves_the_target_untouched() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let prod = test.index("root/prod", json!({"volatile": false})).await;
    // Sorted by name, the wheel comes before the sdist, which is in the way.
    test.upload(&root(), &dev, &Wheel::named("mypkg").build())
        .await
        .unwrap();
    test.upload(&root(), &dev, &Sdist::named("mypkg").summary("new").build())
        .await
        .unwrap();
    test.upload(
        &root(),
        &prod,
        &Sdist::named("mypkg").summary("old").build(),
    )
    .await
    .unwrap();
    let head = test.head().await;
    assert_eq!(
        told(push(&test, &root(), &dev, "1.0", "root/prod").await),
        "conflict: mypkg-1.0.tar.gz already exists in non-volatile index"
    );
    assert_eq!(test.head().await, head);
    assert_eq!(
        test.files(&root(), &prod, "mypkg").await,
        ["mypkg-1.0.tar.gz"]
    );
}

#[tokio::test]
async fn pushing_again_is_fine_and_says_so() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    test.index("root/prod", json!({"volatile": false})).await;
    test.upload(&root(), &dev, &Wheel::named("mypkg").build())
        .await
        .unwrap();
    push(&test, &root(), &dev, "1.0", "root/prod")
        .await
        .unwrap();
    let head = test.head().await;
    let actions = push(&test, &root(), &dev, "1.0", "root/prod")
        .await
        .unwrap();
    assert!(matches!(actions[1], PushAction::Identical { .. }));
    assert_eq!(lines(&actions)[1][3], "identical file is there already");
    assert_eq!(test.head().await, head);
}

#[tokio::test]
async fn a_volatile_target_is_overwritten() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let next = test.index("root/next", json!({})).await;
    let wheel = Wheel::named("mypkg").summary("new").build();
    test.upload(&root(), &dev, &wheel).await.unwrap();
    test.upload(
        &root(),
        &next,
        &Wheel::named("mypkg").summary("old").build(),
    )
    .await
    .unwrap();
    push(&test, &root(), &dev, "1.0", "root/next")
        .await
        .unwrap();
    let page = test.page(&root(), &next, "mypkg").await.unwrap();
    assert_eq!(page["files"][0]["hashes"]["sha256"], wheel.sha256.as_str());
}

#[tokio::test]
async fn who_may_push_where() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.user("eve").await;
    let dev = test.index("bob/dev", json!({})).await;
    let secret = test.index("bob/secret", json!({"acl_read": ["bob"]})).await;
    test.index("bob/qa", json!({"acl_upload": ["eve"]})).await;
    test.index("eve/own", json!({})).await;
    test.index("eve/hidden", json!({"acl_read": ["eve"]})).await;
    test.index(
        "root/up",
        json!({"type": "mirror", "mirror_url": "http://localhost:9/"}),
    )
    .await;
    for source in [&dev, &secret] {
        test.upload(&caller("bob"), source, &Wheel::named("mypkg").build())
            .await
            .unwrap();
    }
    let (bob, eve) = (caller("bob"), caller("eve"));
    for (caller, source, target, expected) in [
        (&eve, &dev, "eve/own", "ok"),
        (&eve, &dev, "bob/qa", "ok"),
        (
            &bob,
            &dev,
            "bob/qa",
            "unauthenticated: user 'bob' cannot upload to 'bob/qa'",
        ),
        (
            &bob,
            &dev,
            "eve/own",
            "unauthenticated: user 'bob' cannot upload to 'eve/own'",
        ),
        (
            &bob,
            &dev,
            "root/up",
            "unauthenticated: user 'bob' cannot upload to 'root/up'",
        ),
        (
            &bob,
            &dev,
            "eve/nope",
            "not found: The stage eve/nope could not be found.",
        ),
        (
            &bob,
            &dev,
            "eve/hidden",
            "not found: The stage eve/hidden could not be found.",
        ),
        (
            &anonymous(),
            &dev,
            "eve/own",
            "unauthenticated: user None cannot upload to 'eve/own'",
        ),
        (
            &eve,
            &secret,
            "eve/own",
            "not found: The stage bob/secret could not be found.",
        ),
    ] {
        let answer = push(&test, caller, source, "1.0", target).await;
        assert_eq!(told(answer), expected, "{caller:?} {source} {target}");
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_with_the_words_of_devpi() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    test.index("root/prod", json!({})).await;
    let submit = [(":action", "submit"), ("name", "mypkg"), ("version", "1.2")];
    test.send(&root(), &dev, &submit, None).await.unwrap();
    assert_eq!(
        told(push(&test, &root(), &dev, "8.0", "root/prod").await),
        "invalid: there are no files for mypkg 8.0 on stage root/dev"
    );
    assert_eq!(
        told(push(&test, &root(), &dev, "1.2", "root/prod").await),
        "not found: no release/files found for mypkg 1.2"
    );
    for body in [
        json!({
            "name": "mypkg", "version": "1.2", "posturl": "http://localhost:9/", "username": "u",
            "password": "p",
        }),
        json!({"name": "mypkg", "version": "1.2", "targetindex": "root/prod", "only_docs": true}),
    ] {
        let request = PushRequest::parse(&object(body)).unwrap();
        assert_eq!(
            told(test.app.push(&root(), &dev, &request).await),
            "not found: no release/files found for mypkg 1.2"
        );
    }
}

#[tokio::test]
async fn only_what_the_source_itself_holds_is_pushed() {
    let test = TestApp::start().await;
    let base = test.index("root/base", json!({})).await;
    let dev = test
        .index("root/dev", json!({"bases": ["root/base"]}))
        .await;
    test.index("root/prod", json!({})).await;
    test.upload(&root(), &base, &Wheel::named("mypkg").build())
        .await
        .unwrap();
    assert_eq!(
        told(push(&test, &root(), &dev, "1.0", "root/prod").await),
        "invalid: there are no files for mypkg 1.0 on stage root/dev"
    );
}

#[tokio::test]
async fn files_of_a_mirror_are_fetched_and_pushed() {
    let test = TestApp::start().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("mypkg")
        .summary("from upstream")
        .requires_python(">=3.8")
        .build();
    let sdist = Sdist::named("mypkg").build();
    upstream.publish(&wheel);
    upstream.publish(&sdist);
    upstream.publish(&Wheel::named("mypkg").version("2.0").build());
    let mirror = json!({"type": "mirror", "mirror_url": upstream.url()});
    let mirror = test.index("root/up", mirror).await;
    let prod = test.index("root/prod", json!({"volatile": false})).await;

    let actions = push(&test, &root(), &mirror, "1.0", "root/prod")
        .await
        .unwrap();
    assert_eq!(actions.len(), 3, "{actions:?}");
    let page = test.page(&root(), &prod, "mypkg").await.unwrap();
    assert_eq!(page["files"][0]["hashes"]["sha256"], wheel.sha256.as_str());
    assert_eq!(page["files"][0]["requires-python"], ">=3.8");
    assert!(page["files"][0]["core-metadata"]["sha256"].is_string());
    assert_eq!(page["versions"], json!(["1.0"]));
    let release = test
        .app
        .release(&root(), &prod, &project("mypkg"), "1.0", Scope::OwnOnly)
        .await
        .unwrap();
    assert_eq!(release.metadata["summary"], "from upstream");
    let log = release.links[0].log.clone().unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].src.as_deref(), Some("root/up"));

    assert_eq!(
        told(push(&test, &root(), &mirror, "7.0", "root/prod").await),
        "invalid: there are no files for mypkg 7.0 on stage root/up"
    );
}

#[tokio::test]
async fn a_mirrors_file_that_cannot_be_fetched_stops_the_whole_push() {
    let test = TestApp::start().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("mypkg").build();
    let sdist = Sdist::named("mypkg").build();
    upstream.publish(&wheel);
    upstream.publish(&sdist);
    upstream.fault(&upstream.file_path(&sdist), Fault::Truncate { after: 10 });
    let mirror = json!({"type": "mirror", "mirror_url": upstream.url()});
    let mirror = test.index("root/up", mirror).await;
    let prod = test.index("root/prod", json!({})).await;
    let answer = push(&test, &root(), &mirror, "1.0", "root/prod").await;
    assert!(
        matches!(answer, Err(Error::UpstreamFailed { .. })),
        "{answer:?}"
    );
    assert_eq!(
        told(test.page(&root(), &prod, "mypkg").await),
        "not found: The project mypkg does not exist."
    );
}

#[tokio::test]
async fn a_version_that_nothing_can_have_is_refused_as_one_that_is_not_there() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({})).await;
        test.index("root/prod", json!({})).await;
        let wheel = Wheel::named("mypkg").build();
        test.upload(&root(), &dev, &wheel).await.unwrap();
        let refused = push(&test, &root(), &dev, "1.0\0", "root/prod").await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
}
