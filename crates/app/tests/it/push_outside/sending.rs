//! What goes out, and what goes along.

use bytes::Bytes;
use cheeseshop_domain::{EventKind, IndexName};
use cheeseshop_test_support::{ForwardProxy, ReceivedForm, Receiver, Upstream, Wheel, noise};
use serde_json::json;

use super::{lines, path, push, request, stocked};
use crate::support::{TestApp, root, settings};

#[tokio::test]
async fn every_file_goes_out_as_a_form_of_its_own() {
    for test in TestApp::on_each_database().await {
        let receiver = Receiver::start().await;
        let (dev, [wheel, sdist]) = stocked(&test).await;
        let head = test.head().await;
        let request = request(&receiver.url(), json!({"register_project": true}));
        let outcome = push(&test, &root(), &dev, &request).await.unwrap();
        let expected = vec![
            json!([200, "register", "mypkg", "1.0"]),
            json!([200, "upload", path(&wheel), ""]),
            json!([200, "upload", path(&sdist), ""]),
        ];
        assert_eq!(lines(&outcome), (expected, true));

        let forms = receiver.forms();
        let [registered, first, second] = &forms[..] else {
            panic!("{forms:#?}");
        };
        for form in &forms {
            assert_eq!(form.target, "/legacy/");
            assert_eq!(form.credentials().as_deref(), Some("up:p:hunter2"));
            assert_eq!(form.field("name"), Some("mypkg"));
            assert_eq!(form.field("version"), Some("1.0"));
            assert_eq!(form.field("metadata_version"), Some("2.4"));
            assert_eq!(form.field("summary"), Some(""), "empty texts are sent");
            assert_eq!(form.field("platform"), None, "empty lists are not");
        }
        assert_eq!(registered.field(":action"), Some("submit"));
        assert!(registered.file.is_none());
        for (form, file, filetype, pyversion) in [
            (first, &wheel, "bdist_wheel", "3"),
            (second, &sdist, "sdist", "source"),
        ] {
            assert_eq!(form.field(":action"), Some("file_upload"));
            assert_eq!(form.field("protocol_version"), Some("1"));
            assert_eq!(form.field("filetype"), Some(filetype));
            assert_eq!(form.field("pyversion"), Some(pyversion));
            assert_eq!(form.field("sha256_digest"), Some(file.sha256.as_str()));
            let sent = form.file.as_ref().unwrap();
            assert_eq!(
                (sent.field.as_str(), &sent.filename),
                ("content", &file.name)
            );
            assert_eq!(sent.bytes, file.bytes);
        }

        let events = test.events().await;
        let event = events.last().unwrap();
        assert_eq!(event.serial.0, head.0 + 1);
        assert_eq!(event.event.kind, EventKind::ReleasePushedOutside);
        assert_eq!(event.event.subject, "root/dev/mypkg");
        assert_eq!(event.actor, "root");
        assert_eq!(
            event.event.detail,
            json!({"version": "1.0", "host": receiver.host(), "steps": 3, "taken": 3})
        );
    }
}

#[tokio::test]
async fn the_proxy_of_upstreams_is_used() {
    let proxy = ForwardProxy::start().await;
    let receiver = Receiver::start().await;
    let mut settings = settings();
    settings.mirror.proxy = proxy.url().as_str().into();
    let test = TestApp::with(settings).await;
    let (dev, _) = stocked(&test).await;
    let outcome = push(&test, &root(), &dev, &request(&receiver.url(), json!({})))
        .await
        .unwrap();
    assert!(lines(&outcome).1);
    assert_eq!(proxy.count("POST"), 2);
}

#[tokio::test]
async fn large_files_are_sent_whole() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg")
        .file("mypkg.dat", noise(900_000))
        .build();
    test.upload(&root(), &dev, &wheel).await.unwrap();
    let receiver = Receiver::start().await;
    let outcome = push(&test, &root(), &dev, &request(&receiver.url(), json!({})))
        .await
        .unwrap();
    assert!(lines(&outcome).1);
    let sent = receiver.forms()[0].file.clone().unwrap();
    assert_eq!(sent.sha256(), wheel.sha256);
}

#[tokio::test]
async fn a_mirrors_release_is_fetched_and_sent() {
    let test = TestApp::start().await;
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("mypkg").summary("from upstream").build();
    upstream.publish(&wheel);
    let config = json!({"type": "mirror", "mirror_url": upstream.url()});
    let mirror = test.index("root/dev", config).await;
    let receiver = Receiver::start().await;
    let outcome = push(
        &test,
        &root(),
        &mirror,
        &request(&receiver.url(), json!({})),
    )
    .await
    .unwrap();
    let expected = vec![json!([200, "upload", path(&wheel), ""])];
    assert_eq!(lines(&outcome), (expected, true));
    let form = &receiver.forms()[0];
    assert_eq!(form.field("summary"), Some("from upstream"));
    assert_eq!(form.file.as_ref().unwrap().bytes, wheel.bytes);
}

fn documentation() -> Bytes {
    // The smallest archive that there is: the end of an empty one.
    Bytes::from([&b"PK\x05\x06"[..], &[0; 18]].concat())
}

async fn document(test: &TestApp, index: &IndexName) {
    let fields = [
        (":action", "doc_upload"),
        ("name", "mypkg"),
        ("version", "1.0"),
    ];
    test.send(
        &root(),
        index,
        &fields,
        Some(("mypkg.zip", documentation())),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn documentation_goes_along_unless_it_is_not_wanted() {
    let test = TestApp::start().await;
    let (dev, [wheel, sdist]) = stocked(&test).await;
    document(&test, &dev).await;
    let files = vec![
        json!([200, "upload", path(&wheel), ""]),
        json!([200, "upload", path(&sdist), ""]),
    ];
    let docs = vec![json!([200, "docfile", "mypkg"])];
    for (options, expected) in [
        (json!({}), [files.clone(), docs.clone()].concat()),
        (json!({"no_docs": true}), files),
        (json!({"only_docs": true}), docs),
    ] {
        let receiver = Receiver::start().await;
        let outcome = push(&test, &root(), &dev, &request(&receiver.url(), options))
            .await
            .unwrap();
        let number = expected.len();
        assert_eq!(lines(&outcome), (expected, true));
        assert_eq!(receiver.forms().len(), number);
        let docs: Vec<ReceivedForm> = receiver
            .forms()
            .into_iter()
            .filter(|form| form.field(":action") == Some("doc_upload"))
            .collect();
        for form in docs {
            assert_eq!(form.field("name"), Some("mypkg"));
            assert_eq!(form.field("version"), Some("1.0"));
            let sent = form.file.unwrap();
            assert_eq!(
                (sent.field.as_str(), sent.filename.as_str()),
                ("content", "mypkg.zip")
            );
            assert_eq!(sent.bytes, documentation());
        }
    }
}
