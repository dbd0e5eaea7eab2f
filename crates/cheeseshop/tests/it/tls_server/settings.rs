//! What is wrong with certificates is found before they are needed, and told in time.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use cheeseshop_test_support::CertificateAuthority;

use super::{NAMES, Stand};
use crate::support::{BETWEEN_LOOKS, DEADLINE, Output};

impl Stand {
    /// `cheeseshop config check` for the certificate and more settings.
    fn check(&self, more: &[&str]) -> Output {
        let certificate = format!("--set=tls.certificate={}", self.path("server.crt"));
        let key = format!("--set=tls.key={}", self.path("server.key"));
        let mut arguments = vec!["config", "check", certificate.as_str(), &key];
        arguments.extend(more);
        self.home.run(&arguments)
    }
}

#[test]
fn a_check_finds_what_is_wrong_with_the_files() {
    let stand = Stand::new();
    let good = stand.check(&[]);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(!good.stderr.contains("warning"), "{good:?}");

    let (certificate, key) = stand.authority.issue(NAMES);
    let (_, other_key) = stand.authority.issue(NAMES);
    let (expired, expired_key) = stand.authority.issue_for(NAMES, 2020..2021);
    for (chain, private_key, what, hint) in [
        (
            certificate.as_str(),
            other_key.as_str(),
            "does not belong",
            "hint: both commands",
        ),
        (
            &expired,
            &expired_key,
            "has expired on 2021-01-01",
            "hint: have the authority",
        ),
        (&key, &certificate, "holds a private key", "exchanged"),
        ("", &key, "holds no certificate", "BEGIN CERTIFICATE"),
    ] {
        stand.install(chain, private_key);
        let found = stand.check(&[]);
        assert_eq!(found.code, Some(1), "{found:?}");
        assert!(found.stderr.contains(what), "{found:?}");
        assert!(found.stderr.contains(hint), "{found:?}");
    }
    stand.install(&certificate, &key);
    let clients = [
        "--set=tls.client_certificates=required",
        "--set=tls.client_ca=/nowhere/ca.pem",
    ];
    let found = stand.check(&clients);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(
        found.stderr.contains("/nowhere/ca.pem cannot be read"),
        "{found:?}"
    );

    let file = stand.home.path().join("server.key");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = stand.check(&[]);
    assert_eq!(open.code, Some(0), "{open:?}");
    assert!(open.stderr.contains("warning: the private key"), "{open:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the list of the test ends soon")]
fn a_check_tells_of_lists_of_revoked_certificates_that_are_or_soon_will_be_out_of_date() {
    let stand = Stand::new();
    let clients = CertificateAuthority::new();
    stand.home.write("clients.pem", clients.pem());
    let settings = [
        "--set=tls.client_certificates=optional".to_owned(),
        format!("--set=tls.client_ca={}", stand.path("clients.pem")),
        format!("--set=tls.client_revoked={}", stand.path("revoked.pem")),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let day = |days: i64| {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(days * 24);
        let date = then.to_zoned(jiff::tz::TimeZone::UTC).date();
        let part = |number: i8| u8::try_from(number).unwrap();
        (i32::from(date.year()), part(date.month()), part(date.day()))
    };
    for (begin, end, told) in [
        (-100, -10, Some("is out of date since ")),
        (-100, 5, Some("; from then on its certificates are refused")),
        (-1, 100, None),
    ] {
        let list = clients.revocations_for(&[], [day(begin), day(end)]);
        stand.home.write("revoked.pem", &list);
        let found = stand.check(&settings);
        assert_eq!(found.code, Some(0), "{found:?}");
        let warning = "warning: the list of revoked certificates of ";
        assert_eq!(found.stderr.contains(warning), told.is_some(), "{found:?}");
        assert!(found.stderr.contains(told.unwrap_or_default()), "{found:?}");
    }
}

#[test]
fn settings_that_cannot_work_together_are_problems_of_their_keys() {
    let stand = Stand::new();
    for (settings, expected) in [
        (
            &["--set=server.listen=https://127.0.0.1:3443"][..],
            "`server.listen`: an https address needs `tls.certificate`",
        ),
        (
            &[
                "--set=server.listen=https://127.0.0.1:3443",
                "--set=server.outside_url=http://shop.test/",
                "--set=tls.certificate=x",
            ],
            "`server.outside_url`: clients would send their passwords to an http URL",
        ),
        (&["--set=tls.key=x"], "`tls.certificate`: is needed"),
        (
            &["--set=tls.client_certificates=optional"],
            "`tls.client_ca`: is needed",
        ),
        (
            &["--set=tls.client_user=dns"],
            "`tls.client_user`: does nothing while",
        ),
        (
            &["--set=tls.handshake_timeout=0"],
            "`tls.handshake_timeout`: must be at least 1s",
        ),
        (
            &["--set=tls.plain_http=allow"],
            "`tls.plain_http`: `allow` is not one of redirect, read-only, serve",
        ),
    ] {
        let found = stand.home.run(&[&["config", "check"], settings].concat());
        assert_eq!(found.code, Some(1), "{found:?}");
        assert!(found.stderr.contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_server_does_not_start_without_a_usable_certificate_and_makes_nothing() {
    let stand = Stand::new();
    stand.home.write("server.key", "nothing");
    let certificate = format!("--set=tls.certificate={}", stand.path("server.crt"));
    let key = format!("--set=tls.key={}", stand.path("server.key"));
    let arguments = [
        "serve",
        "--listen",
        "https://127.0.0.1:0",
        &certificate,
        &key,
    ];
    let output = stand.home.run(&arguments);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("holds no private key"), "{output:?}");
    assert!(output.stderr.contains("\nhint: "), "{output:?}");
    assert!(!stand.home.data_dir().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::disallowed_methods,
    reason = "the certificate of the test ends soon"
)]
async fn the_end_of_a_certificate_is_measured_and_comes_with_a_warning() {
    let stand = Stand::new();
    let now = jiff::Timestamp::now();
    let in_days = |days: i64| now + jiff::SignedDuration::from_hours(days * 24);
    for (days, is_warned) in [(5, true), (200, false)] {
        let end = in_days(days).to_zoned(jiff::tz::TimeZone::UTC).date();
        let day = (i32::from(end.year()), end.month(), end.day());
        let (certificate, key) = stand.authority.issue_until(NAMES, day);
        stand.install(&certificate, &key);
        let log = stand.home.path().join("server.log");
        let _ = std::fs::remove_file(log);
        let server = stand.serve_tls(&[]);
        let end = end.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        let gauge = format!(
            "\ncheeseshop_tls_certificate_not_after_seconds {}\n",
            end.as_second()
        );
        // The watch over the files begins beside the first answers.
        let deadline = Instant::now() + DEADLINE;
        loop {
            let metrics = stand.client().get(server.at("metrics")).send().await;
            let metrics = metrics.unwrap().text().await.unwrap();
            if metrics.contains(&gauge) {
                break;
            }
            assert!(Instant::now() < deadline, "{gauge}{metrics}");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let log = server.stop();
        assert_eq!(log.contains("expires in"), is_warned, "{days}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_told_and_does_not_stop_the_start() {
    let stand = Stand::new();
    let (certificate, key) = stand.authority.issue_for(NAMES, 2020..2021);
    stand.install(&certificate, &key);
    let server = stand.serve_tls(&[]);
    let answer = stand.client().get(server.at("+health/live")).send().await;
    assert!(answer.is_err(), "clients see it as well: {answer:?}");
    server.wait_for_log("has expired on 2021-01-01").await;
}
