//! What is refused leaves nothing behind.

use bytes::Bytes;
use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_domain::Serial;
use cheeseshop_storage::database::inventory;
use cheeseshop_test_support::{Sdist, SdistDefect, Wheel, WheelDefect};
use md5::{Digest as _, Md5};
use serde_json::json;

use crate::support::{TestApp, anonymous, caller, index, root, settings, told};

#[tokio::test]
async fn who_may_upload() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.user("eve").await;
    let open = test.index("bob/open", json!({})).await;
    let secret = test.index("bob/secret", json!({"acl_read": ["bob"]})).await;
    let drop_box = test
        .index(
            "bob/box",
            json!({"acl_read": ["bob"], "acl_upload": ["eve"]}),
        )
        .await;
    let everyone = test
        .index("bob/any", json!({"acl_upload": [":ANONYMOUS:"]}))
        .await;
    let mirror = test
        .index(
            "root/up",
            json!({"type": "mirror", "mirror_url": "http://localhost:9/"}),
        )
        .await;
    let nowhere = index("bob/none");
    let file = Wheel::named("mypkg").build();
    let (bob, eve) = (caller("bob"), caller("eve"));
    let login = "unauthenticated: no permission to submit";
    let denied = "forbidden: no permission to submit";
    let hidden = "unauthenticated: reading index bob/secret needs a login";
    for (caller, target, expected) in [
        (&bob, &open, "ok"),
        (&eve, &open, denied),
        (&root(), &open, denied), // acl_upload is the only list that counts
        (&anonymous(), &open, login),
        (&bob, &secret, "ok"),
        (
            &eve,
            &secret,
            "not found: The stage bob/secret could not be found.",
        ),
        (&anonymous(), &secret, hidden),
        (&eve, &drop_box, "ok"), // without reading
        (&bob, &drop_box, denied),
        (&anonymous(), &everyone, "ok"),
        (&root(), &mirror, "not found: cannot submit to mirror index"),
        (
            &anonymous(),
            &mirror,
            "not found: cannot submit to mirror index",
        ),
        (
            &bob,
            &nowhere,
            "not found: The stage bob/none could not be found.",
        ),
        (
            &anonymous(),
            &nowhere,
            "not found: The stage bob/none could not be found.",
        ),
    ] {
        let answer = test.upload(caller, target, &file).await;
        assert_eq!(told(answer), expected, "{caller:?} {target}");
    }
}

#[tokio::test]
async fn forms_that_make_no_sense_are_refused_with_the_words_of_devpi() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").build();
    let name = ("name", "mypkg");
    let version = ("version", "1.0");
    let upload = (":action", "file_upload");
    let content = Some((wheel.name.as_str(), wheel.bytes.clone()));
    let renamed = |name| Some((name, wheel.bytes.clone()));
    for (fields, content, expected) in [
        (
            vec![name, version],
            content.clone(),
            "the form has no `:action` field",
        ),
        (
            vec![(":action", "foo"), name, version],
            content.clone(),
            "action 'foo' not supported",
        ),
        (
            vec![upload, name, version],
            None,
            "content file field not found",
        ),
        (
            vec![upload, name, ("version", "2.0")],
            content.clone(),
            "filename 'mypkg-1.0-py3-none-any.whl' does not contain version '2.0'",
        ),
        (
            vec![upload, name, version],
            renamed("mypkg-1.0.tar.xz"),
            "'mypkg-1.0.tar.xz' is not a valid archive name",
        ),
        (
            vec![upload, ("name", "other"), version],
            content.clone(),
            "filename 'mypkg-1.0-py3-none-any.whl' does not match project name 'other'",
        ),
        (
            vec![upload, version],
            content.clone(),
            "invalid metadata: Missing required field \"name\"",
        ),
        (
            vec![upload, name],
            content.clone(),
            "invalid metadata: Missing required field \"version\"",
        ),
        (
            vec![upload, ("name", "my pkg"), version],
            content.clone(),
            "invalid metadata: Invalid package name. Names must contain only ASCII letters, digits, underscores, hyphens, and periods",
        ),
        (
            vec![upload, name, version],
            renamed("../mypkg-1.0.zip"),
            "the file name is not usable: it starts with a dot",
        ),
        (
            vec![upload, name, version],
            renamed("mypkg-1.0/../../x.zip"),
            "the file name is not usable: it contains a path separator",
        ),
        (
            vec![(":action", "submit"), version],
            None,
            "invalid metadata: Missing required field \"name\"",
        ),
        (
            vec![(":action", "doc_upload"), name],
            content,
            "doczip has no version and 'mypkg' has no releases to derive one from",
        ),
    ] {
        let head = test.head().await;
        let answer = test.send(&root(), &dev, &fields, content).await;
        assert_eq!(told(answer), format!("invalid: {expected}"));
        assert_eq!(test.head().await, head);
    }
    nothing_is_left(&test).await;
}

#[tokio::test]
async fn digests_in_the_form_are_checked_against_the_bytes() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let sdist = Sdist::named("mypkg").build();
    let md5 = hex(&Md5::digest(&sdist.bytes));
    let blake2 = {
        use blake2::{Blake2b, digest::consts::U32};
        let digest = Blake2b::<U32>::digest(&sdist.bytes);
        hex(&digest)
    };
    let wrong = "0".repeat(64);
    let fields = |digests: &[(&'static str, &str)]| {
        let mut fields = vec![
            (":action", "file_upload".to_owned()),
            ("name", "mypkg".to_owned()),
            ("version", "1.0".to_owned()),
        ];
        fields.extend(
            digests
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        fields
    };
    let send = async |fields: Vec<(&'static str, String)>| {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        told(
            test.send(
                &root(),
                &dev,
                &fields,
                Some((&sdist.name, sdist.bytes.clone())),
            )
            .await,
        )
    };
    let digests = [
        ("sha256_digest", "sha256", sdist.sha256.as_str()),
        ("md5_digest", "md5", md5.as_str()),
        ("blake2_256_digest", "blake2_256", blake2.as_str()),
    ];
    for (field, algorithm, right) in digests {
        assert_eq!(
            send(fields(&[(field, &wrong)])).await,
            format!("invalid: the file's {algorithm} digest is {right}, but the form says {wrong}")
        );
    }
    nothing_is_left(&test).await;
    let all = [
        ("sha256_digest", sdist.sha256.as_str()),
        ("md5_digest", md5.as_str()),
        ("blake2_256_digest", blake2.as_str()),
    ];
    assert_eq!(send(fields(&all)).await, "ok");
    for (field, algorithm, right) in digests {
        assert_eq!(
            send(fields(&[(field, &wrong)])).await,
            format!("invalid: the file's {algorithm} digest is {right}, but the form says {wrong}"),
            "bytes that are held already"
        );
    }
    assert_eq!(send(fields(&all)).await, "ok");
}

#[tokio::test]
async fn archives_that_are_not_what_they_say_are_refused() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let wheel = |defect| Wheel::named("mypkg").defect(defect).build();
    let sdist = |defect| Sdist::named("mypkg").defect(defect).build();
    for (what, file) in [
        ("unlisted entry", wheel(WheelDefect::UnlistedEntry)),
        ("missing entry", wheel(WheelDefect::ListedButMissing)),
        ("no RECORD", wheel(WheelDefect::MissingRecord)),
        ("no METADATA", wheel(WheelDefect::MissingMetadata)),
        ("duplicate entry", wheel(WheelDefect::DuplicateEntry)),
        ("traversal", wheel(WheelDefect::TraversalPath)),
        ("absolute path", wheel(WheelDefect::AbsolutePath)),
        ("headers differ", wheel(WheelDefect::LocalHeaderMismatch)),
        (
            "another name inside",
            wheel(WheelDefect::NameInside("other".to_owned())),
        ),
        (
            "another version inside",
            wheel(WheelDefect::VersionInside("2.0".to_owned())),
        ),
        ("truncated", wheel(WheelDefect::Truncated)),
        ("trailing data", wheel(WheelDefect::TrailingData)),
        ("no archive", wheel(WheelDefect::NotAnArchive)),
        ("bomb", wheel(WheelDefect::Bomb(500 << 20))),
        ("traversal", sdist(SdistDefect::TraversalPath)),
        (
            "another name inside",
            sdist(SdistDefect::NameInside("other".to_owned())),
        ),
        (
            "another version inside",
            sdist(SdistDefect::VersionInside("2.0".to_owned())),
        ),
        ("truncated", sdist(SdistDefect::Truncated)),
        ("no archive", sdist(SdistDefect::NotAnArchive)),
    ] {
        let told = told(test.upload(&root(), &dev, &file).await);
        let expected = format!("invalid: invalid file `{}`: ", file.name);
        assert!(told.starts_with(&expected), "{what}: {told}");
    }
    nothing_is_left(&test).await;
}

#[tokio::test]
async fn too_much_is_refused_and_leaves_nothing() {
    let mut settings = settings();
    settings.publish.max_file_bytes = 1000;
    settings.publish.max_form_bytes = 2000;
    let test = TestApp::with(settings).await;
    let dev = test.index("root/dev", json!({})).await;
    let fields = [
        (":action", "file_upload"),
        ("name", "mypkg"),
        ("version", "1.0"),
    ];
    let content = |size| Some(("mypkg-1.0.egg", Bytes::from(vec![b'x'; size])));
    assert_eq!(
        told(test.send(&root(), &dev, &fields, content(1001)).await),
        "too large: the file is larger than 1000 bytes"
    );
    let long = "x".repeat(2000);
    let long = [("description", long.as_str())];
    assert_eq!(
        told(test.send(&root(), &dev, &long, None).await),
        "too large: the form's fields are longer than 2000 bytes"
    );
    nothing_is_left(&test).await;
    assert_eq!(
        told(test.send(&root(), &dev, &fields, content(1000)).await),
        "ok"
    );
}

#[tokio::test]
async fn an_index_that_goes_or_changes_during_an_upload_refuses_it() {
    let test = TestApp::start().await;
    let bob = test.user("bob").await;
    let dev = test.index("bob/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").build();
    let begin = async || {
        let mut upload = test.app.start_upload(&bob, &dev).await.unwrap();
        for (name, value) in [
            (":action", "file_upload"),
            ("name", "mypkg"),
            ("version", "1.0"),
        ] {
            upload.push_field(name, value).unwrap();
        }
        upload.start_content(&wheel.name).await.unwrap();
        upload.write(wheel.bytes.clone()).await.unwrap();
        upload
    };
    let upload = begin().await;
    let closed = IndexPatch::Operations(vec!["acl_upload=eve".to_owned()]);
    test.app
        .update_index(&bob, &dev, &closed, NoChange::default())
        .await
        .unwrap();
    assert_eq!(
        told(upload.finish().await),
        "forbidden: no permission to submit"
    );

    let open = IndexPatch::Operations(vec!["acl_upload=bob".to_owned()]);
    test.app
        .update_index(&bob, &dev, &open, NoChange::default())
        .await
        .unwrap();
    let upload = begin().await;
    test.app.remove_index(&bob, &dev).await.unwrap();
    test.index("bob/dev", json!({})).await;
    assert_eq!(
        told(upload.finish().await),
        "not found: The stage bob/dev could not be found."
    );
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let mut upload = test.app.start_upload(&root(), &dev).await.unwrap();
    upload.start_content("mypkg-1.0.zip").await.unwrap();
    upload
        .write(Bytes::from(vec![b'x'; 1 << 20]))
        .await
        .unwrap();
    drop(upload);
    nothing_is_left(&test).await;
}

fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// No blob after garbage collection, no row of a blob, and no project: as if nothing had been.
async fn nothing_is_left(test: &TestApp) {
    assert_eq!(
        test.events_since(Serial(2)).await,
        [] as [&str; 0],
        "only root and the index"
    );
    test.collect_garbage().await;
    assert_eq!(test.blob_count().await, 0);
    let mut reader = test.database.reader().await.unwrap();
    let blobs = inventory::list_blobs(&mut reader, 1, None).await.unwrap();
    assert_eq!(blobs, []);
}

#[tokio::test]
async fn a_requirement_that_no_page_can_hold_is_refused() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({})).await;
        let wheel = Wheel::named("mypkg").requires_python(">=3.9\0").build();
        let refused = test.upload(&root(), &dev, &wheel).await;
        assert!(told(refused).starts_with("invalid: "));
        let fields = [
            (":action", "file_upload"),
            ("name", "mypkg"),
            ("version", "1.0"),
            ("requires_python", ">=3.9\0"),
        ];
        let content = Some(("mypkg-1.0.win32.exe", Bytes::from_static(b"MZ")));
        let refused = test.send(&root(), &dev, &fields, content).await;
        assert!(told(refused).starts_with("invalid: "));
    }
}
