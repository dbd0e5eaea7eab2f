//! Servers that refuse, break off, say nothing or are not there.

use std::time::Duration;

use cheeseshop_app::Settings;
use cheeseshop_test_support::{Answer, BuiltFile, CertificateAuthority, Gate, Receiver};
use serde_json::json;

use super::{lines, path, push, request, stocked};
use crate::support::{TestApp, root, settings};

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
    let silence = Answer::status(200).behind(&Gate::closed());
    for (settings, answer, expected) in [
        (
            settings(),
            Answer::drop_connection(),
            "broke the connection",
        ),
        (impatient(), silence, "took longer than 0.2 seconds"),
    ] {
        let test = TestApp::with(settings).await;
        let (dev, _) = stocked(&test).await;
        let receiver = Receiver::start().await;
        // One for each file.
        receiver.next(answer.clone());
        receiver.next(answer);
        let request = request(&receiver.url(), json!({}));
        let outcome = push(&test, &root(), &dev, &request).await.unwrap();
        let (lines, succeeded) = lines(&outcome);
        assert!(!succeeded);
        assert_eq!(lines.len(), 2);
        for line in lines {
            assert_eq!(line[0], json!(-1));
            let reason = line[3].as_str().unwrap();
            assert!(reason.contains(expected), "{reason}");
        }
    }
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
