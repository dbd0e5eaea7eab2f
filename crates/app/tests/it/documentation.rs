//! Documentation: taking it in, and reading its pages.

use bytes::Bytes;
use cheeseshop_app::documentation::{DocumentationPath, WantedVersion};
use cheeseshop_app::files::Purpose;
use cheeseshop_app::publish::{PublishLimits, Published, Uploaded};
use cheeseshop_app::removal::Force;
use cheeseshop_app::{Error, Scope, Settings};
use cheeseshop_domain::{Caller, FilePath, IndexName};
use cheeseshop_packaging::{FileName, Sha256};
use cheeseshop_test_support::{DocumentationArchive, Sdist, Wheel};
use futures_util::TryStreamExt as _;
use serde_json::json;
use sha2::Digest as _;

use crate::support::{TestApp, anonymous, caller, project, settings, told};

/// Sends documentation as devpi's client does.
async fn upload(
    test: &TestApp,
    index: &IndexName,
    version: &str,
    archive: &Bytes,
) -> Result<Published, Error> {
    let fields = [
        (":action", "doc_upload"),
        ("name", "My.Pkg"),
        ("version", version),
    ];
    let fields: Vec<_> = fields
        .into_iter()
        .filter(|field| !field.1.is_empty())
        .collect();
    let content = Some(("whatever.zip", archive.clone()));
    match test.send(&caller("bob"), index, &fields, content).await? {
        Uploaded::Documentation(published) => Ok(published),
        other => panic!("{other:?}"),
    }
}

fn path(archive: &Bytes, version: &str) -> FilePath {
    let sha256 = Sha256(sha2::Sha256::digest(archive).into());
    let name = format!("my-pkg-{version}.doc.zip");
    FilePath::of_sha256(&sha256, FileName::parse(&name).unwrap())
}

/// What a page says, with the version that it is of.
async fn page(
    test: &TestApp,
    caller: &Caller,
    index: &IndexName,
    version: &str,
    page: &str,
) -> Result<String, Error> {
    let wanted = WantedVersion::parse(version);
    let found = test
        .app
        .documentation(caller, index, &project("my-pkg"), &wanted)
        .await?;
    Ok(match test.app.open_documentation(&found, page).await? {
        DocumentationPath::Folder => "folder".to_owned(),
        DocumentationPath::Page(page) => {
            let bytes: Vec<Bytes> = page.read().try_collect().await.unwrap();
            let bytes = bytes.concat();
            assert_eq!(bytes.len() as u64, page.size);
            format!("{} {}", found.version, String::from_utf8_lossy(&bytes))
        }
    })
}

async fn bob_and_dev(test: &TestApp) -> (Caller, IndexName) {
    let bob = test.user("bob").await;
    (bob, test.index("bob/dev", json!({})).await)
}

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
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..700_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .collect();
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
