//! Pushing releases to other servers.

use std::time::Duration;

use bytes::Bytes;
use cheeseshop_app::push::PushOutcome;
use cheeseshop_app::settings::AllowedHosts;
use cheeseshop_app::{Error, Settings};
use cheeseshop_domain::api::PushRequest;
use cheeseshop_domain::token::Limits;
use cheeseshop_domain::{Caller, EventKind, HeldToken, IndexName};
use cheeseshop_test_support::{
    Answer, BuiltFile, CertificateAuthority, ForwardProxy, Gate, ReceivedForm, Receiver, Sdist,
    Upstream, Wheel,
};
use serde_json::{Value, json};

use crate::support::{TestApp, anonymous, object, root, settings, told};

/// A push of `mypkg` 1.0 to an address, with more keys.
fn request(url: &str, more: Value) -> PushRequest {
    let mut body = object(json!({
        "name": "mypkg", "version": "1.0", "posturl": url, "username": "up", "password": "p:hunter2",
    }));
    body.extend(object(more));
    PushRequest::parse(&body).unwrap()
}

async fn push(
    test: &TestApp,
    caller: &Caller,
    source: &IndexName,
    request: &PushRequest,
) -> Result<PushOutcome, Error> {
    test.app.push(caller, source, request).await
}

/// The lines of the log, and whether the whole succeeded.
fn lines(outcome: &PushOutcome) -> (Vec<Value>, bool) {
    let lines = outcome
        .actions
        .iter()
        .map(|action| serde_json::to_value(action.to_log_entry()).unwrap())
        .collect();
    (lines, outcome.succeeded())
}

fn path(file: &BuiltFile) -> String {
    format!(
        "root/dev/+f/{}/{}/{}",
        &file.sha256[..3],
        &file.sha256[3..16],
        file.name
    )
}

/// `root/dev` with a wheel and an sdist of `mypkg` 1.0, in the order in which they are sent.
async fn stocked(test: &TestApp) -> (IndexName, [BuiltFile; 2]) {
    let dev = test.index("root/dev", json!({})).await;
    let wheel = Wheel::named("mypkg").requires_python(">=3.9").build();
    let sdist = Sdist::named("mypkg").build();
    for file in [&wheel, &sdist] {
        test.upload(&root(), &dev, file).await.unwrap();
    }
    (dev, [wheel, sdist])
}

/// Settings under which another server is given up soon.
fn impatient() -> Settings {
    let mut settings = settings();
    settings.push.timeout = Duration::from_millis(200);
    settings
}

fn assert_no_secret(text: &str) {
    assert!(!text.contains("hunter2"), "{text}");
}

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
async fn all_files_are_tried_and_each_is_reported() {
    let test = TestApp::start().await;
    let (dev, [wheel, sdist]) = stocked(&test).await;
    let upload =
        |status: i32, file: &BuiltFile, text: &str| json!([status, "upload", path(file), text]);
    for (answers, expected, succeeded) in [
        // The last step decides, as in devpi.
        (
            vec![
                Answer::status(403).body("not yours\r\n"),
                Answer::status(201),
            ],
            vec![upload(403, &wheel, "not yours"), upload(201, &sdist, "")],
            true,
        ),
        (
            vec![Answer::status(200), Answer::status(409)],
            vec![upload(200, &wheel, ""), upload(409, &sdist, "Conflict")],
            false,
        ),
        // Neither text nor small.
        (
            vec![
                Answer::status(500).body(&b"\xff\x1b[2J\0"[..]),
                Answer::status(204),
            ],
            vec![
                upload(500, &wheel, "\u{fffd}\u{fffd}[2J\u{fffd}"),
                upload(204, &sdist, "No Content"),
            ],
            false,
        ),
    ] {
        let receiver = Receiver::start().await;
        for answer in answers {
            receiver.next(answer);
        }
        let request = request(&receiver.url(), json!({}));
        let outcome = push(&test, &root(), &dev, &request).await.unwrap();
        assert_eq!(lines(&outcome), (expected, succeeded));
        assert_eq!(receiver.forms().len(), 2);
    }
}

#[tokio::test]
async fn a_refused_registration_ends_the_push_and_an_unknown_one_does_not() {
    let test = TestApp::start().await;
    let (dev, [wheel, sdist]) = stocked(&test).await;
    for (status, forms, expected) in [
        (403, 1, vec![json!([403, "register", "mypkg", "1.0", "no"])]),
        (
            410,
            3,
            vec![
                json!([410, "register", "mypkg", "1.0", "no"]),
                json!([200, "upload", path(&wheel), ""]),
                json!([200, "upload", path(&sdist), ""]),
            ],
        ),
    ] {
        let receiver = Receiver::start().await;
        receiver.next(Answer::status(status).body("no"));
        let request = request(&receiver.url(), json!({"register_project": true}));
        let outcome = push(&test, &root(), &dev, &request).await.unwrap();
        assert_eq!(lines(&outcome), (expected, status == 410));
        assert_eq!(receiver.forms().len(), forms);
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_that_leaks_nothing() {
    let test = TestApp::start().await;
    let (dev, _) = stocked(&test).await;
    let elsewhere = Receiver::start().await;
    for status in [301, 302, 303, 307, 308] {
        let receiver = Receiver::start().await;
        for _ in 0..2 {
            let to = format!("{}?token=hunter2", elsewhere.url());
            receiver.next(Answer::redirect(status, &to));
        }
        let request = request(&receiver.url(), json!({}));
        let outcome = push(&test, &root(), &dev, &request).await.unwrap();
        let (lines, succeeded) = lines(&outcome);
        assert!(!succeeded);
        for line in lines {
            assert_eq!(line[0], status);
            let reason = line[3].as_str().unwrap();
            assert!(
                reason.contains(&format!("redirects to {}", elsewhere.url())),
                "{reason}"
            );
            assert_no_secret(reason);
        }
    }
    assert!(elsewhere.forms().is_empty());
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_a_line_and_no_error() {
    let test = TestApp::start().await;
    let (dev, [wheel, _]) = stocked(&test).await;
    // Nobody listens on a port that has just been given back.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://me:hunter2@127.0.0.1:{port}/legacy/?key=hunter2");
    let outcome = push(&test, &root(), &dev, &request(&url, json!({})))
        .await
        .unwrap();
    let (refused, succeeded) = lines(&outcome);
    assert!(!succeeded);
    assert_eq!(refused.len(), 2, "every file is tried");
    assert_eq!(refused[0][0], -1);
    assert_eq!(refused[0][2], path(&wheel));
    let reason = refused[0][3].as_str().unwrap();
    assert!(
        reason.starts_with(&format!(
            "cannot connect to 127.0.0.1:{port}: Connection refused"
        )),
        "{reason}"
    );
    let request = request(&url, json!({"register_project": true}));
    let outcome = push(&test, &root(), &dev, &request).await.unwrap();
    let (refused, _) = lines(&outcome);
    assert_eq!(refused.len(), 1);
    assert_eq!(
        refused[0].as_array().unwrap()[..4],
        [json!(-1), json!("register"), json!("mypkg"), json!("1.0")]
    );
    for event in test.events().await {
        assert_no_secret(&event.event.detail.to_string());
    }
    assert_no_secret(&format!("{request:?}{refused:?}"));
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_is_told_apart_from_silence() {
    let mut settings = settings();
    settings.mirror.request_timeout = Duration::from_millis(100);
    let test = TestApp::with(settings).await;
    let (dev, _) = stocked(&test).await;
    // The system takes the connection, but nobody answers the greeting of TLS.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    let request = request(&format!("https://{host}/legacy/"), json!({}));
    let outcome = push(&test, &root(), &dev, &request).await.unwrap();
    let (lines, _) = lines(&outcome);
    let reason = lines[0][3].as_str().unwrap();
    assert!(
        reason.starts_with(&format!("cannot connect to {host}: ")),
        "{reason}"
    );
    assert!(reason.contains("timed out"), "{reason}");
}

#[tokio::test]
async fn a_server_that_breaks_off_or_is_silent_is_given_up() {
    let test = TestApp::with(impatient()).await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    let gate = Gate::closed();
    receiver.next(Answer::drop_connection());
    receiver.next(Answer::status(200).behind(&gate));
    let request = request(&receiver.url(), json!({}));
    let outcome = push(&test, &root(), &dev, &request).await.unwrap();
    let (lines, succeeded) = lines(&outcome);
    let reason = |line: usize| lines[line][3].as_str().unwrap();
    assert!(!succeeded);
    assert_eq!((&lines[0][0], &lines[1][0]), (&json!(-1), &json!(-1)));
    assert!(reason(0).contains("broke the connection"), "{}", reason(0));
    assert!(
        reason(1).contains("took longer than 0.2 seconds"),
        "{}",
        reason(1)
    );
    gate.open();
}

#[tokio::test]
async fn a_huge_answer_is_cut() {
    let test = TestApp::start().await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    receiver.next(Answer::endless());
    receiver.next(Answer::status(400).body("ü".repeat(100_000)));
    let request = request(&receiver.url(), json!({}));
    let outcome = push(&test, &root(), &dev, &request).await.unwrap();
    let (lines, _) = lines(&outcome);
    for line in lines {
        assert!(line[3].as_str().unwrap().chars().count() < 2_100);
    }
}

#[tokio::test]
async fn a_certificate_must_be_trusted() {
    let authority = CertificateAuthority::new();
    let receiver = Receiver::start_tls(&authority).await;
    let stranger = TestApp::start().await;
    let (dev, _) = stocked(&stranger).await;
    let untrusted = request(&receiver.url(), json!({}));
    let outcome = push(&stranger, &root(), &dev, &untrusted).await.unwrap();
    let (lines_without, _) = lines(&outcome);
    let reason = lines_without[0][3].as_str().unwrap();
    assert!(reason.contains("certificate"), "{reason}");
    assert!(receiver.forms().is_empty());

    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.mirror.ca_bundle = Some(authority.write_pem(folder.path()));
    let friend = TestApp::with(settings).await;
    let (dev, _) = stocked(&friend).await;
    let outcome = push(&friend, &root(), &dev, &untrusted).await.unwrap();
    assert!(lines(&outcome).1);
    assert_eq!(receiver.forms().len(), 2);
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

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
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

#[tokio::test]
async fn what_is_not_there_is_told_before_anybody_is_asked() {
    let test = TestApp::start().await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    let fields = [(":action", "submit"), ("name", "mypkg"), ("version", "2.0")];
    test.send(&root(), &dev, &fields, None).await.unwrap();
    let head = test.head().await;
    for (more, expected) in [
        (
            json!({"version": "9.0"}),
            "invalid: there are no files for mypkg 9.0 on stage root/dev",
        ),
        (
            json!({"name": "other"}),
            "invalid: there are no files for other 1.0 on stage root/dev",
        ),
        (
            json!({"version": "2.0"}),
            "not found: no release/files found for mypkg 2.0",
        ),
        (
            json!({"only_docs": true}),
            "not found: no release/files found for mypkg 1.0",
        ),
    ] {
        let request = request(&receiver.url(), more);
        assert_eq!(told(push(&test, &root(), &dev, &request).await), expected);
    }
    assert!(receiver.forms().is_empty());
    assert_eq!(test.head().await, head, "nothing happened");
}

#[tokio::test]
async fn strangers_make_the_server_talk_to_nobody() {
    let test = TestApp::start().await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    let request = request(&receiver.url(), json!({}));
    assert_eq!(
        told(push(&test, &anonymous(), &dev, &request).await),
        "unauthenticated: pushing to another server needs a login"
    );
    // Whoever has said who they are needs no more than to read the release.
    let bob = test.user("bob").await;
    assert!(push(&test, &bob, &dev, &request).await.unwrap().succeeded());
    // A token says whether it reads, also where everybody may.
    let limits = Limits::of(["allowed=upload"]).unwrap();
    let uploader = bob
        .clone()
        .with_token(HeldToken::new("k3JxWq8T".into(), limits.into()));
    assert_eq!(
        told(push(&test, &uploader, &dev, &request).await),
        format!("forbidden: no permission to push from {dev} to another server")
    );
    let secret = test
        .index("root/secret", json!({"acl_read": ["root"]}))
        .await;
    assert_eq!(
        told(push(&test, &bob, &secret, &request).await),
        "not found: The stage root/secret could not be found."
    );
}

#[tokio::test]
async fn the_operator_says_which_servers_may_be_pushed_to() {
    let receiver = Receiver::start().await;
    for (allowed, expected) in [
        (vec!["127.0.0.1".to_owned()], true),
        (vec![receiver.host()], true),
        (vec!["*".to_owned()], true),
        (vec!["up.test".to_owned(), "127.0.0.1:1".to_owned()], false),
        (vec![], false),
    ] {
        let mut settings = settings();
        settings.push.allowed_hosts = AllowedHosts::parse(&allowed).unwrap();
        let test = TestApp::with(settings).await;
        let (dev, _) = stocked(&test).await;
        let before = receiver.forms().len();
        let result = push(&test, &root(), &dev, &request(&receiver.url(), json!({}))).await;
        if expected {
            assert!(result.unwrap().succeeded(), "{allowed:?}");
        } else {
            let refusal = format!(
                "forbidden: this server does not push to {} (push.allowed_hosts)",
                receiver.host()
            );
            assert_eq!(told(result), refusal);
            assert_eq!(receiver.forms().len(), before);
        }
    }
}

#[tokio::test]
async fn a_push_goes_on_when_its_client_goes_away() {
    let test = TestApp::start().await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    let gate = Gate::closed();
    receiver.next(Answer::status(200).behind(&gate));
    let request = request(&receiver.url(), json!({}));
    let (app, source) = (test.app.clone(), dev.clone());
    let asking = tokio::spawn(async move { app.push(&root(), &source, &request).await });
    gate.wait_for_arrivals(1).await;
    asking.abort();
    gate.open();
    test.app.settle().await;
    assert_eq!(receiver.forms().len(), 2);
    let events = test.events().await;
    assert_eq!(events.last().unwrap().event.detail["taken"], 2);
}

/// Begins a push of two files, and ends sending, which waits so long, while the first is under way.
async fn stopped(patience: Duration) -> (TestApp, Receiver, PushOutcome) {
    let test = TestApp::start().await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    let gate = Gate::closed();
    receiver.next(Answer::status(200).behind(&gate));
    let request = request(&receiver.url(), json!({}));
    let (app, source) = (test.app.clone(), dev.clone());
    let asking = tokio::spawn(async move { app.push(&root(), &source, &request).await });
    gate.wait_for_arrivals(1).await;
    let stopping = test.app.stop_sending(patience);
    if patience.is_zero() {
        stopping.await;
    } else {
        futures_util::join!(stopping, async { gate.open() });
    }
    let outcome = asking.await.unwrap().unwrap();
    (test, receiver, outcome)
}

#[tokio::test]
async fn a_push_begins_no_further_file_when_the_server_stops() {
    let (test, receiver, outcome) = stopped(Duration::from_mins(1)).await;
    let (lines, succeeded) = lines(&outcome);
    assert_eq!(receiver.forms().len(), 1);
    assert!(!succeeded);
    assert_eq!((&lines[0][0], &lines[1][0]), (&json!(200), &json!(-1)));
    assert_eq!(lines[1][3], "not sent: this server stops");
    let events = test.events().await;
    let detail = &events.last().unwrap().event.detail;
    assert_eq!((&detail["steps"], &detail["taken"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn what_is_under_way_when_the_server_stops_is_given_up_and_recorded() {
    let (test, receiver, outcome) = stopped(Duration::ZERO).await;
    let (lines, succeeded) = lines(&outcome);
    assert!(!succeeded);
    let expected = format!(
        "this server stopped before {} had answered, which may have taken it",
        receiver.host()
    );
    assert_eq!((&lines[0][0], &lines[0][3]), (&json!(-1), &json!(expected)));
    assert_eq!(lines[1][3], "not sent: this server stops");
    let events = test.events().await;
    let last = &events.last().unwrap().event;
    assert_eq!(last.kind, EventKind::ReleasePushedOutside);
    assert_eq!(
        (&last.detail["steps"], &last.detail["taken"]),
        (&json!(2), &json!(0))
    );
}

#[tokio::test]
async fn more_pushes_than_the_server_takes_are_told_so() {
    let mut settings = settings();
    settings.push.concurrent = 1;
    let test = TestApp::with(settings).await;
    let (dev, _) = stocked(&test).await;
    let receiver = Receiver::start().await;
    let gate = Gate::closed();
    receiver.next(Answer::status(200).behind(&gate));
    let request = request(&receiver.url(), json!({}));
    let first = tokio::spawn({
        let (app, source, request) = (test.app.clone(), dev.clone(), request.clone());
        async move { app.push(&root(), &source, &request).await }
    });
    gate.wait_for_arrivals(1).await;
    assert_eq!(
        told(push(&test, &root(), &dev, &request).await),
        "busy: the server is busy, try again"
    );
    gate.open();
    assert!(first.await.unwrap().unwrap().succeeded());
}
