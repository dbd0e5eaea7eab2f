//! Uploads: what is taken, what is refused, and what either leaves behind.

use bytes::Bytes;
use cheeseshop_app::files::Purpose;
use cheeseshop_app::publish::{Published, Uploaded};
use cheeseshop_app::Scope;
use cheeseshop_domain::{Caller, FilePath, LogAction, Serial};
use cheeseshop_packaging::{FileName, Sha256};
use cheeseshop_storage::database::blobs;
use cheeseshop_test_support::{BuiltFile, Sdist, SdistDefect, Wheel, WheelDefect};
use futures_util::TryStreamExt as _;
use jiff::SignedDuration;
use md5::{Digest as _, Md5};
use serde_json::json;

use crate::support::{
    TestApp, anonymous, caller, index, project, root, send, settings, told, upload,
};

fn path_of(file: &BuiltFile) -> FilePath {
    let sha256: Sha256 = file.sha256.parse().unwrap();
    FilePath::of_sha256(&sha256, FileName::parse(&file.name).unwrap())
}

async fn bytes_of(
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
        let wheel = Wheel::named("My.Pkg").version("1.0").requires_python(">=3.9").build();
        let head = test.head().await;
        assert_eq!(test.upload(&bob, &dev, &wheel).await.unwrap(), Published::Created);
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
        assert_eq!(bytes_of(&test, &anonymous(), "bob/dev", &path).await.unwrap(), wheel.bytes);
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
    let dev = test.index("root/dev", json!({"acl_upload": ["root"]})).await;
    let wheel = Wheel::named("mypkg").build();
    let mut upload = test.app.start_upload(&root(), &dev).await.unwrap();
    upload.start_content(&wheel.name).await.unwrap();
    upload.write(wheel.bytes.clone()).await.unwrap();
    for (name, value) in [(":action", "file_upload"), ("name", "mypkg"), ("version", "1.0")] {
        upload.push_field(name, value).unwrap();
    }
    let uploaded = upload.finish().await.unwrap();
    assert_eq!(uploaded, Uploaded::File(Published::Created));
}

#[tokio::test]
async fn who_may_upload() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.user("eve").await;
    let open = test.index("bob/open", json!({})).await;
    let secret = test.index("bob/secret", json!({"acl_read": ["bob"]})).await;
    let drop_box = test.index("bob/box", json!({"acl_read": ["bob"], "acl_upload": ["eve"]})).await;
    let everyone = test.index("bob/any", json!({"acl_upload": [":ANONYMOUS:"]})).await;
    let mirror = test.index("root/up", json!({"type": "mirror", "mirror_url": "http://localhost:9/"})).await;
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
        (&eve, &secret, "not found: The stage bob/secret could not be found."),
        (&anonymous(), &secret, hidden),
        (&eve, &drop_box, "ok"), // without reading
        (&bob, &drop_box, denied),
        (&anonymous(), &everyone, "ok"),
        (&root(), &mirror, "not found: cannot submit to mirror index"),
        (&anonymous(), &mirror, "not found: cannot submit to mirror index"),
        (&bob, &nowhere, "not found: The stage bob/none could not be found."),
        (&anonymous(), &nowhere, "not found: The stage bob/none could not be found."),
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
        (vec![name, version], content.clone(), "the form has no `:action` field"),
        (vec![(":action", "foo"), name, version], content.clone(), "action 'foo' not supported"),
        (vec![upload, name, version], None, "content file field not found"),
        (vec![upload, name, ("version", "2.0")], content.clone(), "filename 'mypkg-1.0-py3-none-any.whl' does not contain version '2.0'"),
        (vec![upload, name, version], renamed("mypkg-1.0.tar.xz"), "'mypkg-1.0.tar.xz' is not a valid archive name"),
        (vec![upload, ("name", "other"), version], content.clone(), "filename 'mypkg-1.0-py3-none-any.whl' does not match project name 'other'"),
        (vec![upload, version], content.clone(), "invalid metadata: Missing required field \"name\""),
        (vec![upload, name], content.clone(), "invalid metadata: Missing required field \"version\""),
        (vec![upload, ("name", "my pkg"), version], content.clone(), "invalid metadata: Invalid package name. Names must contain only ASCII letters, digits, underscores, hyphens, and periods"),
        (vec![upload, name, version], renamed("../mypkg-1.0.zip"), "the file name is not usable: it starts with a dot"),
        (vec![upload, name, version], renamed("mypkg-1.0/../../x.zip"), "the file name is not usable: it contains a path separator"),
        (vec![(":action", "submit"), version], None, "invalid metadata: Missing required field \"name\""),
        (vec![(":action", "doc_upload"), name], content, "action 'doc_upload' not supported: this server does not take documentation yet"),
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
    let md5: String = Md5::digest(&sdist.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let blake2 = {
        use blake2::{Blake2b, digest::consts::U32};
        let digest = Blake2b::<U32>::digest(&sdist.bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let wrong = "0".repeat(64);
    let fields = |digests: &[(&'static str, &str)]| {
        let mut fields = vec![(":action", "file_upload".to_owned()), ("name", "mypkg".to_owned()), ("version", "1.0".to_owned())];
        fields.extend(digests.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields
    };
    let send = async |fields: Vec<(&'static str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        told(test.send(&root(), &dev, &fields, Some((&sdist.name, sdist.bytes.clone()))).await)
    };
    for (field, algorithm, right) in [
        ("sha256_digest", "sha256", sdist.sha256.as_str()),
        ("md5_digest", "md5", md5.as_str()),
        ("blake2_256_digest", "blake2_256", blake2.as_str()),
    ] {
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
        ("another name inside", wheel(WheelDefect::NameInside("other".to_owned()))),
        ("another version inside", wheel(WheelDefect::VersionInside("2.0".to_owned()))),
        ("truncated", wheel(WheelDefect::Truncated)),
        ("trailing data", wheel(WheelDefect::TrailingData)),
        ("no archive", wheel(WheelDefect::NotAnArchive)),
        ("bomb", wheel(WheelDefect::Bomb(500 << 20))),
        ("traversal", sdist(SdistDefect::TraversalPath)),
        ("another name inside", sdist(SdistDefect::NameInside("other".to_owned()))),
        ("another version inside", sdist(SdistDefect::VersionInside("2.0".to_owned()))),
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
async fn old_formats_and_old_sdists_are_taken_as_they_are() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    for name in ["mypkg-1.0-py2.7.egg", "mypkg-1.0.win32.exe", "mypkg-1.0-1.noarch.rpm"] {
        let fields = [(":action", "file_upload"), ("name", "mypkg"), ("version", "1.0")];
        let content = Some((name, Bytes::from_static(b"no archive that we know")));
        assert_eq!(told(test.send(&root(), &dev, &fields, content).await), "ok", "{name}");
    }
    let sdist = Sdist::named("mypkg").defect(SdistDefect::MissingPkgInfo).build();
    assert_eq!(told(test.upload(&root(), &dev, &sdist).await), "ok");
}

#[tokio::test]
async fn archives_need_not_be_verified_where_the_operator_says_so() {
    let mut settings = settings();
    settings.publish.verify_archives = false;
    let test = TestApp::with(settings).await;
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").defect(WheelDefect::UnlistedEntry).build();
    assert_eq!(told(test.upload(&root(), &dev, &wheel).await), "ok");
}

#[tokio::test]
async fn too_much_is_refused_and_leaves_nothing() {
    let mut settings = settings();
    settings.publish.max_file_bytes = 1000;
    settings.publish.max_form_bytes = 2000;
    let test = TestApp::with(settings).await;
    let dev = test.index("root/dev", json!({})).await;
    let fields = [(":action", "file_upload"), ("name", "mypkg"), ("version", "1.0")];
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
    assert_eq!(told(test.send(&root(), &dev, &fields, content(1000)).await), "ok");
}

#[tokio::test]
async fn the_same_bytes_again_change_nothing() {
    for (volatile, test) in [(true, TestApp::start().await), (false, TestApp::start().await)] {
        let dev = test.index("root/dev", json!({"volatile": volatile})).await;
        let wheel = Wheel::named("mypkg").build();
        test.upload(&root(), &dev, &wheel).await.unwrap();
        let head = test.head().await;
        test.clock.advance(SignedDuration::from_secs(60));
        let again = test.upload(&root(), &dev, &wheel).await.unwrap();
        assert_eq!(again, Published::Identical);
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
        assert_eq!(test.upload(&root(), &dev, file).await.unwrap(), Published::Replaced);
        assert_eq!(test.events_since(head).await, ["file_replaced root/dev/mypkg"]);
    }
    let release = test
        .app
        .release(&root(), &dev, &project("mypkg"), "1.0", Scope::WithBases)
        .await
        .unwrap();
    let log = release.links[0].log.clone().unwrap();
    let steps: Vec<(LogAction, Option<u32>)> = log.iter().map(|entry| (entry.what, entry.count)).collect();
    assert_eq!(steps, [(LogAction::Overwrite, Some(2)), (LogAction::Upload, None)]);

    assert_eq!(test.files(&root(), &dev, "mypkg").await, [third.name.clone()]);
    assert_eq!(
        told(bytes_of(&test, &root(), "root/dev", &path_of(&first)).await),
        "gone: file existed, deleted in later serial"
    );
    let served = bytes_of(&test, &root(), "root/dev", &path_of(&third)).await.unwrap();
    assert_eq!(served, third.bytes);
    // What was replaced is garbage: two wheels and their core metadata.
    assert_eq!(test.collect_garbage().await.removed, 4);
    let served = bytes_of(&test, &root(), "root/dev", &path_of(&third)).await.unwrap();
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
    let served = bytes_of(&test, &root(), "root/dev", &path_of(&first)).await.unwrap();
    assert_eq!(served, first.bytes);
    // New files of the same release are welcome.
    let sdist = Sdist::named("mypkg").build();
    assert_eq!(test.upload(&root(), &dev, &sdist).await.unwrap(), Published::Created);
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
    let submit = form("submit", &[("summary", "S"), ("author", "A"), ("classifiers", "x"), ("classifiers", "y")]);
    let head = test.head().await;
    assert_eq!(test.send(&root(), &dev, &submit, None).await.unwrap(), Uploaded::Metadata);
    assert_eq!(
        test.events_since(head).await,
        ["project_created root/dev/mypkg", "release_created root/dev/mypkg"]
    );
    let stored = metadata().await;
    assert_eq!((&stored["summary"], &stored["classifiers"]), (&json!("S"), &json!(["x", "y"])));
    assert_eq!(stored.keys().take(3).collect::<Vec<_>>(), ["name", "version", "metadata_version"]);

    let sdist = Sdist::named("mypkg").build();
    let upload = form("file_upload", &[("summary", "S2")]);
    let content = Some((sdist.name.as_str(), sdist.bytes.clone()));
    let head = test.head().await;
    test.send(&root(), &dev, &upload, content).await.unwrap();
    assert_eq!(
        test.events_since(head).await,
        ["metadata_updated root/dev/mypkg", "file_published root/dev/mypkg"]
    );
    let stored = metadata().await;
    assert_eq!((&stored["summary"], &stored["author"]), (&json!("S2"), &json!("A")));

    test.send(&root(), &dev, &form("submit", &[("summary", "S3")]), None).await.unwrap();
    let stored = metadata().await;
    assert_eq!((&stored["summary"], &stored["author"]), (&json!("S3"), &json!("")));
    assert_eq!(test.files(&root(), &dev, "mypkg").await.len(), 1);

    let head = test.head().await;
    test.send(&root(), &dev, &form("submit", &[("summary", "S3")]), None).await.unwrap();
    assert_eq!(test.head().await, head, "the same again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_at_once_all_arrive() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({"volatile": false})).await;
        let files: Vec<BuiltFile> = (0..32)
            .map(|number| Wheel::named("mypkg").version(&format!("1.{number}")).build())
            .collect();
        let uploads = files.iter().map(|file| {
            let (app, dev, file) = (test.app.clone(), dev.clone(), file.clone());
            tokio::spawn(async move { upload(&app, &root(), &dev, &file).await })
        });
        for answer in futures_util::future::join_all(uploads).await {
            assert_eq!(answer.unwrap().unwrap(), Published::Created);
        }
        assert_eq!(test.files(&root(), &dev, "mypkg").await.len(), 32);
        for file in &files {
            let served = bytes_of(&test, &root(), "root/dev", &path_of(file)).await.unwrap();
            assert_eq!(served, file.bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_files_of_one_name_exactly_one_wins() {
    for test in TestApp::on_each_database().await {
        let dev = test.index("root/dev", json!({"volatile": false})).await;
        let files: Vec<BuiltFile> = (0..8)
            .map(|number| Wheel::named("mypkg").summary(&format!("attempt {number}")).build())
            .collect();
        let uploads = files.iter().map(|file| {
            let (app, dev, file) = (test.app.clone(), dev.clone(), file.clone());
            tokio::spawn(async move { (upload(&app, &root(), &dev, &file).await, file) })
        });
        let mut winner = None;
        for answer in futures_util::future::join_all(uploads).await {
            match answer.unwrap() {
                (Ok(Published::Created), file) => {
                    assert!(winner.replace(file).is_none(), "two won");
                }
                (answer, _) => assert_eq!(
                    told(answer),
                    "conflict: mypkg-1.0-py3-none-any.whl already exists in non-volatile index"
                ),
            }
        }
        let winner = winner.expect("one won");
        let page = test.page(&root(), &dev, "mypkg").await.unwrap();
        assert_eq!(page["files"][0]["hashes"]["sha256"], winner.sha256.as_str());
        test.collect_garbage().await;
        assert_eq!(test.blob_count().await, 2);
        let served = bytes_of(&test, &root(), "root/dev", &path_of(&winner)).await.unwrap();
        assert_eq!(served, winner.bytes);
    }
}

#[tokio::test]
async fn two_nodes_do_not_both_win_either() {
    let test = TestApp::on_postgres().await;
    let other = test.second_node().await;
    let dev = test.index("root/dev", json!({"volatile": false})).await;
    let first = Wheel::named("mypkg").summary("first").build();
    let second = Wheel::named("mypkg").summary("second").build();
    let root = root();
    let (one, two) = tokio::join!(
        upload(&test.app, &root, &dev, &first),
        upload(&other, &root, &dev, &second)
    );
    let mut answers = [told(one), told(two)];
    answers.sort();
    assert_eq!(
        answers,
        [
            "conflict: mypkg-1.0-py3-none-any.whl already exists in non-volatile index",
            "ok"
        ]
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
        for (name, value) in [(":action", "file_upload"), ("name", "mypkg"), ("version", "1.0")] {
            upload.push_field(name, value).unwrap();
        }
        upload.start_content(&wheel.name).await.unwrap();
        upload.write(wheel.bytes.clone()).await.unwrap();
        upload
    };
    let upload = begin().await;
    let closed = cheeseshop_app::indexes::IndexPatch::Operations(vec!["acl_upload=eve".to_owned()]);
    test.app.update_index(&bob, &dev, &closed, Default::default()).await.unwrap();
    assert_eq!(told(upload.finish().await), "forbidden: no permission to submit");

    let open = cheeseshop_app::indexes::IndexPatch::Operations(vec!["acl_upload=bob".to_owned()]);
    test.app.update_index(&bob, &dev, &open, Default::default()).await.unwrap();
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
    upload.write(Bytes::from(vec![b'x'; 1 << 20])).await.unwrap();
    drop(upload);
    nothing_is_left(&test).await;
}

#[tokio::test]
async fn one_blob_serves_any_number_of_indexes() {
    let test = TestApp::start().await;
    let wheel = Wheel::named("mypkg").build();
    for name in ["root/one", "root/two"] {
        let target = test.index(name, json!({})).await;
        test.upload(&root(), &target, &wheel).await.unwrap();
    }
    assert_eq!(test.blob_count().await, 2, "a wheel and its metadata");
    test.app.remove_index(&root(), &index("root/one")).await.unwrap();
    assert_eq!(test.collect_garbage().await.removed, 0);
    let served = bytes_of(&test, &root(), "root/two", &path_of(&wheel)).await.unwrap();
    assert_eq!(served, wheel.bytes);
}

#[tokio::test]
async fn garbage_is_counted_spared_and_removed() {
    use cheeseshop_app::garbage::{GarbageOptions, GarbageReport};
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    test.upload(&root(), &dev, &Wheel::named("kept").build()).await.unwrap();
    for number in 0..5 {
        test.blobs.put(Bytes::from(format!("orphan {number}"))).await.unwrap();
    }
    let collect = async |dry_run, grace| {
        let grace = std::time::Duration::from_secs(grace);
        test.app
            .collect_garbage(GarbageOptions { dry_run, grace, batch: 2 })
            .await
            .unwrap()
    };
    let found = |removed, spared| GarbageReport {
        examined: 7,
        removed,
        removed_bytes: removed * 8,
        spared,
    };
    assert_eq!(collect(false, 3600).await, found(0, 5));
    assert_eq!(collect(true, 0).await, found(5, 0));
    assert_eq!(test.blob_count().await, 7);
    assert_eq!(collect(false, 0).await, found(5, 0));
    assert_eq!(test.blob_count().await, 2);
    assert_eq!(test.files(&root(), &dev, "kept").await.len(), 1);
}

#[tokio::test]
async fn files_sent_without_a_caller_are_logged_without_a_name() {
    let test = TestApp::start().await;
    let any = test.index("root/any", json!({"acl_upload": [":ANONYMOUS:"]})).await;
    let wheel = Wheel::named("mypkg").build();
    assert!(send(&test.app, &anonymous(), &any, &[
        (":action", "file_upload"), ("name", "mypkg"), ("version", "1.0"),
    ], Some((&wheel.name, wheel.bytes.clone()))).await.is_ok());
    let release = test
        .app
        .release(&anonymous(), &any, &project("mypkg"), "1.0", Scope::WithBases)
        .await
        .unwrap();
    let log = release.links[0].log.clone().unwrap();
    assert_eq!((log[0].who.as_deref(), log[0].dst.as_deref()), (None, Some("root/any")));
    assert_eq!(test.events().await.last().unwrap().actor, "anonymous");
}

/// No blob after garbage collection, no row of a blob, and no project: as if nothing had been.
async fn nothing_is_left(test: &TestApp) {
    assert_eq!(test.events_since(Serial(2)).await, [] as [&str; 0], "only root and the index");
    test.collect_garbage().await;
    assert_eq!(test.blob_count().await, 0);
    let mut reader = test.database.reader().await.unwrap();
    assert_eq!(blobs::totals(&mut reader).await.unwrap().count, 0);
}
