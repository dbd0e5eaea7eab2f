//! Calls to other servers after an upload.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cheeseshop_app::publish::{Published, Uploaded};
use cheeseshop_app::settings::AllowedHosts;
use cheeseshop_app::{App, Error, Settings};
use cheeseshop_domain::IndexName;
use cheeseshop_domain::api::PushRequest;
use cheeseshop_test_support::{Answer, BuiltFile, Gate, Receiver, Wheel};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::support::{TestApp, object, root, settings};

const BASE_URL: &str = "https://shop.test/sub";

async fn triggering(test: &TestApp, url: &str) -> IndexName {
    test.index("root/dev", json!({"uploadtrigger_jenkins": url}))
        .await
}

/// Uploads as the HTTP face does, with an address of the server.
async fn upload(app: &App, index: &IndexName, file: &BuiltFile) -> Result<Uploaded, Error> {
    let mut upload = app.start_upload(&root(), index).await?;
    upload.announce_as(BASE_URL);
    for (name, value) in [
        (":action", "file_upload"),
        ("name", file.project.as_str()),
        ("version", file.version.as_str()),
    ] {
        upload.push_field(name, value)?;
    }
    upload.start_content(&file.name).await?;
    upload.write(file.bytes.clone()).await?;
    upload.finish().await
}

fn reason(uploaded: Uploaded) -> String {
    match uploaded {
        Uploaded::Unannounced {
            file: Published::Created,
            reason,
        } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_upload_starts_the_job() {
    let test = TestApp::start().await;
    let jenkins = Receiver::start().await;
    let url = jenkins.at("/job/{pkgname}/{pkgversion}/build?delay=0");
    let url = url.replacen("://", "://me:token@", 1);
    let index = triggering(&test, &url).await;
    let wheel = Wheel::named("My_Pkg").version("1.0").build();
    assert_eq!(
        upload(&test.app, &index, &wheel).await.unwrap(),
        Uploaded::File(Published::Created)
    );
    let forms = jenkins.forms();
    assert_eq!(forms.len(), 1);
    let form = &forms[0];
    assert_eq!(form.target, "/job/my-pkg/1.0/build?delay=0");
    assert_eq!(form.credentials().as_deref(), Some("me:token"));
    assert_eq!(form.field("Submit"), Some("Build"));
    assert_eq!(form.field("name"), Some("jobscript.py"));
    let json: serde_json::Value = serde_json::from_str(form.field("json").unwrap()).unwrap();
    assert_eq!(
        json,
        json!({"parameter": {"name": "jobscript.py", "file": "file0"}})
    );
    let file = form.file.as_ref().unwrap();
    assert_eq!(file.field, "file0");
    let script = std::str::from_utf8(&file.bytes).unwrap();
    for expected in [
        "\"https://shop.test/sub/root/dev\"",
        "\"my-pkg==1.0\"",
        "devpi-client",
    ] {
        assert!(script.contains(expected), "{script}");
    }
}

#[tokio::test]
async fn only_files_that_come_by_upload_are_announced() {
    let test = TestApp::start().await;
    let jenkins = Receiver::start().await;
    let index = triggering(&test, &jenkins.url()).await;
    let fields = [(":action", "submit"), ("name", "mypkg"), ("version", "1.0")];
    test.send(&root(), &index, &fields, None).await.unwrap();
    let other = test.index("root/other", json!({})).await;
    let wheel = Wheel::named("mypkg").build();
    upload(&test.app, &other, &wheel).await.unwrap();
    let push = PushRequest::parse(&object(
        json!({"name": "mypkg", "version": "1.0", "targetindex": "root/dev"}),
    ))
    .unwrap();
    test.app.push(&root(), &other, &push).await.unwrap();
    assert!(jenkins.forms().is_empty());
    // A second time, to a volatile index: whoever wants the tests again sends it again.
    upload(&test.app, &index, &wheel).await.unwrap();
    assert_eq!(jenkins.forms().len(), 1);
}

#[tokio::test]
async fn a_call_that_fails_leaves_the_upload_and_says_why() {
    // All but the last answer at once, as far as the machine lets them.
    let mut impatient = settings();
    impatient.trigger.timeout = Duration::from_millis(200);
    for (answer, expected, settings) in [
        (
            Answer::status(500),
            "answered 500 Internal Server Error",
            settings(),
        ),
        (
            Answer::status(403).body(Bytes::from_static(b"<html>No valid crumb")),
            "answered 403 Forbidden",
            settings(),
        ),
        (
            Answer::redirect(302, "/login?from=secret"),
            "answered 302 Found and redirects to http://HOST/login",
            settings(),
        ),
        (
            Answer::redirect(301, "https://ci.test/"),
            "answered 301 Moved Permanently and redirects to https://ci.test/",
            settings(),
        ),
        (
            Answer::drop_connection(),
            "broke the connection",
            settings(),
        ),
        (
            Answer::status(200).behind(&Gate::closed()),
            "took longer than 0.2 seconds",
            impatient,
        ),
    ] {
        let test = TestApp::with(settings).await;
        let jenkins = Receiver::start().await;
        jenkins.next(answer);
        let url = jenkins.at("/job?token=hunter2");
        let index = triggering(&test, &url).await;
        let wheel = Wheel::named("mypkg").build();
        let reason = reason(upload(&test.app, &index, &wheel).await.unwrap());
        let expected = expected.replace("HOST", &jenkins.host());
        assert!(reason.starts_with("Jenkins"), "{reason}");
        assert!(reason.contains(&jenkins.host()), "{reason}");
        assert!(reason.contains(&expected), "{reason}");
        assert!(
            !reason.contains("hunter2") && !reason.contains("secret"),
            "{reason}"
        );
        assert_eq!(
            test.files(&root(), &index, "mypkg").await,
            [wheel.name],
            "the file is there"
        );
    }
}

#[tokio::test]
async fn jenkins_redirects_to_the_job_when_it_has_begun() {
    let test = TestApp::start().await;
    let jenkins = Receiver::start().await;
    jenkins.next(Answer::redirect(302, "/job/x/"));
    let index = triggering(&test, &jenkins.url()).await;
    assert_eq!(
        upload(&test.app, &index, &Wheel::named("mypkg").build())
            .await
            .unwrap(),
        Uploaded::File(Published::Created)
    );
    assert_eq!(jenkins.forms().len(), 1, "the redirect is not followed");
}

#[tokio::test]
async fn the_operator_says_which_servers_may_be_called_and_how_many_at_once() {
    let jenkins = Receiver::start().await;
    let with = |change: fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        settings
    };
    let test = TestApp::with(with(|settings| {
        settings.trigger.allowed_hosts = AllowedHosts::parse(&["ci.test"]).unwrap();
    }))
    .await;
    let index = triggering(&test, &jenkins.url()).await;
    let wheel = Wheel::named("mypkg").build();
    assert_eq!(
        reason(upload(&test.app, &index, &wheel).await.unwrap()),
        format!(
            "this server does not call {} (trigger.allowed_hosts)",
            jenkins.host()
        )
    );
    assert!(jenkins.forms().is_empty());

    let test = TestApp::with(with(|settings| settings.trigger.concurrent = 1)).await;
    let index = triggering(&test, &jenkins.url()).await;
    let gate = Gate::closed();
    jenkins.next(Answer::status(200).behind(&gate));
    let second = Wheel::named("mypkg").version("2.0").build();
    let (first, too_many) = tokio::join!(upload(&test.app, &index, &wheel), async {
        gate.wait_for_arrivals(1).await;
        let outcome = upload(&test.app, &index, &second).await;
        gate.open();
        outcome
    });
    assert_eq!(first.unwrap(), Uploaded::File(Published::Created));
    assert!(reason(too_many.unwrap()).contains("too many calls are under way"),);
}

#[tokio::test]
async fn the_setting_shows_no_secret_and_can_be_taken_back() {
    let test = TestApp::start().await;
    let plain = test.index("root/plain", json!({})).await;
    let shown = test.app.index(&root(), &plain).await.unwrap();
    assert!(!shown.config.to_json().contains_key("uploadtrigger_jenkins"));

    let index = triggering(
        &test,
        "https://me:hunter2@ci.test/job/{pkgname}?token=hunter3",
    )
    .await;
    let shown = test.app.index(&root(), &index).await.unwrap();
    assert_eq!(
        shown.config.to_json()["uploadtrigger_jenkins"],
        "https://***@ci.test/job/{pkgname}?***"
    );
    assert!(!format!("{shown:?}").contains("hunter"));
    for event in test.events().await {
        assert!(!event.event.detail.to_string().contains("hunter"));
    }
    let node = test.second_node().await;
    let kept = node.index(&root(), &index).await.unwrap();
    let trigger = kept.config.upload_trigger.clone().unwrap();
    let (url, _) = trigger.resolve("p", "1").unwrap();
    assert_eq!(url.as_str(), "https://ci.test/job/p?token=hunter3");
}

#[tokio::test]
async fn an_upload_whose_client_goes_away_at_its_commit_is_announced() {
    let test = TestApp::start().await;
    let jenkins = Receiver::start().await;
    let index = triggering(&test, &jenkins.url()).await;
    let client = Arc::new(Mutex::new(None::<AbortHandle>));
    test.database.observe({
        let client = Arc::clone(&client);
        move |_, _| {
            // Committed, and nobody has been told of it yet.
            if let Some(client) = client.lock().unwrap().take() {
                client.abort();
            }
        }
    });
    let (send, may_upload) = oneshot::channel();
    let uploading = tokio::spawn({
        let (app, index) = (test.app.clone(), index.clone());
        async move {
            may_upload.await.unwrap();
            upload(&app, &index, &Wheel::named("mypkg").build()).await
        }
    });
    *client.lock().unwrap() = Some(uploading.abort_handle());
    send.send(()).unwrap();
    assert!(uploading.await.unwrap_err().is_cancelled());
    test.app.settle().await;
    assert_eq!(test.files(&root(), &index, "mypkg").await.len(), 1);
    assert_eq!(jenkins.forms().len(), 1);
}
