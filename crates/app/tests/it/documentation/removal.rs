//! How documentation goes, and what goes with it.

use cheeseshop_app::files::Purpose;
use cheeseshop_app::removal::Force;
use cheeseshop_domain::FilePath;
use cheeseshop_packaging::FileName;
use cheeseshop_test_support::{DocumentationArchive, Wheel};
use serde_json::json;

use super::{bob_and_dev, page, path, upload};
use crate::support::{TestApp, project, told};

#[tokio::test]
async fn a_release_lives_as_long_as_it_has_a_file_or_documentation() {
    for test in TestApp::on_each_database().await {
        let (bob, dev) = bob_and_dev(&test).await;
        let archive = DocumentationArchive::saying("docs").build();
        let wheel = Wheel::named("my-pkg").version("1.0").build();
        let wheel_path = FilePath::of_sha256(
            &wheel.sha256.parse().unwrap(),
            FileName::parse(&wheel.name).unwrap(),
        );
        let docs_path = path(&archive, "1.0");
        test.upload(&bob, &dev, &wheel).await.unwrap();
        upload(&test, &dev, "1.0", &archive).await.unwrap();

        let app = &test.app;
        app.remove_file(&bob, &dev, &wheel_path, Force::No)
            .await
            .unwrap();
        assert_eq!(told(page(&test, &bob, &dev, "1.0", "").await), "ok");
        let head = test.head().await;
        app.remove_file(&bob, &dev, &docs_path, Force::No)
            .await
            .unwrap();
        assert_eq!(
            test.events_since(head).await,
            [
                "documentation_removed bob/dev/my-pkg",
                "release_removed bob/dev/my-pkg",
                "project_removed bob/dev/my-pkg",
            ]
        );
        for _ in 0..2 {
            let gone = app.remove_file(&bob, &dev, &docs_path, Force::No).await;
            assert!(told(gone).starts_with("gone: file 'bob/dev/+f/"));
            let gone = app.open_file(&bob, &dev, &docs_path, Purpose::Read).await;
            assert!(told(gone).starts_with("gone: "));
        }

        // With release or project it goes as well.
        for by_project in [false, true] {
            upload(&test, &dev, "1.0", &archive).await.unwrap();
            assert_eq!(told(page(&test, &bob, &dev, "1.0", "").await), "ok");
            let name = project("my-pkg");
            if by_project {
                app.remove_project(&bob, &dev, &name, Force::No).await
            } else {
                app.remove_release(&bob, &dev, &name, "1.0", Force::No)
                    .await
            }
            .unwrap();
            assert_eq!(
                told(page(&test, &bob, &dev, "1.0", "").await),
                "not found: No documentation available."
            );
            let gone = app.open_file(&bob, &dev, &docs_path, Purpose::Read).await;
            assert!(told(gone).starts_with("gone: "));
        }
        test.collect_garbage().await;
        assert_eq!(test.blob_count().await, 0);
    }
}

#[tokio::test]
async fn documentation_of_a_fixed_index_is_removed_with_force_only() {
    let test = TestApp::start().await;
    let (bob, _) = bob_and_dev(&test).await;
    let fixed = test.index("bob/fixed", json!({"volatile": false})).await;
    let archive = DocumentationArchive::saying("docs").build();
    upload(&test, &fixed, "1.0", &archive).await.unwrap();
    let path = path(&archive, "1.0");
    let refused = test.app.remove_file(&bob, &fixed, &path, Force::No).await;
    assert_eq!(
        told(refused),
        "forbidden: cannot delete version on non-volatile index"
    );
    let eve = test.user("eve").await;
    let refused = test.app.remove_file(&eve, &fixed, &path, Force::Yes).await;
    assert!(told(refused).starts_with("forbidden: "));
    test.app
        .remove_file(&bob, &fixed, &path, Force::Yes)
        .await
        .unwrap();
}
