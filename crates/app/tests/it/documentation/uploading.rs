//! What is taken, and what takes its place.

use bytes::Bytes;
use cheeseshop_app::files::Purpose;
use cheeseshop_app::publish::{PublishLimits, Published};
use cheeseshop_app::{Scope, Settings};
use cheeseshop_test_support::{DocumentationArchive, Sdist, Wheel};
use serde_json::json;

use super::{bob_and_dev, page, path, upload};
use crate::support::{TestApp, anonymous, project, settings, told};

#[tokio::test]
async fn without_a_version_it_belongs_to_the_newest_release_here() {
    let test = TestApp::start().await;
    let (bob, dev) = bob_and_dev(&test).await;
    let archive = DocumentationArchive::saying("hello").build();
    assert_eq!(
        told(upload(&test, &dev, "", &archive).await),
        "invalid: doczip has no version and 'my-pkg' has no releases to derive one from"
    );
    assert_eq!(test.blob_count().await, 0);
    for version in ["0.9", "1.10", "1.9"] {
        let sdist = Sdist::named("my-pkg").version(version).build();
        test.upload(&bob, &dev, &sdist).await.unwrap();
    }
    upload(&test, &dev, "", &archive).await.unwrap();
    assert_eq!(
        page(&test, &bob, &dev, "latest", "").await.unwrap(),
        "1.10 <h1>hello</h1>"
    );
    let release = test
        .app
        .release(&bob, &dev, &project("my-pkg"), "1.10", Scope::OwnOnly)
        .await
        .unwrap();
    let rels: Vec<_> = release.links.iter().map(|link| link.rel).collect();
    assert_eq!(rels, ["releasefile", "doczip"]);
}

#[tokio::test]
async fn volatile_documentation_is_replaced_and_other_stays_as_it_is() {
    for test in TestApp::on_each_database().await {
        let (bob, dev) = bob_and_dev(&test).await;
        let (first, second) = (
            DocumentationArchive::saying("first").build(),
            DocumentationArchive::saying("second").build(),
        );
        upload(&test, &dev, "1.0", &first).await.unwrap();
        assert_eq!(
            upload(&test, &dev, "1.0", &first).await.unwrap(),
            Published::Identical { volatile: true }
        );
        assert_eq!(
            upload(&test, &dev, "1.0", &second).await.unwrap(),
            Published::Replaced
        );
        assert_eq!(
            page(&test, &bob, &dev, "1.0", "").await.unwrap(),
            "1.0 <h1>second</h1>"
        );
        let old = path(&first, "1.0");
        let gone = test.app.open_file(&bob, &dev, &old, Purpose::Read).await;
        assert_eq!(told(gone), "gone: file existed, deleted in later serial");
        let release = test
            .app
            .release(&bob, &dev, &project("my-pkg"), "1.0", Scope::OwnOnly)
            .await
            .unwrap();
        let log: Vec<_> = release.links[0].log.as_ref().unwrap().iter().collect();
        assert_eq!((log.len(), log[0].count), (2, Some(1)));

        let fixed = test.index("bob/fixed", json!({"volatile": false})).await;
        upload(&test, &fixed, "1.0", &first).await.unwrap();
        let head = test.head().await;
        assert_eq!(
            upload(&test, &fixed, "1.0", &first).await.unwrap(),
            Published::Identical { volatile: false }
        );
        assert_eq!(
            told(upload(&test, &fixed, "1.0", &second).await),
            "conflict: my-pkg-1.0.doc.zip already exists in non-volatile index"
        );
        assert_eq!(test.head().await, head);
        assert_eq!(
            page(&test, &bob, &fixed, "1.0", "").await.unwrap(),
            "1.0 <h1>first</h1>"
        );
    }
}

#[tokio::test]
async fn archives_that_are_not_safe_are_refused_and_nothing_is_lost() {
    let settings = Settings {
        publish: PublishLimits {
            max_documentation_entries: 3,
            max_documentation_bytes: 1 << 20,
            ..PublishLimits::for_testing()
        },
        ..settings()
    };
    let test = TestApp::with(settings).await;
    let (bob, dev) = bob_and_dev(&test).await;
    let good = DocumentationArchive::saying("good").build();
    upload(&test, &dev, "1.0", &good).await.unwrap();
    let head = test.head().await;

    let page_named = |name: &str| DocumentationArchive::saying("x").page(name, b"x").build();
    let many = (0..4).fold(DocumentationArchive::new(), |archive, number| {
        archive.page(&format!("{number}.html"), b"x")
    });
    let bloated = DocumentationArchive::new().page("bomb.html", &vec![0; 2 << 20]);
    for (archive, reason) in [
        (Bytes::from_static(b"no zip"), "damaged or ambiguous"),
        (good.slice(..good.len() - 10), "damaged or ambiguous"),
        (page_named("../evil.html"), "unsafe entry `../evil.html`"),
        (page_named("/etc/passwd"), "unsafe entry `/etc/passwd`"),
        (page_named("index.html"), "two entries `index.html`"),
        (many.build(), "it has 4 entries, 3 are allowed"),
        (bloated.build(), "it unpacks to more than 1048576 bytes"),
    ] {
        let told = told(upload(&test, &dev, "1.0", &archive).await);
        assert!(
            told.starts_with("invalid: invalid documentation: "),
            "{told}"
        );
        assert!(told.contains(reason), "{told} lacks {reason}");
    }
    assert_eq!(test.head().await, head);
    assert_eq!(test.blob_count().await, 1);
    assert_eq!(
        page(&test, &bob, &dev, "1.0", "").await.unwrap(),
        "1.0 <h1>good</h1>"
    );
}

#[tokio::test]
async fn a_directory_that_would_fill_the_memory_for_directories_is_refused() {
    let settings = Settings {
        publish: PublishLimits {
            max_file_bytes: 64 << 20,
            ..PublishLimits::for_testing()
        },
        ..settings()
    };
    let test = TestApp::with(settings).await;
    let (_, dev) = bob_and_dev(&test).await;
    let pages = |count: usize| {
        let name = "x".repeat(65_000);
        let pages = (0..count).fold(DocumentationArchive::new(), |archive, number| {
            archive.page(&format!("{name}{number}"), b"")
        });
        pages.build()
    };
    upload(&test, &dev, "1.0", &pages(250)).await.unwrap();
    assert_eq!(
        told(upload(&test, &dev, "2.0", &pages(260)).await),
        "invalid: invalid documentation: it has too many pages with too long names"
    );
}

#[tokio::test]
async fn forms_are_judged_before_the_archive() {
    let test = TestApp::start().await;
    let (bob, dev) = bob_and_dev(&test).await;
    let archive = DocumentationArchive::saying("x").build();
    let content = || Some(("x.zip", archive.clone()));
    for (fields, content, expected) in [
        (
            vec![("name", "pkg"), ("version", "1.0")],
            None,
            "invalid: content file field not found",
        ),
        (
            vec![("version", "1.0")],
            content(),
            "invalid: invalid metadata: Missing required field \"name\"",
        ),
        (
            vec![("name", "pkg"), ("version", "1/0")],
            content(),
            "invalid: invalid metadata: Invalid package name or version (URL safety)",
        ),
        (
            vec![("name", "pkg"), ("version", "1.0"), ("sha256_digest", "ab")],
            content(),
            "invalid: the file's sha256 digest is",
        ),
    ] {
        let fields: Vec<_> = [(":action", "doc_upload")]
            .into_iter()
            .chain(fields)
            .collect();
        let told = told(test.send(&bob, &dev, &fields, content).await);
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!(
        told(test.send(&anonymous(), &dev, &[], None).await),
        "unauthenticated: no permission to submit"
    );
}

#[tokio::test]
async fn documentation_leaves_the_pages_of_installers_as_they_are() {
    let test = TestApp::start().await;
    let (bob, dev) = bob_and_dev(&test).await;
    let wheel = Wheel::named("My.Pkg").version("1.0").build();
    test.upload(&bob, &dev, &wheel).await.unwrap();
    test.page(&bob, &dev, "my-pkg").await.unwrap();
    let options = cheeseshop_app::pages::PageOptions {
        representation: cheeseshop_app::pages::Representation::Json,
        encoding: cheeseshop_app::pages::Encoding::Identity,
        absolute_base: None,
    };
    let cached = || {
        test.app
            .cached_project_page(&bob, "bob", "dev", "my-pkg", &options)
            .is_some()
    };
    assert!(cached());
    upload(
        &test,
        &dev,
        "1.0",
        &DocumentationArchive::saying("a").build(),
    )
    .await
    .unwrap();
    assert!(cached(), "nothing on the page has changed");
    // The form carries metadata, whose change is another matter.
    let fields = [
        (":action", "submit"),
        ("name", "my-pkg"),
        ("version", "1.0"),
    ];
    test.send(&bob, &dev, &fields, None).await.unwrap();
    assert!(!cached());
}
