//! Uploads: what is taken, and what becomes of it.

mod concurrency;
mod refusals;

use bytes::Bytes;
use cheeseshop_app::Scope;
use cheeseshop_app::files::Purpose;
use cheeseshop_app::publish::{Published, Uploaded};
use cheeseshop_domain::{Caller, FilePath, LogAction};
use cheeseshop_packaging::{FileName, Sha256};
use cheeseshop_test_support::{BuiltFile, Sdist, SdistDefect, Wheel, WheelDefect};
use futures_util::TryStreamExt as _;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{TestApp, anonymous, index, project, root, send, settings, told};

pub(crate) fn path_of(file: &BuiltFile) -> FilePath {
    let sha256: Sha256 = file.sha256.parse().unwrap();
    FilePath::of_sha256(&sha256, FileName::parse(&file.name).unwrap())
}

pub(crate) async fn bytes_of(
    test: &TestApp,
    caller: &Caller,
    name: &str,
    path: &FilePath,
) -> Result<Bytes, cheeseshop_app::Error> {
    let handle = test
        .app
        .open_file(caller, &index(name), path, Purpose::Read)
        .await?;
    let chunks: Vec<Bytes> = handle.read_all().try_collect().await.unwrap();
    Ok(chunks.concat().into())
}

#[tokio::test]
async fn an_uploaded_wheel_is_listed_and_served_with_its_metadata() {
    for test in TestApp::on_each_database().await {
        let bob = test.user("bob").await;
        let dev = test.index("bob/dev", json!({})).await;
        let wheel = Wheel::named("My.Pkg")
            .version("1.0")
            .requires_python(">=3.9")
            .build();
        let head = test.head().await;
        assert_eq!(
            test.upload(&bob, &dev, &wheel).await.unwrap(),
            Published::Created
        );
        assert_eq!(
            test.events_since(head).await,
            [
                "project_created bob/dev/my-pkg",
                "release_created bob/dev/my-pkg",
                "file_published bob/dev/my-pkg",
            ]
        );

        let page = test.page(&anonymous(), &dev, "my-pkg").await.unwrap();
        let file = &page["files"][0];
        assert_eq!(file["filename"], wheel.name.as_str());
        assert_eq!(file["hashes"], json!({"sha256": wheel.sha256}));
        assert_eq!(file["requires-python"], ">=3.9");
        assert_eq!(file["size"], wheel.size());
        assert_eq!(file["upload-time"], "2026-11-22T12:00:00Z");
        assert_eq!(page["versions"], json!(["1.0"]));

        let path = path_of(&wheel);
        assert_eq!(
            bytes_of(&test, &anonymous(), "bob/dev", &path)
                .await
                .unwrap(),
            wheel.bytes
        );
        let metadata = test
            .app
            .open_core_metadata(&anonymous(), &dev, &path)
            .await
            .unwrap();
        let document: Vec<Bytes> = metadata.read_all().try_collect().await.unwrap();
        assert_eq!(document.concat(), wheel.metadata.as_bytes());
        let announced = file["core-metadata"]["sha256"].as_str().unwrap();
        assert_eq!(announced, metadata.sha256.unwrap().to_string());
    }
}

#[tokio::test]
async fn the_form_may_come_after_the_file() {
    let test = TestApp::start().await;
    let dev = test
        .index("root/dev", json!({"acl_upload": ["root"]}))
        .await;
    let wheel = Wheel::named("mypkg").build();
    let mut upload = test.app.start_upload(&root(), &dev).await.unwrap();
    upload.start_content(&wheel.name).await.unwrap();
    upload.write(wheel.bytes.clone()).await.unwrap();
    for (name, value) in [
        (":action", "file_upload"),
        ("name", "mypkg"),
        ("version", "1.0"),
    ] {
        upload.push_field(name, value).unwrap();
    }
    let uploaded = upload.finish().await.unwrap();
    assert_eq!(uploaded, Uploaded::File(Published::Created));
}

#[tokio::test]
async fn old_formats_and_old_sdists_are_taken_as_they_are() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    for name in [
        "mypkg-1.0-py2.7.egg",
        "mypkg-1.0.win32.exe",
        "mypkg-1.0-1.noarch.rpm",
    ] {
        let fields = [
            (":action", "file_upload"),
            ("name", "mypkg"),
            ("version", "1.0"),
        ];
        let content = Some((name, Bytes::from_static(b"no archive that we know")));
        assert_eq!(
            told(test.send(&root(), &dev, &fields, content).await),
            "ok",
            "{name}"
        );
    }
    let sdist = Sdist::named("mypkg")
        .defect(SdistDefect::MissingPkgInfo)
        .build();
    assert_eq!(told(test.upload(&root(), &dev, &sdist).await), "ok");
}

#[tokio::test]
async fn archives_need_not_be_verified_where_the_operator_says_so() {
    let mut settings = settings();
    settings.publish.verify_archives = false;
    let test = TestApp::with(settings).await;
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg")
        .defect(WheelDefect::UnlistedEntry)
        .build();
    assert_eq!(told(test.upload(&root(), &dev, &wheel).await), "ok");
}

#[tokio::test]
async fn the_same_bytes_again_change_nothing() {
    for (volatile, test) in [
        (true, TestApp::start().await),
        (false, TestApp::start().await),
    ] {
        let dev = test.index("root/dev", json!({"volatile": volatile})).await;
        let wheel = Wheel::named("mypkg").build();
        test.upload(&root(), &dev, &wheel).await.unwrap();
        let head = test.head().await;
        test.clock.advance(SignedDuration::from_secs(60));
        let again = test.upload(&root(), &dev, &wheel).await.unwrap();
        assert_eq!(again, Published::Identical { volatile });
        assert_eq!(test.head().await, head);
        let page = test.page(&root(), &dev, "mypkg").await.unwrap();
        assert_eq!(page["files"][0]["upload-time"], "2026-11-22T12:00:00Z");
    }
}

#[tokio::test]
async fn other_bytes_replace_on_a_volatile_index() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let first = Wheel::named("mypkg").summary("first").build();
    let second = Wheel::named("mypkg").summary("second").build();
    let third = Wheel::named("mypkg").summary("third").build();
    test.upload(&root(), &dev, &first).await.unwrap();
    for file in [&second, &third] {
        let head = test.head().await;
        assert_eq!(
            test.upload(&root(), &dev, file).await.unwrap(),
            Published::Replaced
        );
        assert_eq!(
            test.events_since(head).await,
            ["file_replaced root/dev/mypkg"]
        );
    }
    let release = test
        .app
        .release(&root(), &dev, &project("mypkg"), "1.0", Scope::WithBases)
        .await
        .unwrap();
    let log = release.links[0].log.clone().unwrap();
    let steps: Vec<(LogAction, Option<u32>)> =
        log.iter().map(|entry| (entry.what, entry.count)).collect();
    assert_eq!(
        steps,
        [(LogAction::Overwrite, Some(2)), (LogAction::Upload, None)]
    );

    assert_eq!(
        test.files(&root(), &dev, "mypkg").await,
        [third.name.as_str()]
    );
    assert_eq!(
        told(bytes_of(&test, &root(), "root/dev", &path_of(&first)).await),
        "gone: file existed, deleted in later serial"
    );
    let served = bytes_of(&test, &root(), "root/dev", &path_of(&third))
        .await
        .unwrap();
    assert_eq!(served, third.bytes);
    // What was replaced is garbage: two wheels and their core metadata.
    assert_eq!(test.collect_garbage().await.removed, 4);
    let served = bytes_of(&test, &root(), "root/dev", &path_of(&third))
        .await
        .unwrap();
    assert_eq!(served, third.bytes);
}

#[tokio::test]
async fn other_bytes_are_a_conflict_on_a_non_volatile_index() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({"volatile": false})).await;
    let first = Wheel::named("mypkg").summary("first").build();
    let second = Wheel::named("mypkg").summary("second").build();
    test.upload(&root(), &dev, &first).await.unwrap();
    let (head, blobs) = (test.head().await, test.blob_count().await);
    assert_eq!(
        told(test.upload(&root(), &dev, &second).await),
        "conflict: mypkg-1.0-py3-none-any.whl already exists in non-volatile index"
    );
    assert_eq!((test.head().await, test.blob_count().await), (head, blobs));
    let served = bytes_of(&test, &root(), "root/dev", &path_of(&first))
        .await
        .unwrap();
    assert_eq!(served, first.bytes);
    // New files of the same release are welcome.
    let sdist = Sdist::named("mypkg").build();
    assert_eq!(
        test.upload(&root(), &dev, &sdist).await.unwrap(),
        Published::Created
    );
}

#[tokio::test]
async fn submitted_metadata_replaces_and_uploaded_metadata_merges() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let form = |action, extra: &[(&'static str, &'static str)]| {
        let mut fields = vec![(":action", action), ("name", "mypkg"), ("version", "1.0")];
        fields.extend(extra);
        fields
    };
    let metadata = async || {
        test.app
            .release(&root(), &dev, &project("mypkg"), "1.0", Scope::WithBases)
            .await
            .unwrap()
            .metadata
    };
    let submit = form(
        "submit",
        &[
            ("summary", "S"),
            ("author", "A"),
            ("classifiers", "x"),
            ("classifiers", "y"),
        ],
    );
    let head = test.head().await;
    assert_eq!(
        test.send(&root(), &dev, &submit, None).await.unwrap(),
        Uploaded::Metadata
    );
    assert_eq!(
        test.events_since(head).await,
        [
            "project_created root/dev/mypkg",
            "release_created root/dev/mypkg"
        ]
    );
    let stored = metadata().await;
    assert_eq!(
        (&stored["summary"], &stored["classifiers"]),
        (&json!("S"), &json!(["x", "y"]))
    );
    assert_eq!(
        stored.keys().take(3).collect::<Vec<_>>(),
        ["name", "version", "metadata_version"]
    );

    let sdist = Sdist::named("mypkg").build();
    let upload = form("file_upload", &[("summary", "S2")]);
    let content = Some((sdist.name.as_str(), sdist.bytes.clone()));
    let head = test.head().await;
    test.send(&root(), &dev, &upload, content).await.unwrap();
    assert_eq!(
        test.events_since(head).await,
        [
            "metadata_updated root/dev/mypkg",
            "file_published root/dev/mypkg"
        ]
    );
    let stored = metadata().await;
    assert_eq!(
        (&stored["summary"], &stored["author"]),
        (&json!("S2"), &json!("A"))
    );

    test.send(&root(), &dev, &form("submit", &[("summary", "S3")]), None)
        .await
        .unwrap();
    let stored = metadata().await;
    assert_eq!(
        (&stored["summary"], &stored["author"]),
        (&json!("S3"), &json!(""))
    );
    assert_eq!(test.files(&root(), &dev, "mypkg").await.len(), 1);

    let head = test.head().await;
    test.send(&root(), &dev, &form("submit", &[("summary", "S3")]), None)
        .await
        .unwrap();
    assert_eq!(test.head().await, head, "the same again");
}

#[tokio::test]
async fn files_sent_without_a_caller_are_logged_without_a_name() {
    let test = TestApp::start().await;
    let any = test
        .index("root/any", json!({"acl_upload": [":ANONYMOUS:"]}))
        .await;
    let wheel = Wheel::named("mypkg").build();
    assert!(
        send(
            &test.app,
            &anonymous(),
            &any,
            &[
                (":action", "file_upload"),
                ("name", "mypkg"),
                ("version", "1.0"),
            ],
            Some((&wheel.name, wheel.bytes.clone()))
        )
        .await
        .is_ok()
    );
    let release = test
        .app
        .release(
            &anonymous(),
            &any,
            &project("mypkg"),
            "1.0",
            Scope::WithBases,
        )
        .await
        .unwrap();
    let log = release.links[0].log.clone().unwrap();
    assert_eq!(
        (log[0].who.as_deref(), log[0].dst.as_deref()),
        (None, Some("root/any"))
    );
    assert_eq!(test.events().await.last().unwrap().actor, "anonymous");
}
