//! Removing projects, releases and files.

use bytes::Bytes;
use cheeseshop_app::Error;
use cheeseshop_app::removal::Force;
use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_test_support::{BuiltFile, Sdist, Upstream, Wheel};
use serde_json::json;

use crate::publish::{bytes_of, path_of};
use crate::support::{TestApp, anonymous, caller, index, project, root, told};

const DENIED: &str = "forbidden: Access was denied to this resource.\n\n\n\
                      Unauthorized: PyPIView failed permission check\n\n";

async fn read(test: &TestApp, index: &IndexName, file: &BuiltFile) -> Result<Bytes, Error> {
    bytes_of(test, &root(), &index.to_string(), &path_of(file)).await
}

async fn remove_project(
    test: &TestApp,
    caller: &Caller,
    index: &IndexName,
    force: Force,
) -> String {
    told(
        test.app
            .remove_project(caller, index, &project("mypkg"), force)
            .await,
    )
}

async fn remove_release(test: &TestApp, index: &IndexName, version: &str, force: Force) -> String {
    told(
        test.app
            .remove_release(&root(), index, &project("mypkg"), version, force)
            .await,
    )
}

async fn remove_file(test: &TestApp, index: &IndexName, file: &BuiltFile, force: Force) -> String {
    told(
        test.app
            .remove_file(&root(), index, &path_of(file), force)
            .await,
    )
}

#[tokio::test]
async fn removed_files_are_gone_and_take_release_and_project_along() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({})).await;
        let (wheel, sdist) = (Wheel::named("mypkg").build(), Sdist::named("mypkg").build());
        let newer = Wheel::named("mypkg").version("2.0").build();
        for file in [&wheel, &sdist, &newer] {
            test.upload(&root(), &dev, file).await.unwrap();
        }
        let gone = "gone: file existed, deleted in later serial";

        let head = test.head().await;
        assert_eq!(remove_file(&test, &dev, &wheel, Force::No).await, "ok");
        assert_eq!(
            test.events_since(head).await,
            ["file_removed root/dev/mypkg"]
        );
        assert_eq!(told(read(&test, &dev, &wheel).await), gone);
        assert_eq!(
            test.files(&root(), &dev, "mypkg").await,
            ["mypkg-1.0.tar.gz", "mypkg-2.0-py3-none-any.whl"]
        );
        let path = path_of(&wheel);
        assert_eq!(
            remove_file(&test, &dev, &wheel, Force::No).await,
            format!("gone: file 'root/dev/{path}' existed, deleted in later serial")
        );

        let head = test.head().await;
        assert_eq!(remove_file(&test, &dev, &sdist, Force::No).await, "ok");
        assert_eq!(
            test.events_since(head).await,
            [
                "file_removed root/dev/mypkg",
                "release_removed root/dev/mypkg"
            ]
        );
        let page = test.page(&root(), &dev, "mypkg").await.unwrap();
        assert_eq!(page["versions"], json!(["2.0"]));

        let head = test.head().await;
        assert_eq!(remove_release(&test, &dev, "2.0", Force::No).await, "ok");
        assert_eq!(
            test.events_since(head).await,
            [
                "file_removed root/dev/mypkg",
                "release_removed root/dev/mypkg",
                "project_removed root/dev/mypkg",
            ]
        );
        assert_eq!(told(read(&test, &dev, &newer).await), gone);
        assert_eq!(
            told(test.page(&root(), &dev, "mypkg").await),
            "not found: The project mypkg does not exist."
        );
        test.collect_garbage().await;
        assert_eq!(test.blob_count().await, 0);

        // What comes back is no longer gone.
        test.upload(&root(), &dev, &wheel).await.unwrap();
        assert_eq!(read(&test, &dev, &wheel).await.unwrap(), wheel.bytes);
    }
}

#[tokio::test]
async fn a_project_is_removed_whole() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let files = [
        Wheel::named("mypkg").build(),
        Wheel::named("mypkg").version("2.0").build(),
    ];
    for file in &files {
        test.upload(&root(), &dev, file).await.unwrap();
    }
    test.upload(&root(), &dev, &Wheel::named("other").build())
        .await
        .unwrap();
    let head = test.head().await;
    assert_eq!(remove_project(&test, &root(), &dev, Force::No).await, "ok");
    assert_eq!(
        test.events_since(head).await,
        ["project_removed root/dev/mypkg"]
    );
    for file in &files {
        assert_eq!(
            told(read(&test, &dev, file).await),
            "gone: file existed, deleted in later serial"
        );
    }
    assert_eq!(
        test.app.index_projects(&root(), &dev).await.unwrap(),
        ["other"]
    );
    assert_eq!(
        remove_project(&test, &root(), &dev, Force::No).await,
        "not found: project not found"
    );
}

#[tokio::test]
async fn a_non_volatile_index_wants_force() {
    let test = TestApp::start().await;
    let prod = test.index("root/prod", json!({"volatile": false})).await;
    let files: Vec<BuiltFile> = ["1.0", "2.0", "3.0"]
        .iter()
        .map(|version| Wheel::named("mypkg").version(version).build())
        .collect();
    for file in &files {
        test.upload(&root(), &prod, file).await.unwrap();
    }
    let fixed = "forbidden: cannot delete version on non-volatile index";
    assert_eq!(
        remove_project(&test, &root(), &prod, Force::No).await,
        "forbidden: project mypkg is on non-volatile index root/prod"
    );
    assert_eq!(remove_release(&test, &prod, "1.0", Force::No).await, fixed);
    assert_eq!(remove_file(&test, &prod, &files[0], Force::No).await, fixed);
    assert_eq!(test.files(&root(), &prod, "mypkg").await.len(), 3);

    assert_eq!(remove_file(&test, &prod, &files[0], Force::Yes).await, "ok");
    assert_eq!(remove_release(&test, &prod, "2.0", Force::Yes).await, "ok");
    assert_eq!(
        remove_project(&test, &root(), &prod, Force::Yes).await,
        "ok"
    );
}

#[tokio::test]
async fn what_is_not_there_cannot_be_removed() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").build();
    assert_eq!(
        remove_release(&test, &dev, "1.0", Force::No).await,
        "not found: project 'mypkg' not found on stage 'root/dev'"
    );
    let path = path_of(&wheel);
    assert_eq!(
        remove_file(&test, &dev, &wheel, Force::No).await,
        format!("not found: package 'root/dev/{path}' doesn't exist")
    );
    test.upload(&root(), &dev, &wheel).await.unwrap();
    assert_eq!(
        remove_release(&test, &dev, "8.0", Force::No).await,
        "not found: version '8.0' of project 'mypkg' not found on stage 'root/dev'"
    );
    let nowhere = index("root/none");
    assert_eq!(
        remove_project(&test, &root(), &nowhere, Force::No).await,
        "not found: The stage root/none could not be found."
    );
}

#[tokio::test]
async fn who_may_remove() {
    let test = TestApp::start().await;
    for user in ["bob", "eve", "uploader"] {
        test.user(user).await;
    }
    let open = test
        .index("bob/dev", json!({"acl_upload": ["uploader"]}))
        .await;
    let secret = json!({"acl_upload": ["uploader"], "acl_read": ["bob"]});
    let secret = test.index("bob/secret", secret).await;
    let uploader = caller("uploader");
    for (caller, target, expected) in [
        (anonymous(), &open, DENIED),
        (caller("eve"), &open, DENIED),
        (
            anonymous(),
            &secret,
            "unauthenticated: reading index bob/secret needs a login",
        ),
        (
            caller("eve"),
            &secret,
            "not found: The stage bob/secret could not be found.",
        ),
        (caller("uploader"), &open, "ok"),
        (caller("uploader"), &secret, "ok"),
        (caller("bob"), &open, "ok"),
        (root(), &open, "ok"),
    ] {
        let wheel = Wheel::named("mypkg").build();
        test.upload(&uploader, target, &wheel).await.unwrap();
        let answer = remove_project(&test, &caller, target, Force::No).await;
        assert_eq!(answer, expected, "{caller:?}");
    }
}

#[tokio::test]
async fn what_a_mirror_keeps_can_be_removed_and_fetched_again() {
    let test = TestApp::start().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("mypkg").build();
    upstream.publish(&wheel);
    let config = json!({"type": "mirror", "volatile": true, "mirror_url": upstream.url()});
    let mirror = test.index("root/up", config).await;
    assert_eq!(
        remove_project(&test, &root(), &mirror, Force::No).await,
        "not found: project not found"
    );
    let fetch = async || {
        let bytes = read(&test, &mirror, &wheel).await.unwrap();
        assert_eq!(bytes, wheel.bytes);
        settle(&test).await;
    };
    let asked = || upstream.count(&upstream.file_path(&wheel));

    test.files(&root(), &mirror, "mypkg").await;
    fetch().await;
    assert_eq!(asked(), 1);
    let head = test.head().await;
    assert_eq!(remove_release(&test, &mirror, "1.0", Force::No).await, "ok");
    assert_eq!(
        test.events_since(head).await,
        ["mirror_file_removed root/up/mypkg"]
    );
    assert_eq!(
        test.files(&root(), &mirror, "mypkg").await,
        [wheel.name.as_str()]
    );
    fetch().await;
    assert_eq!(asked(), 2);

    assert_eq!(remove_file(&test, &mirror, &wheel, Force::No).await, "ok");
    fetch().await;
    assert_eq!(asked(), 3);

    let pages = upstream.count(&upstream.project_path("mypkg"));
    assert_eq!(
        remove_project(&test, &root(), &mirror, Force::No).await,
        "ok"
    );
    assert_eq!(
        test.files(&root(), &mirror, "mypkg").await,
        [wheel.name.as_str()]
    );
    assert_eq!(upstream.count(&upstream.project_path("mypkg")), pages + 1);
    assert_eq!(
        remove_release(&test, &mirror, "7.0", Force::No).await,
        "not found: version '7.0' of project 'mypkg' not found on stage 'root/up'"
    );
    assert_eq!(
        told(
            test.app
                .remove_project(&caller("eve"), &mirror, &project("mypkg"), Force::Yes)
                .await
        ),
        DENIED
    );
}

/// Waits until what was fetched has been stored.
async fn settle(test: &TestApp) {
    test.app.settle().await;
}
