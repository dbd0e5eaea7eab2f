//! The certificate is replaced while the server is in use.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use cheeseshop_test_support::Wheel;
use reqwest::tls::TlsInfo;
use reqwest::{Client, StatusCode};

use super::{NAMES, Stand};
use crate::support::{Api, BETWEEN_LOOKS, DEADLINE, Server};

/// How often the certificate is replaced.
const ROTATIONS: usize = 12;

/// The certificate that the server shows to somebody who has not been there before.
async fn shown(stand: &Stand, server: &Server) -> Vec<u8> {
    let client = stand.trusting().tls_info(true).build().unwrap();
    let answer = client.get(server.at("+health/live")).send().await.unwrap();
    let info = answer.extensions().get::<TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

/// Puts a new certificate in place and has it read; comes back when it is shown.
async fn rotate(stand: &Stand, server: &Server) -> Vec<u8> {
    let before = shown(stand, server).await;
    let (certificate, key) = stand.authority.issue(NAMES);
    stand.install(&certificate, &key);
    server.signal("HUP");
    let deadline = Instant::now() + DEADLINE;
    loop {
        let after = shown(stand, server).await;
        if after != before {
            return after;
        }
        assert!(
            Instant::now() < deadline,
            "the old certificate is still shown"
        );
    }
}

/// What a crowd of clients has seen.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    answers: AtomicUsize,
    failures: AtomicUsize,
}

impl Tally {
    /// Asks on and on, over one connection or a new one each time.
    async fn ask(self: Arc<Self>, stand_client: impl Fn() -> Client, url: String, anew: bool) {
        let mut client = stand_client();
        while !self.stop.load(Ordering::Relaxed) {
            if anew {
                client = stand_client();
            }
            let answer = match client.get(&url).send().await {
                Ok(answer) if answer.status() == StatusCode::OK => answer.bytes().await.is_ok(),
                _ => false,
            };
            self.answers.fetch_add(1, Ordering::Relaxed);
            if !answer {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Tally {
    /// Uploads one release after the other.
    async fn upload(self: Arc<Self>, bob: Api) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let file = Wheel::named("load").version(&format!("1.{number}")).build();
            let answer = bob.try_upload("bob/dev", &file).await;
            self.answers.fetch_add(1, Ordering::Relaxed);
            if !answer.is_ok_and(|status| status == StatusCode::OK) {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        assert!(number >= ROTATIONS, "{number} uploads");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_certificates_are_replaced() {
    let stand = Stand::new();
    let server = stand.serve_tls(&["--set=log.filter=warn"]);
    let bob = stand.stock(&server).await;
    let file = Wheel::named("app").build();
    bob.upload("bob/dev", &file).await;
    let url = bob.files("bob/dev", "app").await[0].url.clone();
    let page = server.at("bob/dev/+simple/app/");
    let tally = Arc::new(Tally::default());
    let mut crowd = tokio::task::JoinSet::new();
    for (url, is_http_1, anew) in [
        (&page, false, false),
        (&page, true, false),
        (&url, false, false),
        (&page, false, true),
        (&page, true, true),
        (&url, true, true),
    ] {
        let authority = stand.authority.clone();
        let client = move || {
            let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
            let client = Client::builder().no_proxy().tls_certs_only([root]);
            let client = if is_http_1 {
                client.http1_only()
            } else {
                client
            };
            client.build().unwrap()
        };
        crowd.spawn(Arc::clone(&tally).ask(client, url.clone(), anew));
    }
    crowd.spawn(Arc::clone(&tally).upload(bob.clone()));
    let mut seen = BTreeSet::new();
    for _ in 0..ROTATIONS {
        let asked = tally.answers.load(Ordering::Relaxed);
        seen.insert(rotate(&stand, &server).await);
        // Under load, and not in a moment when everybody rests.
        let deadline = Instant::now() + DEADLINE;
        while tally.answers.load(Ordering::Relaxed) < asked + 100 {
            assert!(Instant::now() < deadline, "nobody asks");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
    tally.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = crowd.join_next().await {
        ended.unwrap();
    }
    let answers = tally.answers.load(Ordering::Relaxed);
    println!("{ROTATIONS} certificates, {answers} requests");
    assert_eq!(seen.len(), ROTATIONS);
    assert_eq!(tally.failures.load(Ordering::Relaxed), 0, "of {answers}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_with_a_mistake_change_nothing_and_are_told() {
    let stand = Stand::new();
    let server = stand.serve_tls(&[]);
    let before = shown(&stand, &server).await;
    let (certificate, key) = stand.authority.issue(NAMES);
    let (_, other_key) = stand.authority.issue(NAMES);
    let (expired, expired_key) = stand.authority.issue_for(NAMES, 2020..2021);
    let mistakes = [
        (certificate.as_str(), other_key.as_str(), "does not belong"),
        ("half a cert", &key, "holds no certificate"),
        (&expired, &expired_key, "which has expired on 2021-01-01"),
    ];
    for (certificate, key, told) in mistakes {
        stand.install(certificate, key);
        server.signal("HUP");
        server.wait_for_log(told).await;
        assert_eq!(shown(&stand, &server).await, before, "{told}");
    }
    stand.install(&certificate, &key);
    server.signal("HUP");
    let deadline = Instant::now() + DEADLINE;
    while shown(&stand, &server).await == before {
        assert!(Instant::now() < deadline, "{}", server.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_the_certificate_for_the_name_that_it_asks_for() {
    let stand = Stand::new();
    let (certificate, key) = stand.authority.issue(&["other.test", "*.wild.test"]);
    stand.home.write("other.crt", &certificate);
    super::private(stand.home.write("other.key", &key));
    let both = |kind: &str| {
        let files = ["server", "other"].map(|name| stand.path(&format!("{name}.{kind}")));
        files.join(",")
    };
    let certificates = format!("--set=tls.certificate={}", both("crt"));
    let keys = format!("--set=tls.key={}", both("key"));
    let server = stand.serve_tls(&[&certificates, &keys]);
    let port: u16 = server.url.rsplit_once(':').unwrap().1.parse().unwrap();
    for (host, is_known) in [
        ("localhost", true),
        ("other.test", true),
        ("a.wild.test", true),
        ("unknown.test", false),
    ] {
        let client = stand
            .trusting()
            .resolve(host, ([127, 0, 0, 1], port).into());
        let url = format!("https://{host}:{port}/+health/live");
        let answer = client.build().unwrap().get(url).send().await;
        assert_eq!(answer.is_ok(), is_known, "{host}: {answer:?}");
    }
}
