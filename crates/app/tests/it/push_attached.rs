//! What goes along with a push between indexes: test results and documentation.

use bytes::Bytes;
use cheeseshop_app::publish::Uploaded;
use cheeseshop_app::{Error, Scope};
use cheeseshop_domain::api::PushRequest;
use cheeseshop_domain::{Caller, FilePath, IndexName, LogAction};
use cheeseshop_packaging::FileName;
use cheeseshop_test_support::{BuiltFile, DocumentationArchive, Sdist, Upstream, Wheel};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{TestApp, object, project, told};

async fn push(
    test: &TestApp,
    source: &IndexName,
    target: &str,
    more: &[&str],
) -> Result<Vec<Value>, Error> {
    let mut body = object(json!({"name": "mypkg", "version": "1.0", "targetindex": target}));
    for key in more {
        body.insert((*key).to_owned(), json!(true));
    }
    let request = PushRequest::parse(&body).unwrap();
    let bob = crate::support::caller("bob");
    let outcome = test.app.push(&bob, source, &request).await?;
    Ok(outcome
        .actions
        .iter()
        .map(|action| serde_json::to_value(action.to_log_entry()).unwrap())
        .collect())
}

async fn document(test: &TestApp, bob: &Caller, index: &IndexName, archive: &Bytes) {
    let fields = [
        (":action", "doc_upload"),
        ("name", "mypkg"),
        ("version", "1.0"),
    ];
    let content = Some(("x.zip", archive.clone()));
    let uploaded = test.send(bob, index, &fields, content).await.unwrap();
    assert!(matches!(uploaded, Uploaded::Documentation(_)));
}

async fn add_result(test: &TestApp, bob: &Caller, index: &IndexName, file: &BuiltFile, body: &str) {
    let mut upload = test
        .app
        .start_test_result(bob, index, &path_of(file))
        .await
        .unwrap();
    let body = Bytes::copy_from_slice(body.as_bytes());
    upload.write(body).await.unwrap();
    upload.finish().await.unwrap();
}

fn path_of(file: &BuiltFile) -> FilePath {
    let name = FileName::parse(&file.name).unwrap();
    FilePath::of_sha256(&file.sha256.parse().unwrap(), name)
}

/// `bob/dev` with a wheel that was tested twice, an sdist that was tested once, and documentation.
async fn filled(test: &TestApp) -> (Caller, IndexName, [BuiltFile; 2]) {
    let bob = test.user("bob").await;
    let dev = test.index("bob/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").version("1.0").build();
    let sdist = Sdist::named("mypkg").version("1.0").build();
    for file in [&wheel, &sdist] {
        test.upload(&bob, &dev, file).await.unwrap();
    }
    document(
        test,
        &bob,
        &dev,
        &DocumentationArchive::saying("old").build(),
    )
    .await;
    document(
        test,
        &bob,
        &dev,
        &DocumentationArchive::saying("docs").build(),
    )
    .await;
    add_result(test, &bob, &dev, &wheel, "{\"number\": 1}").await;
    add_result(test, &bob, &dev, &sdist, "{\"number\": 2}").await;
    test.clock.advance(SignedDuration::from_secs(1));
    add_result(test, &bob, &dev, &wheel, "{\"number\": 3}").await;
    (bob, dev, [wheel, sdist])
}

#[tokio::test]
async fn results_and_documentation_go_along_in_devpis_order() {
    for test in TestApp::on_each_database().await {
        let (bob, dev, [wheel, sdist]) = filled(&test).await;
        let prod = test.index("bob/prod", json!({"volatile": false})).await;
        let blobs = test.blob_count().await;
        test.clock.advance(SignedDuration::from_secs(3599));
        let head = test.head().await;
        let lines = push(&test, &dev, "bob/prod", &[]).await.unwrap();
        let (wheel_path, sdist_path) = (
            format!("bob/prod/{}", path_of(&wheel)),
            format!("bob/prod/{}", path_of(&sdist)),
        );
        let result = |path: &str, number| format!("{path}.toxresult-20261122130000-{number}");
        assert_eq!(
            lines,
            [
                json!([200, "register", "mypkg", "1.0", "->", "bob/prod"]),
                json!([200, "store_releasefile", wheel_path]),
                json!([200, "store_toxresult", result(&wheel_path, 0)]),
                json!([200, "store_toxresult", result(&wheel_path, 1)]),
                json!([200, "store_releasefile", sdist_path]),
                json!([200, "store_toxresult", result(&sdist_path, 0)]),
                json!([200, "store_doczip", "mypkg", "1.0", "->", "bob/prod"]),
            ]
        );
        assert_eq!(
            test.events_since(head).await,
            [
                "project_created bob/prod/mypkg",
                "release_created bob/prod/mypkg",
                "file_pushed bob/prod/mypkg",
                "test_result_added bob/prod/mypkg",
                "test_result_added bob/prod/mypkg",
                "file_pushed bob/prod/mypkg",
                "test_result_added bob/prod/mypkg",
                "documentation_pushed bob/prod/mypkg",
            ]
        );
        assert_eq!(test.blob_count().await, blobs, "bytes are shared");
        let release = test
            .app
            .release(&bob, &prod, &project("mypkg"), "1.0", Scope::OwnOnly)
            .await
            .unwrap();
        let told: Vec<_> = release
            .links
            .iter()
            .map(|link| {
                let log = link.log.as_ref().unwrap();
                let steps: Vec<_> = log.iter().map(|entry| entry.what).collect();
                (link.rel, steps)
            })
            .collect();
        let steps = || vec![LogAction::Upload, LogAction::Push];
        assert_eq!(
            told,
            [
                ("releasefile", steps()),
                ("releasefile", steps()),
                ("doczip", steps()),
                ("toxresult", steps()),
                ("toxresult", steps()),
                ("toxresult", steps()),
            ]
        );

        // Once more: all is there, nothing doubles.
        let lines = push(&test, &dev, "bob/prod", &[]).await.unwrap();
        let same = "identical file is there already";
        assert_eq!(
            lines,
            [
                json!([200, "register", "mypkg", "1.0", "->", "bob/prod"]),
                json!([200, "store_releasefile", wheel_path, same]),
                json!([200, "store_releasefile", sdist_path, same]),
                json!([
                    200,
                    "store_doczip",
                    "mypkg",
                    "1.0",
                    "->",
                    "bob/prod",
                    "identical documentation is there already"
                ]),
            ]
        );
    }
}

#[tokio::test]
async fn documentation_can_stay_behind_or_go_alone() {
    let test = TestApp::start().await;
    let (_, dev, _) = filled(&test).await;
    for target in ["bob/files", "bob/docs", "bob/more"] {
        test.index(target, json!({"volatile": false})).await;
    }
    let kinds = |lines: Vec<Value>| -> Vec<String> {
        let word = |line: &Value| line[1].as_str().unwrap().to_owned();
        lines.iter().map(word).collect()
    };
    let lines = push(&test, &dev, "bob/files", &["no_docs"]).await.unwrap();
    assert_eq!(
        kinds(lines),
        [
            "register",
            "store_releasefile",
            "store_toxresult",
            "store_toxresult",
            "store_releasefile",
            "store_toxresult",
        ]
    );
    let lines = push(&test, &dev, "bob/docs", &["only_docs"]).await.unwrap();
    assert_eq!(kinds(lines), ["register", "store_doczip"]);
    // From there, where it stands alone, on.
    let docs = crate::support::index("bob/docs");
    let lines = push(&test, &docs, "bob/more", &[]).await.unwrap();
    assert_eq!(kinds(lines), ["register", "store_doczip"]);
    let nothing = push(&test, &docs, "bob/more", &["no_docs"]).await;
    assert_eq!(
        told(nothing),
        "not found: no release/files found for mypkg 1.0"
    );
    let files = crate::support::index("bob/files");
    let nothing = push(&test, &files, "bob/more", &["only_docs"]).await;
    assert_eq!(
        told(nothing),
        "not found: no release/files found for mypkg 1.0"
    );
}

#[tokio::test]
async fn other_documentation_on_a_fixed_target_leaves_all_as_it_was() {
    for test in TestApp::on_each_database().await {
        let (bob, dev, _) = filled(&test).await;
        let prod = test.index("bob/prod", json!({"volatile": false})).await;
        document(
            &test,
            &bob,
            &prod,
            &DocumentationArchive::saying("other").build(),
        )
        .await;
        let head = test.head().await;
        assert_eq!(
            told(push(&test, &dev, "bob/prod", &[]).await),
            "conflict: mypkg-1.0.doc.zip already exists in non-volatile index"
        );
        assert_eq!(test.head().await, head, "not even the files were kept");
        push(&test, &dev, "bob/prod", &["no_docs"]).await.unwrap();
    }
}

#[tokio::test]
async fn a_mirror_has_no_documentation_to_push() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.index("bob/prod", json!({})).await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("mypkg").version("1.0").build());
    let config = json!({"type": "mirror", "mirror_url": upstream.url()});
    let mirror = test.index("root/mirror", config).await;
    assert_eq!(
        told(push(&test, &mirror, "bob/prod", &["only_docs"]).await),
        "not found: no release/files found for mypkg 1.0"
    );
    let lines = push(&test, &mirror, "bob/prod", &[]).await.unwrap();
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn a_result_that_the_source_has_twice_arrives_once() {
    let test = TestApp::start().await;
    let (bob, dev, [wheel, _]) = filled(&test).await;
    add_result(&test, &bob, &dev, &wheel, "{\"number\": 3}").await;
    test.index("bob/prod", json!({})).await;
    let lines = push(&test, &dev, "bob/prod", &[]).await.unwrap();
    let results = lines.iter().filter(|line| line[1] == "store_toxresult");
    assert_eq!(results.count(), 3);
}
