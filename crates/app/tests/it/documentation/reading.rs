//! Which pages there are, and for whom.

use bytes::Bytes;
use cheeseshop_app::Scope;
use cheeseshop_app::documentation::{DocumentationPath, WantedVersion};
use cheeseshop_app::files::Purpose;
use cheeseshop_app::publish::Published;
use cheeseshop_test_support::{DocumentationArchive, Sdist, noise};
use futures_util::TryStreamExt as _;
use serde_json::json;

use super::{bob_and_dev, page, path, upload};
use crate::support::{TestApp, anonymous, project, told};

#[tokio::test]
async fn documentation_is_kept_for_its_version_and_read_page_by_page() {
    for test in TestApp::on_each_database().await {
        let (bob, dev) = bob_and_dev(&test).await;
        let large = "0123456789abcdef".repeat(50_000);
        let archive = DocumentationArchive::new()
            .page("index.html", b"<h1>Hello</h1>")
            .page("api/index.html", b"api")
            .page("api/module.html", b"")
            .page("searchindex.js", large.as_bytes())
            .build();
        let head = test.head().await;
        assert_eq!(
            upload(&test, &dev, "1.0", &archive).await.unwrap(),
            Published::Created
        );
        assert_eq!(
            test.events_since(head).await,
            [
                "project_created bob/dev/my-pkg",
                "release_created bob/dev/my-pkg",
                "documentation_published bob/dev/my-pkg",
            ]
        );
        for (name, expected) in [
            ("index.html", "1.0 <h1>Hello</h1>".to_owned()),
            ("", "1.0 <h1>Hello</h1>".to_owned()),
            ("api/", "1.0 api".to_owned()),
            ("api", "folder".to_owned()),
            ("api/module.html", "1.0 ".to_owned()),
            ("searchindex.js", format!("1.0 {large}")),
        ] {
            let told = page(&test, &bob, &dev, "1.0", name).await.unwrap();
            assert!(told == expected, "{name}: {}", told.len());
        }
        for absent in [
            "index.htm",
            "api/index.html/",
            "../index.html",
            "/index.html",
        ] {
            assert_eq!(
                told(page(&test, &bob, &dev, "1.0", absent).await),
                format!("not found: File {absent} not found in documentation.")
            );
        }
        for (version, text) in [
            ("2.0", "not found: No documentation available."),
            ("latest", "ok"),
            ("stable", "ok"),
        ] {
            assert_eq!(told(page(&test, &bob, &dev, version, "").await), text);
        }

        // The release's document links to the archive, which is a file like others.
        let release = test
            .app
            .release(&bob, &dev, &project("my-pkg"), "1.0", Scope::WithBases)
            .await
            .unwrap();
        assert_eq!(release.metadata["name"], "My.Pkg");
        let [link] = &release.links[..] else {
            panic!("{:?}", release.links);
        };
        assert_eq!((link.rel, &link.path), ("doczip", &path(&archive, "1.0")));
        assert_eq!(link.log.as_ref().unwrap().len(), 1);
        let file = test
            .app
            .open_file(&bob, &dev, &link.path, Purpose::Read)
            .await
            .unwrap();
        let bytes: Vec<Bytes> = file.read_all().try_collect().await.unwrap();
        assert_eq!(bytes.concat(), archive);
        let description = test
            .app
            .describe_file(&bob, &dev, &link.path)
            .await
            .unwrap();
        assert_eq!(
            (description.project.as_str(), description.version.as_str()),
            ("my-pkg", "1.0")
        );
        let metadata = test.app.open_core_metadata(&bob, &dev, &link.path).await;
        assert!(told(metadata).starts_with("not found: no metadata found in"));
    }
}

#[tokio::test]
async fn pages_come_out_of_an_archive_in_a_bucket_as_well() {
    let test = TestApp::on_s3().await;
    let (bob, dev) = bob_and_dev(&test).await;
    // Neither the directory nor this page comes with the first request.
    let noise = noise(700_000);
    let archive = (0..2_000)
        .fold(DocumentationArchive::new(), |archive, number| {
            archive.page(&format!("api/module_{number}.html"), b"<p>module</p>")
        })
        .page("video.mp4", &noise)
        .page("index.html", b"last")
        .build();
    upload(&test, &dev, "1.0", &archive).await.unwrap();
    for (name, expected) in [
        ("index.html", &b"last"[..]),
        ("api/module_1234.html", b"<p>module</p>"),
        ("video.mp4", &noise),
    ] {
        let found = test
            .app
            .documentation(&bob, &dev, &project("my-pkg"), &WantedVersion::Latest)
            .await
            .unwrap();
        let DocumentationPath::Page(page) =
            test.app.open_documentation(&found, name).await.unwrap()
        else {
            panic!("{name} is a page");
        };
        let bytes: Vec<Bytes> = page.read().try_collect().await.unwrap();
        assert!(bytes.concat() == expected, "{name}");
    }
}

#[tokio::test]
async fn latest_and_stable_are_the_newest_that_have_documentation() {
    let test = TestApp::start().await;
    let (bob, dev) = bob_and_dev(&test).await;
    upload(
        &test,
        &dev,
        "2.0rc1",
        &DocumentationArchive::saying("rc").build(),
    )
    .await
    .unwrap();
    assert_eq!(
        told(page(&test, &bob, &dev, "stable", "").await),
        "not found: No stable documentation available."
    );
    for version in ["1.9", "1.10"] {
        let archive = DocumentationArchive::saying(version).build();
        upload(&test, &dev, version, &archive).await.unwrap();
    }
    // Newer, and without documentation.
    let sdist = Sdist::named("my-pkg").version("3.0").build();
    test.upload(&bob, &dev, &sdist).await.unwrap();
    for (version, expected) in [
        ("latest", "2.0rc1 <h1>rc</h1>"),
        ("stable", "1.10 <h1>1.10</h1>"),
    ] {
        let told = page(&test, &bob, &dev, version, "").await.unwrap();
        assert_eq!(told, expected);
    }
    let versions = test
        .app
        .documented_versions(&bob, &dev, &project("my-pkg"))
        .await
        .unwrap();
    let versions: Vec<_> = versions.iter().map(ToString::to_string).collect();
    assert_eq!(versions, ["2.0rc1", "1.10", "1.9"]);
}

#[tokio::test]
async fn documentation_is_inherited_and_hidden_like_files() {
    let test = TestApp::start().await;
    let (bob, base) = bob_and_dev(&test).await;
    let secret = test
        .index(
            "bob/secret",
            json!({"acl_read": ["bob"], "bases": ["bob/dev"]}),
        )
        .await;
    upload(
        &test,
        &base,
        "1.0",
        &DocumentationArchive::saying("base").build(),
    )
    .await
    .unwrap();
    upload(
        &test,
        &secret,
        "2.0",
        &DocumentationArchive::saying("secret").build(),
    )
    .await
    .unwrap();
    for (version, expected) in [
        ("1.0", "1.0 <h1>base</h1>"),
        ("latest", "2.0 <h1>secret</h1>"),
    ] {
        assert_eq!(
            page(&test, &bob, &secret, version, "").await.unwrap(),
            expected
        );
    }
    let eve = test.user("eve").await;
    assert_eq!(
        told(page(&test, &eve, &secret, "2.0", "").await),
        "not found: The stage bob/secret could not be found."
    );
    let open = test
        .index("bob/open", json!({"bases": ["bob/secret"]}))
        .await;
    assert_eq!(
        page(&test, &eve, &open, "latest", "").await.unwrap(),
        "1.0 <h1>base</h1>"
    );
    assert_eq!(
        told(page(&test, &eve, &open, "2.0", "").await),
        "not found: No documentation available."
    );
    assert_eq!(
        told(page(&test, &anonymous(), &open, "2.0", "").await),
        "unauthenticated: the documentation may need a login"
    );
}
