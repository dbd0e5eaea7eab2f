//! Test results of files.

use bytes::Bytes;
use cheeseshop_app::Error;
use cheeseshop_app::files::Purpose;
use cheeseshop_app::publish::PublishLimits;
use cheeseshop_app::removal::Force;
use cheeseshop_app::test_results::AddedTestResult;
use cheeseshop_app::{Scope, Settings};
use cheeseshop_domain::{Caller, FilePath, IndexName, TestOutcome};
use cheeseshop_packaging::FileName;
use cheeseshop_storage::database::test_results::{self, NewTestResult};
use cheeseshop_storage::database::{DatabaseError, Origin, blobs};
use cheeseshop_test_support::{BuiltFile, Upstream, Wheel};
use futures_util::{FutureExt as _, TryStreamExt as _};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{TestApp, anonymous, project, settings, told};

const PASSED: &str = r#"{"host": "h", "platform": "linux", "testenvs":
    {"py": {"test": [{"command": ["pytest"], "retcode": 0}]}}}"#;
const FAILED: &str = r#"{"host": "h", "platform": "linux", "testenvs":
    {"py": {"test": [{"command": ["pytest"], "output": "oh", "retcode": "1"}]}}}"#;

fn path_of(file: &BuiltFile) -> FilePath {
    FilePath::of_sha256(
        &file.sha256.parse().unwrap(),
        FileName::parse(&file.name).unwrap(),
    )
}

fn path(added: &AddedTestResult) -> FilePath {
    FilePath::parse(added.path.splitn(3, '/').nth(2).unwrap()).unwrap()
}

async fn add(
    test: &TestApp,
    caller: &Caller,
    index: &IndexName,
    path: &FilePath,
    body: &str,
) -> Result<AddedTestResult, Error> {
    let mut upload = test.app.start_test_result(caller, index, path).await?;
    for chunk in body.as_bytes().chunks(50_000) {
        upload.write(Bytes::copy_from_slice(chunk)).await?;
    }
    upload.finish().await
}

/// Names and outcomes, newest first.
async fn runs(test: &TestApp, index: &IndexName, file: &BuiltFile) -> Vec<(String, String)> {
    let release = (&project("pkg"), file.version.as_str());
    test.app
        .test_results(&anonymous(), index, release, &file.name)
        .await
        .unwrap()
        .into_iter()
        .map(|run| {
            let outcome = run
                .report
                .map_or("unread", |report| report.outcome().as_str());
            (run.result.name.to_string(), outcome.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn a_result_is_kept_byte_for_byte_beside_its_file() {
    for test in TestApp::on_each_database().await {
        let bob = test.user("bob").await;
        let dev = test.index("bob/dev", json!({"volatile": false})).await;
        let wheel = Wheel::named("pkg").version("1.0").build();
        test.upload(&bob, &dev, &wheel).await.unwrap();
        let head = test.head().await;
        let first = add(&test, &anonymous(), &dev, &path_of(&wheel), PASSED)
            .await
            .unwrap();
        assert_eq!(
            first.path,
            format!("bob/dev/{}.toxresult-20261122120000-0", path_of(&wheel))
        );
        assert_eq!(
            test.events_since(head).await,
            ["test_result_added bob/dev/pkg"]
        );
        test.clock.advance(SignedDuration::from_secs(61));
        let second = add(&test, &bob, &dev, &path_of(&wheel), FAILED)
            .await
            .unwrap();
        assert!(second.path.ends_with(".toxresult-20261122120101-1"));

        let handle = test
            .app
            .open_file(&anonymous(), &dev, &path(&first), Purpose::Read)
            .await
            .unwrap();
        let bytes: Vec<Bytes> = handle.read_all().try_collect().await.unwrap();
        assert_eq!(bytes.concat(), PASSED.as_bytes());
        assert_eq!(handle.sha256, Some(first.sha256));
        let description = test
            .app
            .describe_file(&anonymous(), &dev, &path(&second))
            .await
            .unwrap();
        assert_eq!(description.version, "1.0");

        let release = test
            .app
            .release(&bob, &dev, &project("pkg"), "1.0", Scope::OwnOnly)
            .await
            .unwrap();
        let links: Vec<_> = release
            .links
            .iter()
            .map(|link| (link.rel, link.path.clone(), link.tested.clone()))
            .collect();
        let tested = Some(path_of(&wheel));
        assert_eq!(
            links,
            [
                ("releasefile", path_of(&wheel), None),
                ("toxresult", path(&first), tested.clone()),
                ("toxresult", path(&second), tested),
            ]
        );
        let log = release.links[2].log.as_ref().unwrap();
        assert_eq!(log[0].who.as_deref(), Some("bob"));
        let whole = test
            .app
            .project(&bob, &dev, &project("pkg"), Scope::OwnOnly)
            .await
            .unwrap();
        assert_eq!(whole.releases[0].links.len(), 3);
    }
}

#[tokio::test]
async fn results_say_what_came_of_the_tests() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let dev = test.index("bob/dev", json!({})).await;
    let wheel = Wheel::named("pkg").version("1.0").build();
    test.upload(&bob, &dev, &wheel).await.unwrap();
    let mut names = Vec::new();
    for body in [PASSED, FAILED, "[1]", "{}"] {
        let added = add(&test, &bob, &dev, &path_of(&wheel), body)
            .await
            .unwrap();
        names.push(path(&added).name().to_string());
    }
    names.reverse();
    let outcomes = ["unknown", "unread", "failed", "passed"].map(str::to_owned);
    let expected: Vec<_> = names.iter().cloned().zip(outcomes).collect();
    assert_eq!(runs(&test, &dev, &wheel).await, expected);

    let release = (&project("pkg"), "1.0");
    let run = test
        .app
        .test_result(&anonymous(), &dev, release, &wheel.name, &names[2])
        .await
        .unwrap();
    let report = run.report.unwrap();
    assert_eq!(report.outcome(), TestOutcome::Failed);
    assert_eq!(report.environments[0].test.commands[0].output, "oh");
    for (version, file, name) in [
        ("1.0", wheel.name.as_str(), "nope"),
        ("1.0", "nope.whl", names[0].as_str()),
        ("2.0", wheel.name.as_str(), names[0].as_str()),
    ] {
        let release = (&project("pkg"), version);
        let found = test
            .app
            .test_result(&anonymous(), &dev, release, file, name)
            .await;
        assert!(told(found).starts_with("not found: "));
    }
    // Inherited like the file itself.
    let team = test.index("bob/team", json!({"bases": ["bob/dev"]})).await;
    assert_eq!(runs(&test, &team, &wheel).await, expected);
}

#[tokio::test]
async fn only_those_whom_the_index_admits_add_results() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let eve = test.user("eve").await;
    let wheel = Wheel::named("pkg").version("1.0").build();
    let dev = test
        .index("bob/dev", json!({"acl_toxresult_upload": ["eve"]}))
        .await;
    test.upload(&bob, &dev, &wheel).await.unwrap();
    let refusal = "forbidden: No permission to upload tox results. \
                   You can use the devpi test --no-upload option to skip the upload.";
    for refused in [&bob, &anonymous()] {
        let added = add(&test, refused, &dev, &path_of(&wheel), PASSED).await;
        assert_eq!(told(added), refusal);
    }
    add(&test, &eve, &dev, &path_of(&wheel), PASSED)
        .await
        .unwrap();

    let secret = test
        .index(
            "bob/secret",
            json!({"acl_read": ["bob"], "acl_toxresult_upload": ["bob"]}),
        )
        .await;
    test.upload(&bob, &secret, &wheel).await.unwrap();
    assert_eq!(
        told(add(&test, &eve, &secret, &path_of(&wheel), PASSED).await),
        "not found: The stage bob/secret could not be found."
    );
    let release = (&project("pkg"), "1.0");
    let listed = test
        .app
        .test_results(&eve, &secret, release, &wheel.name)
        .await;
    assert!(told(listed).starts_with("not found: "));
}

#[tokio::test]
async fn a_result_needs_a_file_of_the_very_index_and_json() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let dev = test.index("bob/dev", json!({})).await;
    let wheel = Wheel::named("pkg").version("1.0").build();
    test.upload(&bob, &dev, &wheel).await.unwrap();
    let file = path_of(&wheel);
    let team = test.index("bob/team", json!({"bases": ["bob/dev"]})).await;
    assert_eq!(
        told(add(&test, &bob, &team, &file, PASSED).await),
        format!("not found: no release file found at bob/team/{file}")
    );
    let added = add(&test, &bob, &dev, &file, PASSED).await.unwrap();
    let of_result = add(&test, &bob, &dev, &path(&added), PASSED).await;
    assert_eq!(
        told(of_result),
        format!("not found: no release file found at {}", added.path)
    );
    for broken in ["", "{", "not json", "{} {}"] {
        assert_eq!(
            told(add(&test, &bob, &dev, &file, broken).await),
            "invalid: Bad request: could not decode json"
        );
    }
    let large = format!("\"{}\"", "x".repeat(64 << 10));
    assert_eq!(
        told(add(&test, &bob, &dev, &file, &large).await),
        "too large: the test result is larger than 65536 bytes"
    );
    assert_eq!(
        test.blob_count().await,
        3,
        "wheel, its metadata, one result"
    );
}

#[tokio::test]
async fn a_mirror_says_that_it_keeps_no_results() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let wheel = Wheel::named("pkg").version("1.0").build();
    let upstream = Upstream::start().await;
    upstream.publish(&wheel);
    let mirror = test
        .index(
            "root/mirror",
            json!({"type": "mirror", "mirror_url": upstream.url()}),
        )
        .await;
    let told = told(add(&test, &bob, &mirror, &path_of(&wheel), PASSED).await);
    assert!(
        told.starts_with("invalid: root/mirror is a mirror"),
        "{told}"
    );
}

#[tokio::test]
async fn a_file_has_a_limited_number_of_results_with_names_of_their_own() {
    let settings = Settings {
        publish: PublishLimits {
            max_test_results_per_file: 2,
            ..PublishLimits::for_testing()
        },
        ..settings()
    };
    let test = TestApp::with(settings).await;
    let bob = test.user("bob").await;
    let dev = test.index("bob/dev", json!({})).await;
    let wheel = Wheel::named("pkg").version("1.0").build();
    test.upload(&bob, &dev, &wheel).await.unwrap();
    let file = path_of(&wheel);
    let first = add(&test, &bob, &dev, &file, PASSED).await.unwrap();
    let second = add(&test, &bob, &dev, &file, FAILED).await.unwrap();
    // Refused before anything of it is taken.
    let told = told(test.app.start_test_result(&bob, &dev, &file).await);
    assert!(
        told.starts_with("conflict: pkg-1.0-py3-none-any.whl already has 2 test results"),
        "{told}"
    );
    test.app
        .remove_file(&bob, &dev, &path(&first), Force::No)
        .await
        .unwrap();
    let third = add(&test, &bob, &dev, &file, PASSED).await.unwrap();
    // Its number would be 1, as that of the second is.
    assert!(third.path.ends_with("-2"), "{}", third.path);
    assert_ne!(third.path, second.path);
}

#[tokio::test]
async fn results_go_with_the_bytes_that_they_tell_of() {
    for test in TestApp::on_each_database().await {
        let bob = test.user("bob").await;
        let dev = test.index("bob/dev", json!({})).await;
        let wheel = Wheel::named("pkg").version("1.0").build();
        let other = Wheel::named("pkg").version("1.0").summary("other").build();
        let gone = async |added: &AddedTestResult| {
            let opened = test
                .app
                .open_file(&bob, &dev, &path(added), Purpose::Read)
                .await;
            told(opened) == "gone: file existed, deleted in later serial"
        };
        test.upload(&bob, &dev, &wheel).await.unwrap();
        let added = add(&test, &bob, &dev, &path_of(&wheel), PASSED)
            .await
            .unwrap();
        // The same bytes again change nothing.
        test.upload(&bob, &dev, &wheel).await.unwrap();
        assert!(!gone(&added).await);
        test.upload(&bob, &dev, &other).await.unwrap();
        assert!(gone(&added).await);
        assert_eq!(runs(&test, &dev, &other).await, []);

        // One result alone.
        let added = add(&test, &bob, &dev, &path_of(&other), PASSED)
            .await
            .unwrap();
        let head = test.head().await;
        test.app
            .remove_file(&bob, &dev, &path(&added), Force::No)
            .await
            .unwrap();
        assert_eq!(
            test.events_since(head).await,
            ["test_result_removed bob/dev/pkg"]
        );
        assert!(gone(&added).await);
        assert_eq!(test.files(&bob, &dev, "pkg").await, [other.name.as_str()]);

        // With file, release and project.
        for how in 0..3 {
            test.upload(&bob, &dev, &other).await.unwrap();
            let added = add(&test, &bob, &dev, &path_of(&other), FAILED)
                .await
                .unwrap();
            assert!(!gone(&added).await);
            let name = project("pkg");
            match how {
                0 => {
                    test.app
                        .remove_file(&bob, &dev, &path_of(&other), Force::No)
                        .await
                }
                1 => {
                    test.app
                        .remove_release(&bob, &dev, &name, "1.0", Force::No)
                        .await
                }
                _ => test.app.remove_project(&bob, &dev, &name, Force::No).await,
            }
            .unwrap();
            assert!(gone(&added).await, "{how}");
        }
        test.collect_garbage().await;
        assert_eq!(test.blob_count().await, 0);
    }
}

#[tokio::test]
async fn of_a_result_that_is_too_large_to_read_is_only_told() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let dev = test.index("bob/dev", json!({})).await;
    let wheel = Wheel::named("pkg").version("1.0").build();
    test.upload(&bob, &dev, &wheel).await.unwrap();
    let added = add(&test, &bob, &dev, &path_of(&wheel), PASSED)
        .await
        .unwrap();
    // As one of another server, where it was no limit to keep it.
    let mut large = PASSED.as_bytes().to_vec();
    large.resize((64 << 20) + 1, b' ');
    let stored = test.blobs.put(large.into()).await.unwrap();
    let index = test.app.index(&bob, &dev).await.unwrap().id;
    let beside = path(&added);
    test.database
        .write(Origin::new("test"), move |tx| {
            async move {
                let found = test_results::find_by_path(tx, index, &beside).await?;
                let found = found.unwrap().result;
                blobs::register(tx, stored.sha256, stored.size).await?;
                let new = NewTestResult {
                    name: FileName::parse("pkg.toxresult-large").unwrap(),
                    sha256: stored.sha256,
                    size: stored.size,
                    uploaded: found.uploaded,
                    log: Vec::new(),
                };
                test_results::insert(tx, index, found.file, &new).await?;
                Ok::<_, DatabaseError>(())
            }
            .boxed()
        })
        .await
        .unwrap();
    let release = (&project("pkg"), "1.0");
    let run = test
        .app
        .test_result(&bob, &dev, release, &wheel.name, "pkg.toxresult-large")
        .await
        .unwrap();
    assert!(run.report.is_none());
    let expected = [
        ("pkg.toxresult-large".to_owned(), "unread".to_owned()),
        (path(&added).name().to_string(), "passed".to_owned()),
    ];
    assert_eq!(runs(&test, &dev, &wheel).await, expected);
}
